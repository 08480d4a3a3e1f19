"""The folder of a task: what the driver puts there and what the processes of the task leave."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ALONE_VARIABLE = "HYBRID_PARSL_ALONE"
"""Is set for the only rank of a task that no launcher of MPI starts."""
N_RANKS_VARIABLE = "HYBRID_PARSL_N_RANKS"
"""Environment variable that holds how many ranks were asked for."""
TASK_FOLDER_VARIABLE = "HYBRID_PARSL_TASK_FOLDER"
"""Environment variable that holds the folder of a task."""

KEPT_LINES = "*.jsonl"
"""Files to which a stage appends lines from which another try of its task can continue."""


_TAIL_BYTES = 4096


@dataclass(frozen=True)
class Request:
    """What every rank is to do.

    Attributes
    ----------
    identity
        The driver's package, to be compared with the rank's.
    function, arguments, keywords
        The call.
    """

    identity: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]


@dataclass(frozen=True)
class Failure:
    """Why a rank ended its task.

    Attributes
    ----------
    time
        Seconds since the epoch, to identify the first of several failures.
    rank, host, pid
        Who it was.
    traceback
        The traceback as text.
    error
        The exception, or None if it cannot be pickled.
    """

    time: float
    rank: int
    host: str
    pid: int
    traceback: str
    error: BaseException | None


@dataclass(frozen=True)
class TaskFolder:
    """The files of one task.

    Attributes
    ----------
    path
        The folder; seen by the driver and by every rank.
    """

    path: Path

    @property
    def request(self) -> Path:
        """The frame that holds the `Request`."""
        return self.path / "request.frame"

    @property
    def result(self) -> Path:
        """The frame that holds what rank 0 returned."""
        return self.path / "result.frame"

    @property
    def ranks(self) -> Path:
        """JSON: host and process id of each rank, by rank."""
        return self.path / "ranks.json"

    @property
    def worker_init(self) -> Path:
        """Shell commands that the job runs before its ranks."""
        return self.path / "worker_init.sh"

    @property
    def stdout(self) -> Path:
        """What the ranks printed."""
        return self.path / "stdout.log"

    @property
    def stderr(self) -> Path:
        """What the ranks wrote to their standard error."""
        return self.path / "stderr.log"

    @property
    def block(self) -> Path:
        """The name of the block of nodes in which the task runs, if it runs in one."""
        return self.path / "block"

    @property
    def pack(self) -> Path:
        """The name of the folder of the pack that carries out the task, if one does."""
        return self.path / "pack"

    @property
    def waiting(self) -> Path:
        """Why the job of the task does not start, in words, where its backend knows."""
        return self.path / "waiting.txt"

    @property
    def progress(self) -> Path:
        """Lines in which the stage says how far it has come; the last one counts."""
        return self.path / "progress.txt"

    def progress_line(self) -> str:
        """Return the last line of progress that the stage reported, empty before the first."""
        try:
            with self.progress.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
                lines = file.read().rpartition(b"\n")[0].splitlines()
        except OSError:
            return ""
        return lines[-1].decode("utf-8", "replace").strip() if lines else ""

    def waits_for(self) -> str:
        """Return why the job of the task does not start; nothing if that is not known."""
        try:
            return self.waiting.read_text("utf-8", "replace").strip()
        except OSError:
            return ""

    def block_name(self) -> str | None:
        """Return the name of the block in which the task has begun, None if in none."""
        try:
            return self.block.read_text("utf-8", "replace") or None
        except OSError:
            return None

    def pack_folder(self) -> TaskFolder | None:
        """Return the folder of the pack that carries out the task, None if it has a job itself."""
        try:
            name = self.pack.read_text("utf-8")
        except (OSError, ValueError):
            return None
        return TaskFolder(self.path.parent / Path(name).name) if name else None

    def kept_lines(self) -> list[Path]:
        """Return the files of lines that a stage keeps for another try."""
        return sorted(self.path.glob(KEPT_LINES))

    def failure(self, rank: int) -> Path:
        """Return the frame that holds the `Failure` of `rank`."""
        return self.path / f"failure-{rank:05d}.frame"

    def failures(self) -> list[Path]:
        """Return the failures that are there."""
        return sorted(self.path.glob("failure-*.frame"))

    def has_begun(self) -> bool:
        """Return whether the ranks have found each other."""
        return self.ranks.exists()

    def remove_if_silent(self) -> None:
        """Remove the folder if nothing is in it but the request and logs without a byte."""
        with contextlib.suppress(OSError):
            logs = (self.stdout, self.stderr)
            if len(os.listdir(self.path)) > 3 or any(log.stat().st_size for log in logs):  # noqa: PLR2004, PTH208 - the request and two logs; quicker
                return
            for path in (self.request, *logs):
                path.unlink()
            self.path.rmdir()

    def clear(self) -> None:
        """Remove what an earlier try left, but for the logs and a stage's own files."""
        for path in (
            self.result,
            self.ranks,
            self.block,
            self.pack,
            self.waiting,
            self.progress,
            *self.failures(),
        ):
            path.unlink(missing_ok=True)


def current_task_folder() -> Path | None:
    """Return the folder of the task that this process belongs to, or None outside a task."""
    value = os.environ.get(TASK_FOLDER_VARIABLE)
    return Path(value) if value else None


@contextlib.contextmanager
def output_to(task: TaskFolder) -> Iterator[None]:
    """Make this process part of a task: what it writes to descriptors 1 and 2 goes to its logs."""
    before = os.environ.get(TASK_FOLDER_VARIABLE)
    os.environ[TASK_FOLDER_VARIABLE] = str(task.path)
    kept = [os.dup(1), os.dup(2)]
    for descriptor, path in ((1, task.stdout), (2, task.stderr)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, descriptor)
        os.close(file)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, saved in zip((1, 2), kept, strict=True):
            os.dup2(saved, descriptor)
            os.close(saved)
        if before is None:
            os.environ.pop(TASK_FOLDER_VARIABLE, None)
        else:
            os.environ[TASK_FOLDER_VARIABLE] = before
