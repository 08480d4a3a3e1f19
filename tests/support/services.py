"""Services that some tests need and some machines do not have."""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


def require(service: str, package: str, *, available: bool) -> None:
    """Skip a test whose service is not installed; fail it where the service is required.

    The variable HYBRID_PARSL_REQUIRE lists the services that have to be there.
    """
    if available:
        return
    message = f"{service} is not there: install {package}"
    if is_required(service):
        pytest.fail(message)
    pytest.skip(message, allow_module_level=True)


def require_if_asked(service: str, package: str, available: Callable[[], bool]) -> None:
    """Do as `require` where the service is required, and skip the test elsewhere.

    That is for services whose tests take minutes.
    """
    if not is_required(service):
        asked = f"set HYBRID_PARSL_REQUIRE={service}"
        pytest.skip(f"{asked}, and install {package}" if package else asked)
    require(service, package, available=available())


def is_required(service: str) -> bool:
    """Return whether HYBRID_PARSL_REQUIRE names the service."""
    return service in os.environ.get("HYBRID_PARSL_REQUIRE", "").split(",")


def require_module(name: str, service: str, package: str) -> ModuleType:
    """Return a module of ours that imports `service`; where that is not there, do as `require`."""
    available = importlib.util.find_spec(service) is not None
    require(service, package, available=available)
    return importlib.import_module(name)
