"""PSI/J behind one door: submit a job, be told once how it ended, leave nothing behind.

What PSI/J 0.9.11 does not do by itself is done here: a job's first final state stands (a
cancellation that comes too late would overwrite it), the local backend keeps to walltimes, its
canceled jobs are seen to have no process left; a batch job counts as failed only if its scheduler
says so, not if the scheduler cannot be asked.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from typing import TYPE_CHECKING

from hybrid_parsl.engine.batch_scheduler import (
    LOCAL,
    executor_config,
    is_poll_failure,
    is_time_over,
    is_unreachable,
    put_right,
)
from hybrid_parsl.engine.jobs import JobEnd, SubmittedJob
from hybrid_parsl.engine.processes import ProcessTree
from hybrid_parsl.engine.psij_loading import load_psij
from hybrid_parsl.errors import BackendUnavailableError, ConfigurationError, JobRejectedError
from hybrid_parsl.experiment_file import nearest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from psij import Job, JobSpec, JobStatus

logger = logging.getLogger(__name__)

_PATIENCE_S = 5.0
_PAUSE_S = 0.01
_HEARING_S = 1.0


class JobBackend:
    """One PSI/J executor and one thread that tells how jobs ended.

    Parameters
    ----------
    name
        PSI/J's name of the backend, for example ``"local"``.
    work_directory
        Where PSI/J keeps its scripts; made if it is not there.
    polling_interval_s
        Seconds between two questions to a batch scheduler.

    Raises
    ------
    ConfigurationError
        PSI/J has no backend of that name.
    """

    def __init__(self, name: str, work_directory: Path, polling_interval_s: float = 1.0) -> None:
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
        self.name = name
        self._patience_s = _PATIENCE_S + 2 * polling_interval_s
        config = executor_config(name, work_directory, polling_interval_s)
        self._executor = psij.JobExecutor.get_instance(name, config=config)
        put_right(self._executor, self._is_ours)
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
        if self.name == LOCAL and spec.attributes is not None:
            submitted.deadline = time.monotonic() + spec.attributes.duration.total_seconds()
        with self._lock:
            self._jobs[job.id] = submitted
        job.set_job_status_callback(self._status_changed)
        try:
            self._executor.submit(job)
        except psij.SubmitException as error:
            self._forget(submitted)
            cause = f"{error}: {error.exception}" if error.exception else str(error).strip()
            if self.name == LOCAL or is_unreachable(cause):
                raise BackendUnavailableError(self.name, cause) from error
            raise JobRejectedError(self.name, cause) from error
        except Exception as error:  # PSI/J asserts what a job has to have, besides its own error
            self._forget(submitted)
            raise JobRejectedError(self.name, str(error) or repr(error)) from error
        if self._closed:
            self.cancel(submitted)
        return submitted

    def attach(self, spec: JobSpec, job_id: str, on_end: Callable[[JobEnd], None]) -> SubmittedJob:
        """Follow a job of a batch scheduler that was submitted by another process.

        A job that the scheduler does not know ends as ``COMPLETED`` without an exit code.

        Parameters
        ----------
        spec
            PSI/J's description of the job.
        job_id
            The scheduler's id of it.
        on_end
            As for `submit`.
        """
        submitted = SubmittedJob(load_psij().Job(spec), on_end)
        self._attach(submitted, job_id)
        return submitted

    def cancel(self, submitted: SubmittedJob) -> None:
        """Cancel a job; on the local backend, return when none of its processes is left.

        PSI/J's own cancellation of a local job overwrites the state of one that has just
        completed, and its thread fails for good on one that is gone when it comes to kill it:
        so local processes are killed here, and PSI/J only hears that they ended.
        """
        submitted.canceled = True
        if self.name == LOCAL:
            ProcessTree.of(int(submitted.job_id)).end()
            self._tell_if_unheard(submitted)
            return
        try:
            submitted.job.cancel()
        except Exception as error:  # noqa: BLE001 - a job that has just ended, for example
            logger.info("canceling job %s: %r", submitted.job_id, error)

    def _tell_if_unheard(self, submitted: SubmittedJob) -> None:
        """Tell the end of a local job ourselves if PSI/J does not.

        It does not hear in time of a process that ends while it is being started.
        """
        psij = load_psij()
        deadline = time.monotonic() + _HEARING_S
        while submitted.job.id in self._jobs and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)
        self._status_changed(submitted.job, psij.JobStatus(psij.JobState.CANCELED))

    def close(self) -> None:
        """Cancel all jobs that have not ended, and stop telling."""
        with self._lock:
            self._closed = True
            jobs = list(self._jobs.values())
        for job in jobs:
            self.cancel(job)
        deadline = time.monotonic() + self._patience_s
        while self._jobs and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)
        self._ended.put(None)
        self._teller.join(timeout=10)

    def _attach(self, submitted: SubmittedJob, job_id: str) -> None:
        """Let PSI/J follow the job `job_id`."""
        job = submitted.job
        with self._lock:
            job._native_id = job_id  # noqa: SLF001 - known before the first answer comes
            self._jobs[job.id] = submitted
        job.set_job_status_callback(self._status_changed)
        self._executor.attach(job, job_id)

    def _is_ours(self, job_id: str) -> bool:
        """Return whether a job was submitted from here and has not ended."""
        with self._lock:
            return any(each.job.native_id == job_id for each in self._jobs.values())

    def _ask_again(self, submitted: SubmittedJob) -> None:
        """Follow a job further that PSI/J has given up because it could not ask about it."""
        logger.warning("%s does not answer; job %s may go on", self.name, submitted.job_id)
        job_id = submitted.job_id
        submitted.job = load_psij().Job(submitted.job.spec)
        self._attach(submitted, job_id)

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
                if is_poll_failure(status.message) and not self._closed:
                    self._ask_again(submitted)
                    continue
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
            timed_out=submitted.timed_out or is_time_over(status.message),
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


__all__ = ["JobBackend", "JobEnd", "SubmittedJob", "load_psij"]
