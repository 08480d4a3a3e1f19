"""Services that some tests need and some machines do not have."""

from __future__ import annotations

import os

import pytest


def require(service: str, package: str, *, available: bool) -> None:
    """Skip a test whose service is not installed; fail it where the service is required.

    The variable HYBRID_PARSL_REQUIRE lists the services that have to be there.
    """
    if available:
        return
    message = f"{service} is not there: install {package}"
    if service in os.environ.get("HYBRID_PARSL_REQUIRE", "").split(","):
        pytest.fail(message)
    pytest.skip(message)
