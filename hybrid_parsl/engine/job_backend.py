"""PSI/J behind one door: submit a job, be told once how it ended, leave nothing behind.

What PSI/J 0.9.11 does not do by itself is done here: a job's first final state stands (a
cancellation that comes too late would overwrite it), the local backend keeps to walltimes, its
canceled jobs are seen to have no process left, and a SIGCHLD handler of the caller survives.
"""

from __future__ import annotations

import importlib
import logging
import queue
import signal
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hybrid_parsl.engine.processes import ProcessTree
from hybrid_parsl.errors import BackendUnavailableError, ConfigurationError, JobRejectedError
from hybrid_parsl.experiment_file import nearest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    from psij import Job, JobSpec, JobStatus

logger = logging.getLogger(__name__)

_PATIENCE_S = 5.0
_PAUSE_S = 0.01


@dataclass(frozen=True)
class JobEnd:
    """How a job ended.

    Attributes
    ----------
    job_id
        The backend's own id.
    state
        ``COMPLETED``, ``FAILED`` or ``CANCELED``.
    exit_code
        The job's exit code, None if the backend does not know it.
    message
        What the backend said, or an empty string.
    timed_out
        Whether it was ended because its walltime was over.
    """

    job_id: str
    state: str
    exit_code: int | None
    message: str
    timed_out: bool


@dataclass(eq=False)
class SubmittedJob:
    """A job that its backend has taken.

    Attributes
    ----------
    job
        PSI/J's job.
    on_end
        Called once, on the thread of the backend, when the job has ended.
    deadline
        When a local job has to end, on the clock of `time.monotonic`; None for no limit here.
    timed_out
        Whether the deadline has passed.
    canceled
        Whether it was canceled from here.
    """

    job: Job
    on_end: Callable[[JobEnd], None]
    deadline: float | None = None
    timed_out: bool = False
    canceled: bool = False

    @property
    def job_id(self) -> str:
        """The backend's own id."""
        return str(self.job.native_id)


