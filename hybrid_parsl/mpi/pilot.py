"""Lets ranks inside a block of nodes carry out tasks, from a worker there."""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from hybrid_parsl.tasks.folder import N_RANKS_VARIABLE, TaskFolder, output_to

if TYPE_CHECKING:
    from collections.abc import Callable

TIMED_OUT = -1
"""What stands for the exit code of ranks that ran longer than they may."""

_FAILED = 1
_MOST = 65_536
_PATIENCE_S = 10.0
_BLOCK_VARIABLE = "PARSL_WORKER_BLOCK_ID"
_kept: list[WarmRanks] = []


def call_in_block(
    folder: str, function: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> Any:
    """Return what a call gives; its output goes to the folder of its task, if that is seen here.

    A note is left there of the block in which it is carried out.
    """
    task = TaskFolder(Path(folder))
    _note_block(task)
    with output_to(task) if task.path.is_dir() else contextlib.nullcontext():
        return function(*arguments, **keywords)


def run_ranks(folder: str, python: str, walltime_s: int) -> int:
    """Let ranks carry out the task in `folder` and return 0, or the launcher's exit code.

    The ranks of the task before are taken if they run on the same nodes in the same number, as
    Parsl's launch prefix says so; others are ended.

    Parameters
    ----------
    folder
        The folder of the task, absolute.
    python
        The interpreter of the ranks.
    walltime_s
        Longest run time in seconds; ranks that run longer are ended.
    """
    _note_block(TaskFolder(Path(folder)))
    command = (*shlex.split(os.environ["PARSL_MPI_PREFIX"]), python)
    if _kept and _kept[0].command != command:
        _kept.pop().end()
    ranks = _kept.pop() if _kept else WarmRanks.start(command, Path(folder).parent)
    code = ranks.carry_out(TaskFolder(Path(folder)), walltime_s)
    if code == 0:
        _kept.append(ranks)
    return code


def _note_block(task: TaskFolder) -> None:
    """Write down in which block a task runs, for a driver that learns that the block has ended."""
    with contextlib.suppress(OSError):  # seen from here or not: the task is not worse off
        task.block.write_text(os.environ.get(_BLOCK_VARIABLE, ""), encoding="utf-8")


@dataclass(frozen=True)
class WarmRanks:
    """Ranks that wait for a task.

    Attributes
    ----------
    command
        Launcher, its arguments, and the interpreter.
    process
        The launcher.
    log
        What the launcher itself says.
    """

    command: tuple[str, ...]
    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, command: tuple[str, ...], tasks: Path) -> WarmRanks:
        """Start ranks; `tasks` holds the folders of all tasks.

        Idle ranks do not keep their processors from other steps of the block.
        """
        log = tasks / ".ranks" / f"{socket.gethostname()}-{os.getpid()}.log"
        log.parent.mkdir(exist_ok=True)
        with log.open("wb") as stderr:
            process = subprocess.Popen(  # noqa: S603 - Parsl's launcher and our own module
                [*command, "-P", "-m", "hybrid_parsl.mpi.warm_ranks"],
                cwd=tasks,
                env={
                    **os.environ,
                    "SLURM_OVERLAP": "1",
                    N_RANKS_VARIABLE: os.environ.get("PARSL_NUM_RANKS", "0"),
                },
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
                bufsize=0,
            )
        return cls(command, process, log)

    def carry_out(self, task: TaskFolder, walltime_s: float) -> int:
        """Let the ranks carry out a task and return 0, or the exit code of ranks that ended."""
        before = self.log.stat().st_size
        answer = os.fsencode(f"{task.path}\n")
        with contextlib.suppress(BrokenPipeError):
            _pipe(self.process.stdin).write(answer)
        said = self._hear(answer, walltime_s)
        if said is None:
            self.end(signal.SIGTERM)
            return TIMED_OUT
        if said.endswith(answer):
            return 0
        code = self.process.wait()
        with self.log.open("rb") as log, task.stderr.open("ab") as stderr:
            log.seek(before)
            stderr.write(log.read())
        with task.stdout.open("ab") as stdout:
            stdout.write(said)
        return code or _FAILED

    def end(self, number: int | None = None) -> None:
        """End the ranks: by a signal, or because there is no further task."""
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        if number is not None:
            os.killpg(self.process.pid, number)
        try:
            self.process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def _hear(self, answer: bytes, walltime_s: float) -> bytes | None:
        """Return what launcher and rank 0 say until the answer or the end; None if it takes long.

        Some launchers say on their standard output how a rank died.
        """
        deadline = time.monotonic() + walltime_s
        said = b""
        with selectors.DefaultSelector() as selector:
            selector.register(_pipe(self.process.stdout), selectors.EVENT_READ)
            while not said.endswith(answer):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    return None
                more = _pipe(self.process.stdout).read(_MOST)
                if not more:
                    break
                said += more
        return said


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    """Return a pipe of a process that was started with it."""
    if stream is None:
        message = "the launcher was started without a pipe"
        raise RuntimeError(message)
    return stream
