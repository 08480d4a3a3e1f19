"""Summaries of all runs in a folder, kept up to date by one thread.

A summary is read again when the size or the time of a file that it comes from has changed.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.ownership import check_folder, is_own
from hybrid_parsl.records.run_directory import REMOTE, RESULTS, RunDirectory
from hybrid_parsl.records.run_list import ListedRun, brief_summary
from hybrid_parsl.records.run_lock import driver_of, state_of
from hybrid_parsl.ui.run_files import inside

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path

LARGEST_RESULTS = 32 * 2**20
"""Bytes of a ``results.json`` that the page reads."""
READING = "reading"
_PATIENCE_S = 0.08
_FRESH_S = 0.5

Stamp = tuple[int, ...]


@dataclass(frozen=True)
class Listing:
    """The runs in a folder.

    Attributes
    ----------
    runs
        The user's, the newest first; those that are still to be read have the state `READING`.
    n_others
        Number of other users' runs.
    error
        Why the folder cannot be read; empty if it can.
    """

    runs: list[ListedRun]
    n_others: int = 0
    error: str = ""

    @property
    def n_reading(self) -> int:
        """Number of runs that are still to be read."""
        return sum(run.state == READING for run in self.runs)


class RunIndex:
    """The runs in a folder.

    Parameters
    ----------
    folder
        The folder of all runs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, tuple[Stamp, ListedRun]] = {}
        self._listing = Listing([])
        self._pool = ThreadPoolExecutor(1, "runs")
        self._reading: Future[None] | None = None
        self._read_at = -_FRESH_S

    def listing(self, patience_s: float = _PATIENCE_S) -> Listing:
        """Return the runs as they were read a moment ago.

        Parameters
        ----------
        patience_s
            Seconds to wait for summaries that are not up to date; then, older ones are returned.
        """
        is_done = self._reading is None or self._reading.done()
        if is_done and time.monotonic() > self._read_at + _FRESH_S:
            self._reading = self._pool.submit(self._read)
        if self._reading is not None:
            wait([self._reading], patience_s)
        return self._listing

    def find(self, name: str) -> RunDirectory:
        """Return the run in the folder `name`.

        Raises
        ------
        FileNotFoundError
            If there is none.
        UntrustedFileError
            If other users own it or can write it.
        """
        path = inside(self.folder, name)
        inside(path, "experiment.toml")
        check_folder(path)
        return RunDirectory(path)

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(cancel_futures=True)

    def _read(self) -> None:
        """Bring all summaries up to date, the newest runs first."""
        try:
            names, n_others = self._names()
        except OSError as error:
            self._listing = Listing([], error=f"{self.folder}: {error.strerror}")
            return
        stamps = {name: _stamp(self.folder / name) for name in names}
        self._known = {name: self._known[name] for name in names if name in self._known}
        runs = [self._known[name][1] if name in self._known else _unread(name) for name in names]
        self._listing = Listing(runs, n_others)
        for place, name in enumerate(names):
            runs[place] = self._summary(name, stamps[name])
        self._listing = Listing(runs, n_others)
        self._read_at = time.monotonic()

    def _names(self) -> tuple[list[str], int]:
        """Return the names of the user's runs, the newest first, and the number of others."""
        with os.scandir(self.folder) as entries:
            found = sorted(
                (entry.name for entry in entries if not entry.name.startswith(".")), reverse=True
            )
        found = [name for name in found if os.path.lexists(self.folder / name / "experiment.toml")]
        own = [name for name in found if is_own(self.folder / name)]
        return own, len(found) - len(own)

    def _summary(self, name: str, stamp: Stamp) -> ListedRun:
        """Return the summary of a run, read again if its files have changed."""
        path = self.folder / name
        stamp_before, run = self._known.get(name, ((), _unread(name)))
        if stamp != stamp_before:
            if not name.isprintable() and "\udc80" <= max(name) <= "\udcff":
                run = ListedRun(name, "unreadable", error="its name is not UTF-8")
            elif path.is_symlink():
                run = ListedRun(name, "unreadable", error="a symbolic link, which is not followed")
            else:
                run = brief_summary(path, LARGEST_RESULTS)
            self._known[name] = stamp, run
        if run.state in ("running", "left"):
            run = replace(run, state=state_of("running", driver_of(RunDirectory(path).lock)))
        return run


def check_runs_folder(folder: Path) -> None:
    """Check that there is a folder of runs that can be read.

    Raises
    ------
    ConfigurationError
        If there is none.
    """
    try:
        with os.scandir(folder):
            return
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        valid = "a folder of runs, which the first run makes"
        raise ConfigurationError(message, "--runs-dir", None, str(folder), valid) from error


def stamp_of(path: Path) -> Stamp:
    """Return what changes when the file at `path` does; nothing if it is not there."""
    try:
        status = os.lstat(path)
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_size, status.st_ino


def _stamp(path: Path) -> Stamp:
    """Return what changes when the summary of a run does."""
    return *stamp_of(path / RESULTS), int(os.path.lexists(path / REMOTE))


def _unread(name: str) -> ListedRun:
    """Return the entry of a run that is still to be read."""
    return ListedRun(name, READING)