class JobBackend:
    """One PSI/J executor and one thread that tells how jobs ended.

    Parameters
    ----------
    name
        PSI/J's name of the backend, for example ``"local"``.
    work_directory
        Where PSI/J keeps its scripts; made if it is not there.

    Raises
    ------
    ConfigurationError
        PSI/J has no backend of that name.
    """

    def __init__(self, name: str, work_directory: Path) -> None:
        psij = load_psij()
        known = sorted(psij.JobExecutor.get_executor_names())
        if name not in known:
            raise ConfigurationError(
                "PSI/J has no such backend",
                None,
                "backend",
                name,
                ", ".join(known),
                nearest(name, known),
            )
        config = psij.JobExecutorConfig(work_directory=work_directory)
        self.name = name
        self._executor = psij.JobExecutor.get_instance(name, config=config)
        self._jobs: dict[str, SubmittedJob] = {}
        self._lock = threading.Lock()
        self._ended: queue.SimpleQueue[tuple[SubmittedJob, JobStatus] | None] = queue.SimpleQueue()
        self._closed = False
        self._teller = threading.Thread(target=self._tell, name=f"{name} jobs", daemon=True)
        self._teller.start()

    def submit(self, spec: JobSpec, on_end: Callable[[JobEnd], None]) -> SubmittedJob:
        """Submit a job.

        Parameters
        ----------
        spec
            PSI/J's description of the job.
        on_end
            Called once when it has ended, on the thread of this backend.

        Raises
        ------
        JobRejectedError
            The job can never run as it is described.
        BackendUnavailableError
            The backend did not take it this time.
        """
        psij = load_psij()
        job = psij.Job(spec)
        submitted = SubmittedJob(job, on_end)
        if self.name == "local" and spec.attributes is not None:
            submitted.deadline = time.monotonic() + spec.attributes.duration.total_seconds()
        with self._lock:
            self._jobs[job.id] = submitted
        job.set_job_status_callback(self._status_changed)
        try:
            self._executor.submit(job)
        except psij.SubmitException as error:
            self._forget(submitted)
            cause = f"{error}: {error.exception}" if error.exception else str(error)
            raise BackendUnavailableError(self.name, cause) from error
        except Exception as error:  # PSI/J asserts what a job has to have, besides its own error
            self._forget(submitted)
            raise JobRejectedError(self.name, str(error) or repr(error)) from error
        return submitted

    def cancel(self, submitted: SubmittedJob) -> None:
        """Cancel a job; on the local backend, return when none of its processes is left.

        PSI/J's own cancellation of a local job overwrites the state of one that has just
        completed, and its thread fails for good on one that is gone when it comes to kill it:
        so local processes are killed here, and PSI/J only hears that they ended.
        """
        submitted.canceled = True
        if self.name == "local":
            ProcessTree.of(int(submitted.job_id)).end()
            return
        try:
            submitted.job.cancel()
        except Exception as error:  # noqa: BLE001 - a job that has just ended, for example
            logger.info("canceling job %s: %r", submitted.job_id, error)

    def close(self) -> None:
        """Cancel all jobs that have not ended, and stop telling."""
        with self._lock:
            self._closed = True
            jobs = list(self._jobs.values())
        for job in jobs:
            self.cancel(job)
        deadline = time.monotonic() + _PATIENCE_S
        while self._jobs and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)
        self._ended.put(None)
        self._teller.join(timeout=10)

    def _status_changed(self, job: Job, status: JobStatus) -> None:
        """Hand the first final state of a job to the teller; called on PSI/J's thread."""
        if status.final:
            with self._lock:
                submitted = self._jobs.pop(job.id, None)
            if submitted is not None:
                self._ended.put((submitted, status))

    def _forget(self, submitted: SubmittedJob) -> None:
        """Drop a job that was never submitted."""
        with self._lock:
            self._jobs.pop(submitted.job.id, None)

    def _tell(self) -> None:
        """Tell how jobs ended, and end local jobs that are over their walltime."""
        while True:
            try:
                item = self._ended.get(timeout=self._seconds_to_deadline())
            except queue.Empty:
                self._end_overdue()
                continue
            if item is None:
                return
            submitted, status = item
            try:
                submitted.on_end(self._end(submitted, status))
            except Exception:
                logger.exception("telling the end of job %s", submitted.job_id)

    def _end(self, submitted: SubmittedJob, status: JobStatus) -> JobEnd:
        """Return how `submitted` ended."""
        state = status.state.name
        return JobEnd(
            job_id=submitted.job_id,
            state="CANCELED" if submitted.canceled and state == "FAILED" else state,
            exit_code=status.exit_code,
            message=status.message or "",
            timed_out=submitted.timed_out,
        )

    def _seconds_to_deadline(self) -> float:
        """Return the seconds until the next deadline, at most one."""
        with self._lock:
            deadlines = [each.deadline for each in self._jobs.values() if each.deadline]
        return max(0.01, min([1.0, *(deadline - time.monotonic() for deadline in deadlines)]))

    def _end_overdue(self) -> None:
        """Cancel the jobs whose deadline has passed."""
        with self._lock:
            now = time.monotonic()
            overdue = [
                each for each in self._jobs.values() if each.deadline and each.deadline <= now
            ]
        for submitted in overdue:
            submitted.timed_out = True
            self.cancel(submitted)


def load_psij() -> ModuleType:
    """Import PSI/J.

    Imported on the main thread, its local backend takes over SIGCHLD to hear of ended
    processes at once; a handler that was there before is called as well.
    """
    loaded = sys.modules.get("psij")
    if loaded is not None:
        return loaded
    earlier: Any = signal.getsignal(signal.SIGCHLD)
    psij = importlib.import_module("psij")
    ours: Any = signal.getsignal(signal.SIGCHLD)
    if callable(earlier) and ours is not earlier:

        def both(number: int, frame: Any) -> None:
            ours(number, frame)
            earlier(number, frame)

        signal.signal(signal.SIGCHLD, both)
    return psij
