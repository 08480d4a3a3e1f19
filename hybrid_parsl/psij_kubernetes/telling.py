"""Tells how jobs fare: the statuses of each in their order, and none while its lock is held.

What a caller does in a callback, cancel another job for example, must not wait for what waits for
the callback.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psij import Job, JobStatus

    from hybrid_parsl.psij_kubernetes.tracking import TrackedJob

logger = logging.getLogger(__name__)


class Teller:
    """Calls back, on the thread that has seen what there is to tell.

    Parameters
    ----------
    report
        Called with a job and its new status.
    """

    def __init__(self, report: Callable[[Job, JobStatus], None]) -> None:
        self._report = report

    @contextlib.contextmanager
    def changing(self, tracked: TrackedJob) -> Iterator[None]:
        """Hold the lock of a job while its state changes, and tell afterwards what is `untold`."""
        try:
            with tracked.lock:
                yield
        finally:
            self._tell(tracked)

    def _tell(self, tracked: TrackedJob) -> None:
        """Tell all that there is, unless another thread does; it tells this as well."""
        while True:
            with tracked.lock:
                if tracked.is_telling or not tracked.untold:
                    return
                tracked.is_telling = True
                status = tracked.untold.popleft()
            try:
                self._report(tracked.job, status)
            except Exception:
                logger.exception("telling of %s", tracked.native_id)
            finally:
                tracked.is_telling = False
