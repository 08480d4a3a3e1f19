"""Removes the oldest run directories of a schedule, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_parsl.errors import ConfigurationError, RunOverlapError, StorageError
from hybrid_parsl.ownership import is_own
from hybrid_parsl.records.run_directory import RunDirectory
from hybrid_parsl.records.run_lock import run_lock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybrid_parsl.schedule.attempts import Attempt


def rotate(attempts: Sequence[Attempt], runs_dir: Path, keep: int) -> list[Path]:
    """Remove all but the newest `keep` run directories that the `attempts` have made.

    One that lies elsewhere than in `runs_dir`, belongs to another user, has a driver, or is not
    completed, so that it can be resumed, is left where it is.

    Returns
    -------
    removed
        The directories, oldest first.
    """
    made = [Path(attempt.run) for attempt in attempts if attempt.run]
    there = [path for path in made if path.parent == runs_dir and path.is_dir()]
    oldest = [path for path in there[:-keep] if not path.is_symlink()]
    return [path for path in oldest if is_own(path) and _remove(RunDirectory(path))]


def _remove(directory: RunDirectory) -> bool:
    """Remove a run that is completed, with its lock held; return whether it was."""
    try:
        with run_lock(directory.lock, f"run {directory.path.name}"):
            is_over = _is_completed(directory)
            if is_over:
                shutil.rmtree(directory.path, ignore_errors=True)
    except (RunOverlapError, StorageError):
        return False
    return is_over


def _is_completed(directory: RunDirectory) -> bool:
    """Return whether a run has nothing left that could be resumed."""
    try:
        return bool(directory.read_results()["run"]["status"] == "completed")
    except ConfigurationError:
        return False
