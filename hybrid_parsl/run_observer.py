"""What follows the progress of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class RunObserver(Protocol):
    """Follows the progress of a run.

    Attributes
    ----------
    interval_s
        Seconds between two calls of `tick`.
    """

    interval_s: float

    def stage_added(self, name: str, task: Mapping[str, Any]) -> None:
        """Note that the workflow has called an app.

        Parameters
        ----------
        name
            The name of the task.
        task
            Its table in ``results.json``.
        """

    def stage_started(self, name: str) -> None:
        """Note that everything the task `name` depends on is available."""

    def stage_finished(self, name: str, duration_s: float) -> None:
        """Note that the task `name` has returned its result after `duration_s` seconds."""

    def stage_reused(self, name: str, run: str) -> None:
        """Note that the task `name` did not have to run: its result is that of an earlier run."""

    def stage_failed(self, name: str, reason: str) -> None:
        """Note that the task `name` has failed; others may still run."""

    def tick(self) -> None:
        """Do what is due periodically while the run is under way."""
