"""Processes on this host that have to be gone when a run is over."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

_PATIENCE_S = 5.0


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
        """Kill what still runs, with what it has started since, until nothing is left."""
        members = {process.pid: process for process in self.members}
        for process in self.members:
            try:
                if process.is_running():
                    members.update({each.pid: each for each in process.children(recursive=True)})
            except psutil.NoSuchProcess:
                continue
        for process in members.values():
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(list(members.values()), timeout=_PATIENCE_S)
