"""Every error that hybrid-parsl raises on purpose, and the exit code of each.

::

    HybridParslError                  1
    ├── ConfigurationError            2   experiment, site, parameter
    │   └── InsufficientMemoryError   2   a state larger than the free memory
    ├── SubmissionError               3
    │   ├── JobRejectedError          3   permanent: the job can never run as asked
    │   └── BackendUnavailableError   3   transient: trying again may help
    ├── TaskError                     4
    │   ├── RankFailedError           4   an MPI rank raised or was killed
    │   ├── JobFailedError            4   the job ended before any rank could report
    │   ├── WalltimeExceededError     4   the job ran longer than it had asked for
    │   ├── JobCanceledError          4   somebody canceled the job
    │   ├── StageFailedError          4   a stage raised something of its own
    │   ├── QuantumJobError           4   the sampler failed
    │   ├── ResultError               4   a result is missing, damaged or cannot be sent
    │   └── StorageError              4   a file of the run cannot be written
    ├── IdentityMismatchError         5   two ends run different sources
    └── RunOverlapError               6   another run of the schedule holds the lock

An error keeps all its arguments in ``args`` and makes its text in ``__str__``, so that it
survives a pickle on its way from a remote process.
"""

from __future__ import annotations

from typing import ClassVar


class HybridParslError(Exception):
    """Base of every error of this package.

    ``exit_code`` is what the command line returns; ``retryable`` tells a retry handler
    whether the same call may succeed later.
    """

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False


class ConfigurationError(HybridParslError):
    """What the user wrote cannot be used.

    Parameters
    ----------
    message
        What is wrong, in one sentence without a full stop.
    source
        The file (or command-line option) it was found in.
    key
        The dotted key, such as ``search.starts``.
    found
        What was found there, as text.
    valid
        What would be valid, as text.
    suggestion
        The nearest valid word, if the found one looks like a slip.
    """

    exit_code = 2

    def __init__(
        self,
        message: str,
        source: str | None = None,
        key: str | None = None,
        found: str | None = None,
        valid: str | None = None,
        suggestion: str | None = None,
    ) -> None:
        super().__init__(message, source, key, found, valid, suggestion)
        self.message = message
        self.source = source
        self.key = key
        self.found = found
        self.valid = valid
        self.suggestion = suggestion

    def __str__(self) -> str:
        place = ": ".join(part for part in (self.source, self.key) if part)
        lines = [f"{place}: {self.message}" if place else self.message]
        if self.found is not None:
            lines.append(f"  found: {self.found}")
        if self.valid is not None:
            lines.append(f"  valid: {self.valid}")
        if self.suggestion is not None:
            lines.append(f"  did you mean '{self.suggestion}'?")
        return "\n".join(lines)

    def at(self, source: str) -> ConfigurationError:
        """Return the same error, saying that it was found in `source`."""
        return ConfigurationError(
            self.message, self.source or source, self.key, self.found, self.valid, self.suggestion
        )


class InsufficientMemoryError(ConfigurationError):
    """A state would need more memory than is free.

    Parameters
    ----------
    required_bytes, available_bytes
        Sizes in bytes.
    what
        What needs the memory, for example ``"a gradient of 30 qubits"``.
    """

    def __init__(self, required_bytes: int, available_bytes: int, what: str) -> None:
        super().__init__(
            f"{what} needs more memory than is free",
            None,
            None,
            f"{required_bytes / 2**30:.2f} GiB needed",
            f"at most {available_bytes / 2**30:.2f} GiB",
        )
        self.args = (required_bytes, available_bytes, what)
        self.required_bytes = required_bytes
        self.available_bytes = available_bytes
        self.what = what


class SubmissionError(HybridParslError):
    """A job could not be handed to its backend.

    Parameters
    ----------
    backend
        PSI/J's name of the backend, for example ``"local"``.
    reason
        What the backend said.
    """

    exit_code = 3

    def __init__(self, backend: str, reason: str) -> None:
        super().__init__(backend, reason)
        self.backend = backend
        self.reason = reason

    def __str__(self) -> str:
        return f"the {self.backend} backend did not take the job: {self.reason}"


class JobRejectedError(SubmissionError):
    """The backend will never run this job as it is."""


class BackendUnavailableError(SubmissionError):
    """The backend did not answer; the same submission may succeed later."""

    retryable = True


class TaskError(HybridParslError):
    """A stage was started and did not give its result."""

    exit_code = 4


def _tail(path: str | None, text: str) -> list[str]:
    """Return the lines that show the end of a log, with where it is."""
    lines = [f"  log: {path}"] if path else []
    return lines + [f"  | {line}" for line in text.rstrip().splitlines()]


