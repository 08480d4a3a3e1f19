"""The future of a task that runs as a job."""

from __future__ import annotations

import re
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from hybrid_parsl.errors import (
    HybridParslError,
    JobCanceledError,
    JobFailedError,
    WalltimeExceededError,
)
from hybrid_parsl.mpi.outcome import explain_failure, log_of, read_result

if TYPE_CHECKING:
    from hybrid_parsl.engine.jobs.backend import JobBackend
    from hybrid_parsl.engine.jobs.open_jobs import JobEnd, SubmittedJob
    from hybrid_parsl.mpi.task import TaskFolder

_WALLTIME = re.compile(r"the walltime of (\d+ s) is over")


class JobFuture(Future[Any]):
    """The future of a task that runs as a job; canceling it cancels the job.

    Parameters
    ----------
    backend
        The backend of the job.
    """

    def __init__(self, backend: JobBackend) -> None:
        super().__init__()
        self._backend = backend
        self.job: SubmittedJob | None = None

    def cancel(self) -> bool:
        """Cancel the job; return whether the future was still pending."""
        canceled = super().cancel()
        if canceled and self.job is not None:
            self._backend.cancel(self.job)
        return canceled

    def resolve(self, folder: TaskFolder, end: JobEnd) -> bool:
        """Take the outcome of the job; return whether it is a result."""
        if not self.set_running_or_notify_cancel():
            return False
        try:
            if end.state == "COMPLETED" and not end.exit_code and folder.result.exists():
                self.set_result(read_result(folder))
                return True
            self.set_exception(_cause(folder, end))
        except Exception as error:  # noqa: BLE001 - a future that never resolves is worse
            self.set_exception(error)
        return False


def _cause(folder: TaskFolder, end: JobEnd) -> HybridParslError:
    """Return why a job did not complete."""
    details = log_of(folder)
    if end.timed_out:
        told = _WALLTIME.search(end.message)
        reason = "its walltime is over" + (f": {told[1]}" if told else "")
        return WalltimeExceededError(end.job_id, reason, *details)
    if end.state == "CANCELED":
        return JobCanceledError(end.job_id, end.message or "was canceled", *details)
    if folder.failures():
        return explain_failure(folder, end.job_id, end.exit_code)
    if end.state == "COMPLETED" and end.exit_code is None:
        reason = "has left the queue without a result and without an exit code"
        return JobFailedError(end.job_id, reason, *details)
    tells = end.has_cause or end.exit_code is None or not folder.has_begun()
    if end.message and tells:
        log = details[1]  # its last lines are shown anyway
        reason = end.message.splitlines()[0] if log else end.message
        return JobFailedError(end.job_id, reason, *details)
    return explain_failure(folder, end.job_id, end.exit_code)
