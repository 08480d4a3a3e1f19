"""Removes the oldest run directories of a schedule, and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_parsl.records.run_directory import RESULTS, RunDirectory
from hybrid_parsl.records.run_lock import driver_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybrid_parsl.schedule.attempts import Attempt


def rotate(attempts: Sequence[Attempt], runs_dir: Path, keep: int) -> list[Path]:
    """Remove all but the newest `keep` run directories that the `attempts` have made.

    One that lies elsewhere than in `runs_dir`, has a driver, or has jobs that nobody has ended
    (its driver was killed) is left where it is.

    Returns
    -------
    removed
        The directories, oldest first.
    """
    made = [Path(attempt.run) for attempt in attempts if attempt.run]
    there = [path for path in made if path.parent == runs_dir and path.is_dir()]
    removed = []
    for path in there[:-keep]:
        if not path.is_symlink() and _has_ended(RunDirectory(path)):
            shutil.rmtree(path, ignore_errors=True)
            removed.append(path)
    return removed


def _has_ended(directory: RunDirectory) -> bool:
    """Return whether a run is over: nobody drives it, and its last driver has said its end."""
    if driver_of(directory.lock) is not None:
        return False
    try:
        document = json.loads((directory.path / RESULTS).read_text(encoding="utf-8"))
        return bool(document["run"]["status"] != "running")
    except (OSError, ValueError, KeyError, TypeError):
        return True