class RankFailedError(TaskError):
    """One rank of an MPI task raised an exception or was killed.

    Parameters
    ----------
    rank
        The rank, counted from 0; -1 if it could not be told.
    host
        The name of the node it ran on; empty if it could not be told.
    exit_code
        The exit code of the job; 128 + n for signal n.
    traceback
        The remote traceback; empty if the rank was killed.
    stderr_tail
        The last lines that the job wrote to its standard error.
    stderr_path
        Where that standard error is kept.
    """

    def __init__(
        self,
        rank: int,
        host: str,
        exit_code: int,
        traceback: str = "",
        stderr_tail: str = "",
        stderr_path: str | None = None,
    ) -> None:
        super().__init__(rank, host, exit_code, traceback, stderr_tail, stderr_path)
        self.rank = rank
        self.host = host
        self.job_exit_code = exit_code
        self.traceback = traceback
        self.stderr_tail = stderr_tail
        self.stderr_path = stderr_path

    def __str__(self) -> str:
        who = f"rank {self.rank}" if self.rank >= 0 else "a rank"
        where = f" on {self.host}" if self.host else ""
        last = self.traceback.rstrip().rpartition("\n")[2]
        if last:
            what = f"raised {last}"
        elif self.job_exit_code > 128:  # noqa: PLR2004 - the shell's offset for signals
            what = f"was killed by signal {self.job_exit_code - 128}"
        else:
            what = f"ended with exit code {self.job_exit_code}"
        shown = self.traceback or self.stderr_tail
        return "\n".join([f"{who}{where} {what}", *_tail(self.stderr_path, shown)])


class JobFailedError(TaskError):
    """A job ended before any of its ranks could report.

    Parameters
    ----------
    job_id
        The backend's own id of the job.
    reason
        What the backend said.
    stderr_path, stderr_tail
        Where the job's standard error is, and its last lines.
    """

    def __init__(
        self, job_id: str, reason: str, stderr_path: str | None = None, stderr_tail: str = ""
    ) -> None:
        super().__init__(job_id, reason, stderr_path, stderr_tail)
        self.job_id = job_id
        self.reason = reason
        self.stderr_path = stderr_path
        self.stderr_tail = stderr_tail

    def __str__(self) -> str:
        return "\n".join(
            [f"job {self.job_id}: {self.reason}", *_tail(self.stderr_path, self.stderr_tail)]
        )


class WalltimeExceededError(JobFailedError):
    """A job ran longer than its walltime and was ended by the backend."""


class JobCanceledError(JobFailedError):
    """A job was canceled, by us or by somebody else."""


class StageFailedError(TaskError):
    """A stage raised an error that is not one of ours.

    Parameters
    ----------
    stage
        The name of the stage.
    reason
        Type and text of the error.
    traceback
        Its traceback, with the remote part.
    """

    def __init__(self, stage: str, reason: str, traceback: str = "") -> None:
        super().__init__(stage, reason, traceback)
        self.stage = stage
        self.reason = reason
        self.traceback = traceback

    def __str__(self) -> str:
        return "\n".join([f"stage {self.stage} raised {self.reason}", *_tail(None, self.traceback)])


class QuantumJobError(TaskError):
    """A sampler refused a circuit or failed while it ran it.

    Parameters
    ----------
    backend
        The name of the backend in the experiment.
    reason
        What the backend said.
    """

    def __init__(self, backend: str, reason: str) -> None:
        super().__init__(backend, reason)
        self.backend = backend
        self.reason = reason

    def __str__(self) -> str:
        return f"the quantum backend '{self.backend}' failed: {self.reason}"


class ResultError(TaskError):
    """The result of a task is missing, damaged, or cannot be sent.

    Parameters
    ----------
    reason
        What is wrong with it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class StorageError(TaskError):
    """A file of a run cannot be written.

    Parameters
    ----------
    path
        The file.
    reason
        What the operating system said.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot write {self.path}: {self.reason}"


class IdentityMismatchError(HybridParslError):
    """Two processes of one run hold different versions of this package.

    Parameters
    ----------
    here, there
        Version and source fingerprint of the driver and of the other side.
    where
        The executor or host of the other side.
    """

    exit_code = 5

    def __init__(self, here: str, there: str, where: str) -> None:
        super().__init__(here, there, where)
        self.here = here
        self.there = there
        self.where = where

    def __str__(self) -> str:
        return (
            f"hybrid-parsl differs between the driver and {self.where}\n"
            f"  driver: {self.here}\n"
            f"  {self.where}: {self.there}\n"
            "  install the same version on both sides"
        )


class RunOverlapError(HybridParslError):
    """Another run of the same schedule still holds its lock.

    Parameters
    ----------
    schedule
        The name of the schedule.
    holder
        The run that holds the lock.
    """

    exit_code = 6

    def __init__(self, schedule: str, holder: str) -> None:
        super().__init__(schedule, holder)
        self.schedule = schedule
        self.holder = holder

    def __str__(self) -> str:
        return f"schedule '{self.schedule}' is still running: {self.holder} holds its lock"
