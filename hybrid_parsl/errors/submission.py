"""A job that was not taken."""

from __future__ import annotations

from dataclasses import dataclass

from hybrid_parsl.errors.base import HybridParslError


@dataclass(eq=False)
class SubmissionError(HybridParslError):
    """A job could not be handed to its backend.

    Attributes
    ----------
    backend
        PSI/J's name of the backend, for example ``"local"``.
    reason
        What the backend said.
    """

    exit_code = 3

    backend: str
    reason: str

    def __str__(self) -> str:
        return f"the {self.backend} backend did not take the job: {self.reason}"


class JobRejectedError(SubmissionError):
    """The backend will never run this job as it is."""


class BackendUnavailableError(SubmissionError):
    """The backend did not answer; the same submission may succeed later."""

    retryable = True


class QuantumServiceUnavailableError(BackendUnavailableError):
    """The service of a QPU does not answer; `backend` is ``quantum.backend``."""

    def __str__(self) -> str:
        return f"the backend {self.backend} is unavailable: {self.reason}"


@dataclass(eq=False)
class JobsLeftError(HybridParslError):
    """Jobs may still run although they were to be cancelled: the backend has not confirmed it.

    Attributes
    ----------
    jobs
        One sentence a job: which one it is, and what its backend said.
    """

    exit_code = 3

    jobs: tuple[str, ...]

    def __str__(self) -> str:
        return "\n  ".join(self.jobs)
