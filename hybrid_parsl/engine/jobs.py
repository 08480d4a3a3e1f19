"""A job that a backend has taken, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from psij import Job


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
