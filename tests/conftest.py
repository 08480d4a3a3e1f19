"""Fixtures that every tier of the tests shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parent / "support"


def pytest_configure() -> None:
    """Let the processes that tests start import the modules in tests/support, as tests do."""
    earlier = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(SUPPORT), *([earlier] if earlier else [])])


def require(service: str, available: bool, package: str) -> None:
    """Skip a test whose service is not installed; fail it where the service is required.

    The variable HYBRID_PARSL_REQUIRE lists the services that have to be there.
    """
    if available:
        return
    required = os.environ.get("HYBRID_PARSL_REQUIRE", "").split(",")
    message = f"{service} is not there: install {package}"
    if service in required:
        pytest.fail(message)
    pytest.skip(message)
