"""``hybrid-parsl clean``: remove runs that are not needed any more."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hybrid_parsl.cli.context import DEFAULT_RUNS_DIRECTORY
from hybrid_parsl.cli.options import DryRun, OlderThan, RunsDirectory, read_age
from hybrid_parsl.cli.output import say, say_aside

if TYPE_CHECKING:
    from hybrid_parsl.records.run_list import ListedRun

_ENDED = ("completed", "failed", "interrupted")
_FAILED = ("failed", "interrupted")
_KIB = 1024


def clean(
    runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only runs that failed or were interrupted.")
    ] = False,
    older_than: OlderThan = None,
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove old or failed runs, after a question.

    A run that is driven, was left by its driver, or has jobs that may still run stays.
    """
    from hybrid_parsl.cli.listings import print_rows
    from hybrid_parsl.errors import ConfigurationError
    from hybrid_parsl.records.run_list import runs_in

    if not failed and older_than is None:
        valid = "--failed, --older-than 30d, or both"
        raise ConfigurationError("say which runs", "clean", None, "no choice", valid)
    age = timedelta(0) if older_than is None else read_age(older_than)
    runs, _ = runs_in(runs_dir)
    states, began_before = _FAILED if failed else _ENDED, datetime.now(UTC) - age
    chosen = [each for each in runs if each.state in states and _began_before(each, began_before)]
    chosen = [each for each in chosen if not _is_kept(runs_dir / each.run)]
    if not chosen:
        say(f"there is no such run of yours in {runs_dir}")
        return
    rows = [{"run": each.run, "state": each.state, "began": each.started} for each in chosen]
    print_rows(rows, as_json=False)
    size = sum(_size(runs_dir / each.run) for each in chosen)
    what = f"{len(chosen)} run{'s' if len(chosen) > 1 else ''}, {size / _KIB**2:.1f} MiB"
    if dry_run:
        say(f"would remove {what}")
        return
    if not yes:
        if not sys.stdin.isatty():
            message = "asks before it removes anything"
            raise ConfigurationError(message, "clean", None, "no terminal", "--yes")
        typer.confirm(f"Remove {what}?", abort=True)
    n_removed = sum(_remove(runs_dir / each.run, each.state) for each in chosen)
    say(f"removed {n_removed} of {what}")


def _began_before(run: ListedRun, time: datetime) -> bool:
    """Return whether a run began before a time; one of which that is not known did not."""
    try:
        return datetime.fromisoformat(run.started) <= time
    except (ValueError, TypeError):
        return False


def _is_kept(folder: Path) -> bool:
    """Return whether a run has jobs that may still run, and say so."""
    from hybrid_parsl.engine.jobs.orphans import jobs_left, jobs_left_alone, words_for
    from hybrid_parsl.quantum.qpu_control import open_qpu_jobs

    left = [*map(words_for, (*jobs_left(folder), *jobs_left_alone(folder))), *open_qpu_jobs(folder)]
    if left:
        say_aside(f"{folder.name} stays: {left[0]}")
    return bool(left)


def _size(folder: Path) -> int:
    """Return the bytes of all files in a folder, as far as they are still there."""
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                size += Path(place, name).lstat().st_size
    return size


def _remove(folder: Path, state: str) -> bool:
    """Remove a run, unless another process drives or cancels it, or has changed its state.

    Parameters
    ----------
    folder
        Its folder.
    state
        Its state when it was chosen.

    Returns
    -------
    bool
        Whether it is gone.
    """
    from hybrid_parsl.errors import HybridParslError
    from hybrid_parsl.records.run_directory import RunDirectory
    from hybrid_parsl.records.run_list import listed_run
    from hybrid_parsl.records.run_lock import run_lock

    directory = RunDirectory(folder)
    try:
        with run_lock(directory.lock, f"run {folder.name}"):
            if (found := listed_run(folder).state) != state:
                say_aside(f"{folder.name} stays: it was {state}, and is {found} now")
                return False
            if _is_kept(folder):
                return False
            shutil.rmtree(folder)
    except (HybridParslError, OSError) as error:
        say_aside(f"{folder.name} is not removed: {str(error).partition(chr(10))[0]}")
        return False
    return True
