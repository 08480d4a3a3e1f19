"""Processes on this host that have to be gone when a run is over."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass

import psutil

_PATIENCE_S = 5.0
_PAUSE_S = 0.01


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

        Who started a process still has to take note of its end (a child of this process stays
        a zombie until then): psutil would do so in the place of the owner, who would then
        wonder.
        """
        deadline = time.monotonic() + _PATIENCE_S
        members = {process.pid: process for process in self.members}
        while running := [process for process in members.values() if _runs(process)]:
            for process in running:
                with contextlib.suppress(psutil.NoSuchProcess):
                    members.update({each.pid: each for each in process.children(recursive=True)})
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            if time.monotonic() > deadline:
                return
            time.sleep(_PAUSE_S)


def _runs(process: psutil.Process) -> bool:
    """Return whether `process` has not ended."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
