"""What became of a task, read from its folder after its job has ended."""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from hybrid_parsl.errors import (
    HybridParslError,
    JobFailedError,
    RankFailedError,
    ResultError,
    StorageError,
)
from hybrid_parsl.errors.task import signal_of
from hybrid_parsl.strict_json import parse_json
from hybrid_parsl.tasks.serialization import read_frame

if TYPE_CHECKING:
    from pathlib import Path

    from hybrid_parsl.tasks.folder import Failure, TaskFolder

_PATIENCE_S = 10.0
_PAUSE_S = 0.1
_TAIL_LINES = 12
_TAIL_BYTES = 16_384
_SIGNAL_OFFSET = 128
_OF_SHORT_MEMORY = (7, 11)
_ROOM_BYTES = 8192
_OURS = re.compile(
    r"launcher: rank (\d+) on (\S+) (was killed by|ended with) .*?(\d+)$", re.MULTILINE
)
_HYDRA_PID = re.compile(r"PID (\d+) RUNNING AT (\S+)")
_SRUN = re.compile(r"srun: error: (\S+): tasks? (\d+)\S*: (.+)")
_SRUN_CODE = re.compile(r"[Ee]xit code (\d+)")
_SIGNALS = {"Killed": 9, "Segmentation fault": 11, "Aborted": 6, "Bus error": 7, "Out Of Memory": 9}
_HYDRA_SIGNAL = re.compile(r"\(signal (\d+)\)")


@dataclass(frozen=True)
class _Member:
    """Where a rank runs."""

    host: str
    pid: int


def log_tail(path: Path, n_lines: int = _TAIL_LINES) -> str:
    """Return the last `n_lines` lines of the file at `path`; nothing if it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-n_lines:])


def log_of(folder: TaskFolder) -> tuple[str | None, str]:
    """Return the path of a task's standard error, None if it was not written, and its end."""
    path = str(folder.stderr) if folder.stderr.exists() else None
    return path, log_tail(folder.stderr)


def read_result(folder: TaskFolder) -> Any:
    """Return what rank 0 returned.

    Raises
    ------
    ResultError
        If there is no result, or it is damaged.
    """
    return read_frame(folder.result)


def await_result(folder: TaskFolder, job_id: str, patience_s: float = _PATIENCE_S) -> Any:
    """Return what rank 0 returned, once the ranks have reported that they are done.

    A network file system may show a new file late; each look lists the folder anew, which makes
    it ask its server. A failure that is found counts more than a result.

    Parameters
    ----------
    folder
        The folder of the task.
    job_id
        The backend's id of the job, for an error.
    patience_s
        Longest time in seconds until the file is there, at least 0.

    Raises
    ------
    HybridParslError
        If a rank reported a failure.
    ResultError
        If there is no result, or it is damaged.
    """
    deadline = time.monotonic() + patience_s
    while not (failures := folder.failures()) and not folder.result.exists():
        if time.monotonic() > deadline:
            break
        time.sleep(_PAUSE_S)
    if failures:
        raise explain_failure(folder, job_id, None)
    return read_result(folder)


def explain_failure(folder: TaskFolder, job_id: str, exit_code: int | None) -> HybridParslError:
    """Return the first cause of a failed task.

    A rank that raised has reported it: the earliest such report counts, and an error of our
    own tree stands for itself; where the disk is full, none could. A rank that was killed could
    not: srun names it, MPICH's launcher names its process, and the list of ranks says which rank
    that was. (On a busy node it now and then names one that it has ended itself for the first
    one's sake: its proxy records the signal of whichever it notices in time.) A launcher that
    was killed itself says nothing.

    Parameters
    ----------
    folder
        The folder of the task.
    job_id
        The backend's id of the job.
    exit_code
        The exit code of the job, None if it is not known.
    """
    reported = [failure for path in folder.failures() if (failure := _read_failure(path))]
    if reported:
        return _from_report(folder, min(reported, key=lambda each: each.time), exit_code)
    log, tail = log_of(folder)
    if not folder.ranks.exists():
        reason = f"ended with exit code {exit_code} before its ranks had started"
        if (number := signal_of(exit_code)) in _OF_SHORT_MEMORY:
            reason += f" (signal {number}, as where /dev/shm is too small: see --shm-size)"
        return JobFailedError(job_id, reason, log, tail)
    rank, host, code = _killed_rank(folder)
    if rank < 0 and not code and _is_full(folder.path):  # then a rank could not report, either
        return StorageError(str(folder.path), os.strerror(errno.ENOSPC))
    if rank < 0 and not code and (signal := signal_of(exit_code)):
        alone = len(_members(folder)) == 1
        who = "its launcher or its only rank" if alone else "its launcher"
        reason = f"{who} was killed by signal {signal}"
        return JobFailedError(job_id, reason, log, tail)
    code = code or exit_code or 1
    return RankFailedError(rank, host, code, "", tail, log)


def _is_full(folder: Path) -> bool:
    """Return whether nothing can be written in a folder any more."""
    try:
        return shutil.disk_usage(folder).free < _ROOM_BYTES
    except OSError:
        return False


def _read_failure(path: Path) -> Failure | None:
    """Return the failure in the file at `path`, None if it is damaged."""
    try:
        failure: Failure = read_frame(path)
    except ResultError:
        return None
    return failure


def _from_report(folder: TaskFolder, failure: Failure, exit_code: int | None) -> HybridParslError:
    """Return the error that a rank reported."""
    if isinstance(failure.error, HybridParslError):
        return failure.error
    log, tail = log_of(folder)
    error = RankFailedError(
        failure.rank, failure.host, exit_code or 1, failure.traceback, tail, log
    )
    error.__cause__ = failure.error
    return error


def _killed_rank(folder: TaskFolder) -> tuple[int, str, int]:
    """Return rank, host and exit code of the process that the launcher says has died."""
    logs = log_tail(folder.stderr, 100) + "\n" + log_tail(folder.stdout, 100)
    for host, rank, words in _SRUN.findall(logs):
        if status := _srun_status(words):
            return int(rank), host, status
    if ours := _OURS.findall(logs):
        rank, host, how, number = ours[-1]  # an earlier try's stands before it
        return int(rank), host, int(number) + (0 if how == "ended" else _SIGNAL_OFFSET)
    killed, signals = _HYDRA_PID.findall(logs), _HYDRA_SIGNAL.findall(logs)
    code = _SIGNAL_OFFSET + int(signals[-1]) if signals else 0
    if not killed:
        return -1, "", code
    pid, host = killed[-1]  # lines of an earlier try stand before it
    for rank, member in enumerate(_members(folder)):
        if member.pid == int(pid):
            return rank, member.host, code
    return -1, host, code


def _srun_status(words: str) -> int:
    """Return the exit code that srun reports for a rank in words, 0 if it does not."""
    for name, number in _SIGNALS.items():
        if words.startswith(name):
            return _SIGNAL_OFFSET + number
    code = _SRUN_CODE.search(words)
    return int(code[1]) if code else 0


def _members(folder: TaskFolder) -> list[_Member]:
    """Return host and process id of each rank; nothing if rank 0 died while it wrote them."""
    try:
        found = parse_json(folder.ranks.read_bytes())
        return TypeAdapter(list[_Member]).validate_python(found)
    except (OSError, ValueError):
        return []
