"""The jobs that a backend has taken, and how they ended."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hybrid_parsl.engine.jobs.batch_scheduler import is_time_over
from hybrid_parsl.engine.jobs.psij_loading import load_psij
from hybrid_parsl.engine.jobs.record import JobRecord, submission_lock
from hybrid_parsl.engine.jobs.waiting import note_waiting
from hybrid_parsl.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from psij import Job, JobStatus

    from hybrid_parsl.engine.jobs.queue_watch import QueueEntry


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
    has_cause
        Whether `message` says why it ended, and not only with which exit code.
    """

    job_id: str
    state: str
    exit_code: int | None
    message: str
    timed_out: bool
    has_cause: bool = False


@dataclass(eq=False)
class SubmittedJob:
    """A job that its backend has taken.

    Attributes
    ----------
    job
        PSI/J's job.
    on_end
        Called once, on the thread of the backend, when the job has ended.
    record
        The file of its `JobRecord`, None if none is kept.
    deadline
        When a local job has to end, on the clock of `time.monotonic`; None for no limit here.
    timed_out
        Whether the deadline has passed.
    cancelled, cancel_error
        Whether its cancellation was asked from here, and why the backend has not taken that.
    adopted, begun
        Whether it is a process of this host that another driver has started, and when it began.
    answered
        Whether its result was taken before its backend confirmed its end.
    waits
        Why it waits, as last written down; None if it does not.
    """

    job: Job
    on_end: Callable[[JobEnd], None]
    record: Path | None = None
    deadline: float | None = None
    timed_out: bool = False
    cancelled: bool = False
    cancel_error: str | None = None
    adopted: bool = False
    begun: float | None = None
    answered: bool = False
    waits: str | None = "not known"

    @property
    def job_id(self) -> str:
        """The backend's own id."""
        return str(self.job.native_id)

    def end_of(self, status: JobStatus) -> JobEnd:
        """Return how the job ended; `status` is PSI/J's."""
        reported = status.state.name
        # of a job that has left the queue, or of another's process, it is only known to be over
        is_vague = reported == "FAILED" or self.adopted or status.exit_code is None
        was_ours = self.cancelled and is_vague
        return JobEnd(
            job_id=self.job_id,
            state="CANCELED" if was_ours else reported,
            exit_code=status.exit_code,
            message=status.message or "",
            timed_out=self.timed_out or is_time_over(status.message),
            has_cause=bool((status.metadata or {}).get("reason")),
        )

    def note_waiting(self, entry: QueueEntry | None) -> None:
        """Write down why it waits, if that has changed; `entry` is its scheduler's."""
        waits = entry.reason if entry is not None and entry.state == "QUEUED" else None
        if self.record is not None and waits != self.waits:
            note_waiting(self.record, waits)
        self.waits = waits

    def note_end(self, end: JobEnd) -> None:
        """Write into the job's record how it ended."""
        state = "TIMEOUT" if end.timed_out else end.state
        self._change_record(lambda found: found.with_end(state))

    def note_cancellation(self, error: str | None) -> None:
        """Write into the job's record that its cancellation was asked.

        Parameters
        ----------
        error
            Why the backend has not taken it; None if it has.
        """
        self.cancel_error = error
        self._change_record(lambda found: found.with_cancellation(error))

    def _change_record(self, change: Callable[[JobRecord], JobRecord]) -> None:
        """Change the job's record if it has not ended; a disk that is full is no reason to wait."""
        if self.record is None:
            return
        with contextlib.suppress(StorageError, TimeoutError), submission_lock(self.record):
            found = JobRecord.read(self.record)
            if found is not None and found.ended is None and found.job_id == self.job_id:
                change(found).write(self.record)


class JobRegistry:
    """The jobs that have not ended, for several threads."""

    def __init__(self) -> None:
        self._jobs: dict[str, SubmittedJob] = {}
        self._lock = threading.Lock()

    def __contains__(self, job: Job) -> bool:
        return job.id in self._jobs

    def add(self, submitted: SubmittedJob, job_id: str | None = None) -> None:
        """Add a job, with the backend's id of it if that is known before its first answer."""
        with self._lock:
            if job_id is not None:
                submitted.job._native_id = job_id  # noqa: SLF001 - there is no other way
            self._jobs[submitted.job.id] = submitted

    def take(self, job: Job) -> SubmittedJob | None:
        """Return and remove a job; None if it is not there any more."""
        with self._lock:
            return self._jobs.pop(job.id, None)

    def all(self) -> list[SubmittedJob]:
        """Return the jobs at this moment."""
        with self._lock:
            return list(self._jobs.values())

    def has(self, job_id: str) -> bool:
        """Return whether the backend's `job_id` is one of them."""
        return any(each.job.native_id == job_id for each in self.all())

    def overdue(self) -> list[SubmittedJob]:
        """Return the jobs whose deadline has passed."""
        now = time.monotonic()
        return [each for each in self.all() if each.deadline and each.deadline <= now]

    def seconds_to_deadline(self) -> float:
        """Return the seconds until the next deadline, 0.01 to 1."""
        now = time.monotonic()
        left = [each.deadline - now for each in self.all() if each.deadline]
        return max(0.01, min([1.0, *left]))


def job_status(state: str) -> JobStatus:
    """Return PSI/J's status of a job in the state that PSI/J calls `state`."""
    psij = load_psij()
    status: JobStatus = psij.JobStatus(psij.JobState[state])
    return status
