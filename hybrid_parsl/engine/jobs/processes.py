"""Processes on this host that have to be gone when a run is over."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass

import psutil

_PATIENCE_S = 5.0
_PAUSE_S = 0.002
_ENDED = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
_CANNOT_FORK = (
    *_ENDED,
    psutil.STATUS_STOPPED,
    psutil.STATUS_TRACING_STOP,
    psutil.STATUS_DISK_SLEEP,
)


@dataclass(frozen=True)
class ProcessTree:
    """A process and all its descendants at one moment.

    Attributes
    ----------
    members
        The processes; one that has ended since is no error.
    """

    members: list[psutil.Process]

    @classmethod
    def of(cls, pid: int) -> ProcessTree:
        """Return the tree below process `pid`; empty if it has ended."""
        try:
            root = psutil.Process(pid)
            return cls([root, *root.children(recursive=True)])
        except psutil.NoSuchProcess:
            return cls([])

    def end(self) -> None:
        """Kill what still runs, with what it has started since, until nothing is left.

        A process is stopped before its children are listed, so that it can start no other one
        between that and its own end.

        Who started a process still has to take note of its end (a child of this process stays
        a zombie until then): psutil would do so in the place of the owner, who would then
        wonder.
        """
        deadline = time.monotonic() + _PATIENCE_S
        members: dict[int, psutil.Process] = {}
        found = [process for process in self.members if _runs(process)]
        while found and time.monotonic() < deadline:
            for process in found:
                _stop(process)
            members.update({process.pid: process for process in found})
            found = [child for child in _children(found) if child.pid not in members]
        for process in members.values():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                process.kill()
        while any(_runs(process) for process in members.values()) and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)


def _stop(process: psutil.Process) -> None:
    """Stop `process`; return when it can start no other one, or cannot be stopped."""
    deadline = time.monotonic() + _PATIENCE_S
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        process.suspend()
        while process.status() not in _CANNOT_FORK and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)


def _children(parents: list[psutil.Process]) -> list[psutil.Process]:
    """Return the children of `parents`, which may be too many to ask for those of each."""
    pids = {process.pid for process in parents if process.is_running()}
    children = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.ppid() in pids:
                children.append(process)
    return children


def _runs(process: psutil.Process) -> bool:
    """Return whether `process` has not ended."""
    try:
        return bool(process.is_running() and process.status() not in _ENDED)
    except psutil.NoSuchProcess:
        return False
