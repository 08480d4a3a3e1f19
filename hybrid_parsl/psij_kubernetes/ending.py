"""Ends jobs: those that are over, those that are gone, and those that can never start."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from psij import JobState, JobStatus

from hybrid_parsl.psij_kubernetes import finishing

if TYPE_CHECKING:
    from hybrid_parsl.psij_kubernetes.api import Api
    from hybrid_parsl.psij_kubernetes.config import KubernetesExecutorConfig
    from hybrid_parsl.psij_kubernetes.removal import Removal
    from hybrid_parsl.psij_kubernetes.telling import Teller
    from hybrid_parsl.psij_kubernetes.tracking import TrackedJob
    from hybrid_parsl.psij_kubernetes.workers import Workers

logger = logging.getLogger(__name__)


class Followed(Protocol):
    """The jobs that are followed."""

    def forget(self, tracked: TrackedJob) -> None:
        """Follow a job no more."""

    def is_shared(self, tracked: TrackedJob) -> bool:
        """Return whether another job of PSI/J's that is followed is the same one of the cluster."""


class JobEnds:
    """Finds out how jobs ended, tells it and deletes them, once for each job.

    Parameters
    ----------
    api
        The cluster.
    config
        What to keep.
    workers
        Whose threads do it.
    removal
        Deletes.
    teller
        Tells.
    followed
        The jobs that are followed.
    """

    def __init__(
        self,
        api: Api,
        config: KubernetesExecutorConfig,
        workers: Workers,
        removal: Removal,
        teller: Teller,
        followed: Followed,
    ) -> None:
        self._api = api
        self._config = config
        self._workers = workers
        self._removal = removal
        self._teller = teller
        self._followed = followed

    def finish(self, tracked: TrackedJob) -> None:
        """End a job that is over; its lock is held."""
        tracked.finishing = True
        self._workers.do(lambda: self._finish(tracked))

    def gone(self, tracked: TrackedJob, *, was_seen: bool) -> None:
        """End a job that is not in the cluster any more; its lock is held.

        Parameters
        ----------
        tracked
            The job.
        was_seen
            Whether it was seen to be deleted, and not only missed.
        """
        if tracked.finishing:
            return
        if tracked.has_ended:
            self.finish(tracked)
            return
        tracked.finishing = True
        self._end(tracked, finishing.gone_status(tracked, was_seen=was_seen))

    def give_up(self, tracked: TrackedJob) -> None:
        """End a job that cannot start; its lock is held."""
        if tracked.canceled or tracked.finishing or tracked.trouble is None:
            return
        tracked.finishing = True
        status = finishing.troubled_status(tracked)
        self._workers.do(lambda: self._remove(tracked, status))

    def give_up_ranks(self, tracked: TrackedJob) -> None:
        """End a job whose ranks cannot finish, because a worker is gone; its lock is held."""
        if tracked.canceled or tracked.finishing:
            return
        tracked.finishing = True
        self._workers.do(lambda: self._remove(tracked, finishing.bereft_status(tracked, self._api)))

    def _remove(self, tracked: TrackedJob, status: JobStatus) -> None:
        """Delete a job that cannot finish, so that it does not run on, and report its status."""
        self._delete(tracked)
        with self._teller.changing(tracked):
            self._end(tracked, status)

    def _finish(self, tracked: TrackedJob) -> None:
        """Tell how a job ended, and delete it."""
        try:
            status = finishing.final_status(tracked, self._api)
        except Exception as error:
            logger.exception("the end of %s", tracked.native_id)
            status = JobStatus(JobState.FAILED, message=f"its end cannot be told: {error!r}")
        reason = (status.metadata or {}).get("reason")
        # another try must find neither one that may begin anew nor one whose results are lost
        hinders = tracked.may_run_again or reason == finishing.INCOMPLETE
        if hinders:
            self._delete(tracked)
        with self._teller.changing(tracked):
            self._end(tracked, status)
        stays = reason == finishing.UNREADABLE or self._config.keeps(status.state.name)
        if not (hinders or stays or self._followed.is_shared(tracked)):
            self._delete(tracked)

    def _end(self, tracked: TrackedJob, status: JobStatus) -> None:
        """Have the final status of a job told, and forget it; its lock is held."""
        self._followed.forget(tracked)
        tracked.untold.append(status)

    def _delete(self, tracked: TrackedJob) -> None:
        """Delete a job."""
        if tracked.uid is not None:
            self._removal.delete(tracked.native_id, tracked.uid)
