"""Progress lines while a run on an endpoint is waited for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hybrid_parsl.cli.output import say_aside

if TYPE_CHECKING:
    from collections.abc import Callable

_INTERVAL_S = 60.0


class Progress:
    """Prints the state of a task on the standard error: when it changes, and each minute.

    Parameters
    ----------
    clock
        The time in seconds; replaced in tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        self._state = ""
        self._last = self._begun

    def __call__(self, state: str) -> None:
        """Print `state` if it is new, or if the last line is a minute old."""
        from hybrid_parsl.remote.service_errors import state_meaning
        from hybrid_parsl.report.text import duration

        now = self._clock()
        if state == self._state and now - self._last < _INTERVAL_S:
            return
        meaning = state_meaning(state) if state != self._state else ""
        waited = duration(round(now - self._begun))
        say_aside(f"{waited}: {state}{f' ({meaning})' if meaning else ''}")
        self._state, self._last = state, now
