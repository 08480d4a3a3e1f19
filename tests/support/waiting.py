"""Waiting for what another process or thread does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 600.0
"""How long a test waits for what should happen: more than any busy machine needs."""

T = TypeVar("T")


def wait_until(condition: Callable[[], T], timeout_s: float = PATIENCE_S) -> T:
    """Call `condition` until it returns a true value, and return that value.

    Raises
    ------
    TimeoutError
        If there is none within `timeout_s` seconds.
    """
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(timeout_s)
        time.sleep(0.05)
    return value
