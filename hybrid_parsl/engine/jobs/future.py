"""The future of a task that runs as a job."""

from __future__ import annotations

import re
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from hybrid_parsl.errors import (
    HybridParslError,
    JobCancelledError,
    JobFailedError,
    NodeFailedError,
    WalltimeExceededError,
)
from hybrid_parsl.tasks.failures import explain_failure, log_of, read_result

if TYPE_CHECKING:
    from collections.abc import Callable

    from hybrid_parsl.engine.jobs.backend import JobBackend
    from hybrid_parsl.engine.jobs.registry import JobEnd, SubmittedJob
    from hybrid_parsl.tasks.folder import TaskFolder

_NODE_FAILURE = re.compile(
    r"node required by the job is down|node_?fail|\bits node was|evicted to drain its node|"
    r"\bnode\b.*\b(failed|lost|unreachable|shut ?down)\b|(evicted|terminated) by its node",
    re.IGNORECASE,
)
_WALLTIME = re.compile(r"the walltime of (\d+ s) is over")


class JobFuture(Future[Any]):
    """The future of a task that runs as a job; cancelling it cancels the job.

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
        cancelled = super().cancel()
        if cancelled and self.job is not None:
            self._backend.cancel(self.job)
        return cancelled

    def resolve(self, folder: TaskFolder, end: JobEnd, release: Callable[[], None]) -> None:
        """Take the outcome of the job.

        Parameters
        ----------
        folder, end
            What it has left, and how it ended.
        release
            Called if there is no result, before anyone learns that: the next try may be made at
            once, in the same folder.
        """
        if not self.set_running_or_notify_cancel():
            release()
            return
        try:
            if end.state == "COMPLETED" and not end.exit_code and folder.result.exists():
                self.set_result(read_result(folder))
                return
            error: Exception = _cause(folder, end)
        except Exception as unexpected:  # noqa: BLE001 - a future that never resolves is worse
            error = unexpected
        release()
        self.set_exception(error)


def job_failure(job_id: str, reason: str, path: str | None, tail: str) -> JobFailedError:
    """Return the error of a job that its backend has ended, by what the backend said.

    Parameters
    ----------
    job_id, reason
        The job, and what was said.
    path, tail
        Where its standard error is, and its last lines.
    """
    kind = NodeFailedError if _NODE_FAILURE.search(reason) else JobFailedError
    return kind(job_id, reason, path, tail)


def _cause(folder: TaskFolder, end: JobEnd) -> HybridParslError:
    """Return why a job did not complete."""
    details = log_of(folder)
    if end.timed_out:
        found = _WALLTIME.search(end.message)
        reason = "walltime exceeded" + (f": {found[1]}" if found else "")
        return WalltimeExceededError(end.job_id, reason, *details)
    if end.state == "CANCELED":
        return JobCancelledError(end.job_id, end.message or "was cancelled", *details)
    lost_node = bool(_NODE_FAILURE.search(end.message))
    if folder.failures() and not lost_node:
        return explain_failure(folder, end.job_id, end.exit_code)
    if end.state == "COMPLETED" and end.exit_code is None:
        reason = "has left the queue without a result and without an exit code"
        return JobFailedError(end.job_id, reason, *details)
    explains = lost_node or end.has_cause or end.exit_code is None or not folder.has_begun()
    if end.message and explains:
        log = details[1]  # its last lines are shown anyway
        reason = end.message.splitlines()[0] if log else end.message
        return job_failure(end.job_id, reason, *details)
    return explain_failure(folder, end.job_id, end.exit_code)
