"""Deliver status callbacks in order, never while the lock of the job is held.

A callback may do anything, such as cancel another job, without waiting for a thread that waits for
the callback.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psij import Job, JobStatus

    from hybrid_parsl.psij_kubernetes.tracked_job import TrackedJob

logger = logging.getLogger(__name__)


class StatusCallbacks:
    """Deliver statuses on the thread that has changed a job.

    Parameters
    ----------
    report
        Called with a job and its new status.
    """

    def __init__(self, report: Callable[[Job, JobStatus], None]) -> None:
        self._report = report

    @contextlib.contextmanager
    def locked(self, tracked: TrackedJob) -> Iterator[None]:
        """Hold the lock of a job while its state changes, then deliver its unreported statuses."""
        try:
            with tracked.lock:
                yield
        finally:
            self._deliver(tracked)

    def _deliver(self, tracked: TrackedJob) -> None:
        """Deliver all unreported statuses unless another thread is doing so."""
        while True:
            with tracked.lock:
                if tracked.is_reporting or not tracked.unreported:
                    return
                tracked.is_reporting = True
                status = tracked.unreported.popleft()
            try:
                self._report(tracked.job, status)
            except Exception:
                logger.exception("status callback of %s", tracked.native_id)
            finally:
                tracked.is_reporting = False
