"""How far running tasks are, and what the scheduler reports of a run's jobs."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hybrid_parsl.optimize.progress import SearchProgress
from hybrid_parsl.own_command import own_command, own_environment
from hybrid_parsl.tasks.folder import TaskFolder
from hybrid_parsl.ui.run_files import inside, read_start

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_MOST_FOLLOWED = 64
_LARGEST_JOURNAL = 64 * 2**20
_LONGEST_REASON = 4096
_FRESH_S = 15.0
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Progress:
    """How far a task is.

    Attributes
    ----------
    text
        In the words of `status`; why its job waits before it starts.
    share
        What is done, 0 to 1; None if it is not known.
    """

    text: str
    share: float | None = None


class LiveProgress:
    """Follows the files in which running tasks report their progress."""

    def __init__(self) -> None:
        self._searches: dict[Path, SearchProgress] = {}
        self._lock = threading.Lock()

    def of(self, run: Path, name: str, task: Mapping[str, Any]) -> Progress | None:
        """Return the progress of a task, None if it has reported none.

        Parameters
        ----------
        run
            The folder of the run.
        name
            The name of the task.
        task
            Its table in ``results.json``.
        """
        try:
            folder = TaskFolder(inside(run, "tasks", name))
            if isinstance(task.get("total"), int):
                return self._of_search(folder.path, task["total"])
            if _is_plain(folder.progress) and (line := folder.progress_line()):
                return Progress(line)
            reason = read_start(folder.waiting, _LONGEST_REASON).decode("utf-8", "replace").strip()
            return Progress(reason) if reason else None
        except OSError:
            return None

    def _of_search(self, folder: Path, n_starts: int) -> Progress | None:
        """Return the progress of a search, whose journals are read on from where they were."""
        journals = list(folder.glob("starts-*.jsonl"))
        sizes = [path.lstat().st_size for path in journals]
        if not all(map(_is_plain, journals)) or sum(sizes) > _LARGEST_JOURNAL:
            return None
        with self._lock:
            search = self._searches.pop(folder, None)
            if search is None or search.n_starts != n_starts:
                search = SearchProgress(folder, n_starts)
            self._searches[folder] = search
            if len(self._searches) > _MOST_FOLLOWED:
                del self._searches[next(iter(self._searches))]
            search.update()
            if not search.n_done:
                return None
            return Progress(search.words(" of "), search.n_done / n_starts)


class JobStates:
    """What the schedulers report of the jobs of runs, asked for by ``status`` in the background."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[float, list[dict[str, Any]] | None]] = {}
        self._pool = ThreadPoolExecutor(1, "jobs")

    def of(self, run: Path) -> list[dict[str, Any]] | None:
        """Return the jobs of a run as `RunStatus` has them, None before the first answer."""
        asked_at, jobs = self._known.get(run, (-_FRESH_S, None))
        if time.monotonic() > asked_at + _FRESH_S:
            self._known[run] = time.monotonic(), jobs
            self._pool.submit(self._ask, run)
        return jobs

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, run: Path) -> None:
        """Ask for the jobs of a run, in a process of its own: a scheduler may not answer."""
        command = own_command("status", str(run), "--json")
        with contextlib.suppress(OSError, ValueError, KeyError, subprocess.SubprocessError):
            done = subprocess.run(  # noqa: S603 - this package's own command
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=own_environment(),
                timeout=_PATIENCE_S,
                check=True,
            )
            self._known[run] = time.monotonic(), json.loads(done.stdout)["jobs"]


def _is_plain(path: Path) -> bool:
    """Return whether there is a regular file at `path`, and no symbolic link."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False
