"""A stage that was started and gave no result."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass

from hybrid_parsl.errors.base import HybridParslError

_FRAME = (
    r'  File "[^"\n]*/(?:concurrent/futures/|hybrid_parsl/(?:engine/|mpi/|stage_function\.py"))'
)
_MACHINERY = re.compile(
    r"(?<=^Traceback \(most recent call last\):\n)"
    rf"(?:{_FRAME}[^\n]*\n(?:    [^\n]*\n)*)+(?!{_FRAME})(?=  File \")",
    re.MULTILINE,
)
"""The frames of a traceback that led to a stage, which say nothing to who wrote the stage."""


class TaskError(HybridParslError):
    """A stage was started and did not give its result."""

    exit_code = 4


def signal_of(exit_code: int | None) -> int:
    """Return the signal number that a shell's exit code encodes, 0 if none."""
    number = (exit_code or 0) - 128
    return number if 0 < number < signal.NSIG else 0


def _tail(path: str | None, text: str) -> list[str]:
    """Return the lines that show the end of a log, with where it is."""
    lines = [f"  log: {path}"] if path else []
    return lines + [f"  | {line}" for line in text.rstrip().splitlines()]


@dataclass(eq=False)
class RankFailedError(TaskError):
    """One rank of an MPI task raised an exception or was killed.

    Attributes
    ----------
    rank
        The rank, counted from 0; -1 if unknown.
    host
        The name of the node it ran on; empty if unknown.
    job_exit_code
        The exit code of the job; 128 + n for signal n.
    traceback
        The remote traceback; empty if the rank was killed.
    stderr_tail
        The last lines that the job wrote to its standard error.
    stderr_path
        Where that standard error is kept.
    """

    rank: int
    host: str
    job_exit_code: int
    traceback: str = ""
    stderr_tail: str = ""
    stderr_path: str | None = None

    def __str__(self) -> str:
        who = f"rank {self.rank}" if self.rank >= 0 else "a rank"
        where = f" on {self.host}" if self.host else ""
        last = self.traceback.rstrip().rpartition("\n")[2]
        if last:
            what = f"raised {last}"
        elif number := signal_of(self.job_exit_code):
            hint = ", as happens when memory runs out" if number == signal.SIGKILL else ""
            what = f"was killed by signal {number}{hint}"
        else:
            what = f"ended with exit code {self.job_exit_code}"
        shown = _MACHINERY.sub("", self.traceback) or self.stderr_tail
        return "\n".join([f"{who}{where} {what}", *_tail(self.stderr_path, shown)])


@dataclass(eq=False)
class JobFailedError(TaskError):
    """A job ended before any of its ranks could report.

    Attributes
    ----------
    job_id
        The backend's own id of the job.
    reason
        What the backend said.
    stderr_path, stderr_tail
        Where the job's standard error is, and its last lines.
    """

    job_id: str
    reason: str
    stderr_path: str | None = None
    stderr_tail: str = ""

    def __str__(self) -> str:
        return "\n".join(
            [f"job {self.job_id}: {self.reason}", *_tail(self.stderr_path, self.stderr_tail)]
        )


class WalltimeExceededError(JobFailedError):
    """A job ran longer than its walltime and was ended by the backend."""


class NodeFailedError(JobFailedError):
    """A job lost one of its nodes."""


class JobCancelledError(JobFailedError):
    """A job was cancelled, by us or by somebody else."""


@dataclass(eq=False)
class ResultPendingError(TaskError):
    """Nobody waits any longer for a result that may still come.

    Attributes
    ----------
    what
        What was waited for, such as ``"run 20261122T093000Z-maxcut-3f9c2a"``.
    waited_s
        How long, in whole seconds.
    advice
        How to go on waiting.
    """

    what: str
    waited_s: int
    advice: str

    def __str__(self) -> str:
        return f"{self.what} has given no result in {self.waited_s} s: {self.advice}"


@dataclass(eq=False)
class NotStartedError(TaskError):
    """A task was not started because another one of the run had failed.

    Attributes
    ----------
    task
        Its name.
    """

    task: str

    def __str__(self) -> str:
        return f"{self.task} was not started: another task of the run had failed"


@dataclass(eq=False)
class StageFailedError(TaskError):
    """A stage raised an error that this package does not define.

    Attributes
    ----------
    stage
        The name of the stage.
    reason
        Type and text of the error.
    traceback
        Its traceback, with the remote part.
    """

    stage: str
    reason: str
    traceback: str = ""

    def __str__(self) -> str:
        shown = _MACHINERY.sub("", self.traceback)
        return "\n".join([f"{self.stage} raised {self.reason}", *_tail(None, shown)])


@dataclass(eq=False)
class QuantumJobError(TaskError):
    """A sampler refused a circuit or failed while it ran it.

    Attributes
    ----------
    backend
        The name of the backend in the experiment.
    reason
        What the backend said.
    """

    backend: str
    reason: str

    def __str__(self) -> str:
        return f"the quantum backend '{self.backend}' failed: {self.reason}"


@dataclass(eq=False)
class ResultError(TaskError):
    """The result of a task is missing, damaged, or cannot be sent.

    Attributes
    ----------
    reason
        What is wrong with it.
    """

    reason: str

    def __str__(self) -> str:
        return self.reason


@dataclass(eq=False)
class StorageError(TaskError):
    """A file of a run cannot be written.

    Attributes
    ----------
    path
        The file.
    reason
        What the operating system said.
    """

    path: str
    reason: str

    def __str__(self) -> str:
        return f"cannot write {self.path}: {self.reason}"
