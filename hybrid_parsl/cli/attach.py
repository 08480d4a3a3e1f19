"""``hybrid-parsl attach``: watch a run that another process drives."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from hybrid_parsl.cli.context import DEFAULT_RUNS_DIRECTORY
from hybrid_parsl.cli.options import AsJson, Quiet, RunName, RunsDirectory
from hybrid_parsl.cli.output import say, say_aside
from hybrid_parsl.cli.runs import find_run
from hybrid_parsl.cli.status import run_command, words_for_left

if TYPE_CHECKING:
    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.records.run_directory import RunDirectory
    from hybrid_parsl.run_observer import RunObserver
    from hybrid_parsl.runner import Document

_PAUSE_S = 0.3


@dataclass(frozen=True)
class _Place:
    """The site of a run, as far as it is shown.

    Attributes
    ----------
    name
        Its name.
    """

    name: str


@dataclass(frozen=True)
class _WatchedRun:
    """A run that another process drives, as far as it is shown.

    Attributes
    ----------
    experiment, site, directory
        As those of a `Run`.
    """

    experiment: Experiment
    site: _Place
    directory: RunDirectory


def attach(
    name: RunName = "latest",
    runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Watch a run until it ends; Ctrl-C stops only the watching."""
    from hybrid_parsl.cli.display import make_display
    from hybrid_parsl.engine.signals import INTERRUPTED
    from hybrid_parsl.experiment_file import read_experiment
    from hybrid_parsl.run_control import results_of

    directory = find_run(runs_dir, name)
    place = _Place(results_of(directory)["run"].get("site") or "unknown")
    experiment = read_experiment(directory.path / "experiment.toml")
    run = _WatchedRun(experiment, place, directory)
    display = make_display(run, quiet=quiet, as_json=as_json)
    try:
        with display:
            document = _watch(directory, display)
    except KeyboardInterrupt:
        say_aside(f"the run goes on; end it with: {run_command('cancel', directory.path)}")
        raise typer.Exit(INTERRUPTED) from None
    if document["run"]["status"] == "completed":
        display.summary(document)
    if as_json:
        say(json.dumps(document))
    _exit_as(document, directory)


def _watch(directory: RunDirectory, observer: RunObserver) -> Document:
    """Report to `observer` how a run goes until its driver has ended; return its results."""
    from hybrid_parsl.records.run_lock import driver_of
    from hybrid_parsl.run_control import results_of

    shown: dict[str, str] = {}
    next_tick = time.monotonic() + observer.interval_s
    while True:
        is_driven = driver_of(directory.lock) is not None  # first: it may end after the results
        document: Document = results_of(directory)
        for name, task in document.get("tasks", {}).items():
            status, before = task["status"], shown.get(name)
            if before is None:
                observer.stage_added(name, task)
            origin = task.get("reused_from")
            is_new = before in (None, "waiting")
            if is_new and status not in ("waiting", "not started") and origin is None:
                observer.stage_started(name)
            if status == "completed" != before and origin is not None:
                observer.stage_reused(name, origin)
            elif status == "completed" != before:
                observer.stage_finished(name, task.get("duration_s") or 0.0)
            if status == "failed" != before:
                observer.stage_failed(name, task.get("error", {}).get("message", ""))
            shown[name] = status
        if not is_driven:
            return document
        if time.monotonic() > next_tick:
            observer.tick()
            next_tick = time.monotonic() + observer.interval_s
        time.sleep(_PAUSE_S)


def _exit_as(document: Document, directory: RunDirectory) -> None:
    """End as the driver of a run has ended.

    Raises
    ------
    typer.Exit
        If the run has not completed.
    """
    run = document["run"]
    if run["status"] == "completed":
        return
    if run["status"] == "running":
        say_aside(words_for_left(directory.path))
    else:
        error = document.get("error") or {}
        words = dict.fromkeys(filter(None, (error.get("type"), error.get("message"))))
        say_aside(f"{run['status']}: {': '.join(words)}")
        say_aside(f"resume with: {run_command('resume', directory.path)}")
    raise typer.Exit(run.get("exit_code") or 1)
