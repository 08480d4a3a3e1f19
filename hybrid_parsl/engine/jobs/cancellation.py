"""Cancels jobs. A job is cancelled when its backend says that it is over, and not before.

Until then its record says that the cancellation was asked, and what the backend answered: the
job may run on, and the next driver has to see to it first.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from hybrid_parsl.engine.jobs.lookup import is_over, is_process
from hybrid_parsl.engine.jobs.processes import ProcessTree
from hybrid_parsl.engine.jobs.psij_loading import LOCAL, load_psij
from hybrid_parsl.engine.jobs.registry import job_status
from hybrid_parsl.errors import BackendUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from psij import Job, JobExecutor, JobStatus

    from hybrid_parsl.engine.jobs.registry import JobRegistry, SubmittedJob

logger = logging.getLogger(__name__)

PATIENCE_S = 10.0
_SETTLING_S = 60.0
"""Slurm and Kubernetes give a job half a minute to end."""
_PAUSE_S = 0.01
_RETRY_S = 1.0
_NOTICE_S = 1.0
_NO_ANSWER = "no answer so far"


class Canceler:
    """Cancels jobs of one backend.

    Parameters
    ----------
    executor
        PSI/J's executor of the backend.
    jobs
        Its jobs that have not ended.
    end
        Called with a job of PSI/J's and its final status, where PSI/J does not report it.
    """

    def __init__(
        self, executor: JobExecutor, jobs: JobRegistry, end: Callable[[Job, JobStatus], None]
    ) -> None:
        self._executor = executor
        self._jobs = jobs
        self._end = end

    def cancel(self, submitted: SubmittedJob) -> None:
        """Cancel a job; on the local backend, return when none of its processes is left.

        PSI/J's own cancellation of a local job overwrites the state of one that has just
        completed, and its thread fails for good on one that is gone when it comes to kill it:
        so local processes are killed here, and PSI/J only notices that they ended.
        """
        submitted.cancelled = True
        if submitted.job.native_id is None:  # being submitted: the submission also cancels it
            return
        if self._executor.name == LOCAL:
            ProcessTree.of(int(submitted.job_id)).end()
            self._end_if_missed(submitted)
            return
        submitted.note_cancellation(submitted.cancel_error or _NO_ANSWER)
        if (
            submitted.job.status.final
        ):  # PSI/J has only given it up: it is about to be followed anew
            return
        try:
            submitted.job.cancel()
        except load_psij().SubmitException as error:
            words = " ".join(str(error).split())
            logger.warning("cancelling job %s: %s", submitted.job_id, words)
            submitted.note_cancellation(words)
        else:
            submitted.note_cancellation(None)

    def cancel_all(self, submitted: Sequence[SubmittedJob], patience_s: float = PATIENCE_S) -> None:
        """Cancel jobs, and wait until they are over or `patience_s` seconds have passed.

        A backend that does not respond is retried until then.
        """
        deadline = time.monotonic() + patience_s
        for each in submitted:
            threading.Thread(
                target=self._cancel_until, args=(each, deadline), name="cancelling", daemon=True
            ).start()
        while self._left_of(submitted) and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)
        for each in self._left_of(submitted):
            is_known = each.job.native_id is not None and each.cancel_error is None
            if is_known and is_over(self._executor, each.job_id, each.begun):
                self._end(each.job, job_status("CANCELED"))

    def settle(self, submitted: SubmittedJob, patience_s: float = _SETTLING_S) -> None:
        """Cancel a job that should be cancelled already, and wait until it is over.

        Raises
        ------
        BackendUnavailableError
            If it is not over after `patience_s` seconds.
        """
        self.cancel_all([submitted], patience_s)
        if submitted.job in self._jobs:
            reason = submitted.cancel_error or f"it has not ended after {patience_s:.0f} s"
            self._jobs.take(submitted.job)
            what = f"job {submitted.job_id} could not be cancelled and may still run"
            raise BackendUnavailableError(self._executor.name, f"{what}: {reason}")

    def look_after_local(self) -> None:
        """Cancel jobs whose deadline has passed, and note which adopted ones have ended."""
        for submitted in self._jobs.overdue():
            submitted.timed_out = True
            self.cancel(submitted)
        for submitted in self._jobs.all():
            if submitted.adopted and not is_process(submitted.job_id, submitted.begun):
                self._end(submitted.job, job_status("COMPLETED"))

    def _cancel_until(self, submitted: SubmittedJob, deadline: float) -> None:
        """Cancel a job, again and again while its backend does not take it."""
        self.cancel(submitted)
        while submitted.cancel_error is not None and time.monotonic() + _RETRY_S < deadline:
            time.sleep(_RETRY_S)
            self.cancel(submitted)

    def _left_of(self, submitted: Sequence[SubmittedJob]) -> list[SubmittedJob]:
        """Return those jobs that have not ended."""
        return [each for each in submitted if each.job in self._jobs]

    def _end_if_missed(self, submitted: SubmittedJob) -> None:
        """Report the end of a local job ourselves if PSI/J does not.

        It misses a process that ends while it is being started.
        """
        deadline = time.monotonic() + _NOTICE_S
        while submitted.job in self._jobs and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)
        if is_over(self._executor, submitted.job_id, submitted.begun):
            self._end(submitted.job, job_status("CANCELED"))
