"""Waiting for what another process or thread does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 600.0
"""How long a test waits for what should happen: more than any busy machine needs."""

_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0

T = TypeVar("T")


def wait_until(condition: Callable[[], T], timeout_s: float = PATIENCE_S) -> T:
    """Call `condition` until it returns a true value, and return that value.

    A condition that takes long, as one that starts a process does, is called less often.

    Raises
    ------
    TimeoutError
        If there is none within `timeout_s` seconds.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        began = time.monotonic()
        if value := condition():
            return value
        ended = time.monotonic()
        if ended > deadline:
            raise TimeoutError(timeout_s)
        time.sleep(min(max(_PAUSE_S, 3 * (ended - began)), _LONGEST_PAUSE_S))
