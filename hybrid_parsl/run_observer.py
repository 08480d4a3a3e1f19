"""Who follows how a run goes."""

from __future__ import annotations

from typing import Protocol


class RunObserver(Protocol):
    """Follows how a run goes.

    Attributes
    ----------
    interval_s
        Seconds between two calls of `tick` while a stage runs.
    """

    interval_s: float

    def stage_started(self, name: str) -> None:
        """Hear that all that the stage `name` waits for is there."""

    def stage_finished(self, name: str, duration_s: float) -> None:
        """Hear that the stage `name` has given its result after `duration_s` seconds."""

    def tick(self) -> None:
        """Hear that time has passed."""
