"""``hybrid-parsl schedule``: runs at planned times, and what came of them."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hybrid_parsl.cli import schedule_add
from hybrid_parsl.cli.completion import complete_schedule
from hybrid_parsl.cli.options import AsJson
from hybrid_parsl.cli.output import say, say_aside
from hybrid_parsl.schedule.entry_format import Format

if TYPE_CHECKING:
    from hybrid_parsl.schedule.attempts import History
    from hybrid_parsl.schedule.definition import Schedule

app = typer.Typer(
    name="schedule",
    help="Run an experiment at planned times.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command(no_args_is_help=True)(schedule_add.add)

ScheduleName = Annotated[
    str,
    typer.Argument(
        help="The name of a schedule.", metavar="NAME", autocompletion=complete_schedule
    ),
]


@app.command("list")
def list_schedules(as_json: AsJson = False) -> None:
    """List the schedules: when each runs next, and how the last run ended."""
    from hybrid_parsl.cli.listings import print_rows
    from hybrid_parsl.schedule.overview import overview

    rows = overview()
    if as_json:
        print_rows(rows, as_json=True)
    elif rows:
        print_rows([_short_row(row) for row in rows], as_json=False)
        for row in rows:
            _say_changes(row["name"], row["changed"])
    else:
        say("no schedules; hybrid-parsl schedule add makes one")


def _say_changes(name: str, changed: list[str]) -> None:
    """Say which site settings differ from those that a schedule keeps."""
    for change in changed:
        say(f"{name}: {change} (schedule add --replace takes the new one)")


def _short_row(row: dict[str, Any]) -> dict[str, str]:
    """Return a row of the overview that fits 100 columns with names of usual length."""
    is_missing = row["format"] == Format.CRONTAB and row["crontab"] == "no"
    return {
        "name": row["name"],
        "times": row["times"],
        "next": "not in the crontab" if is_missing else row["next"],
        "format": row["format"],
        "experiment": Path(row["experiment"]).stem,
        "site": Path(row["site"]).stem,
        "last": row["last"],
    }


@app.command()
def remove(name: ScheduleName) -> None:
    """Take a schedule out of the crontab and delete it; its runs and history stay."""
    from hybrid_parsl.errors import ConfigurationError
    from hybrid_parsl.schedule import crontab
    from hybrid_parsl.schedule.definition import (
        definition_file,
        no_such_schedule,
        read_definition,
        schedules_folder,
        state_folder,
    )
    from hybrid_parsl.schedule.scheduled_run import run_under_way

    file = definition_file(name)
    if file.parent != schedules_folder() or not file.is_file():
        raise no_such_schedule(name)
    try:
        schedule = read_definition(file)
        kind, state = schedule.format, Path(schedule.state)
    except ConfigurationError:  # a damaged definition can be removed, too
        kind, state = Format.CRONTAB, state_folder(file.stem)
    installed = crontab.uninstall(file)
    file.unlink(missing_ok=True)
    where = ", which was not in the crontab" if kind is Format.CRONTAB else ""
    where = " and its line in the crontab" if installed else where
    say(f"removed {file.stem}{where}; its runs and its history stay")
    if kind is not Format.CRONTAB:
        say(f"remove its entry from {kind}, too: {kind.how_to_remove(file.stem)}")
    under_way = run_under_way(state)
    if under_way:
        say(f"a run is under way and goes on: {under_way}")


@app.command()
def run(
    name: Annotated[str, typer.Argument(help="A schedule, or its file.", metavar="NAME|FILE")],
) -> None:
    """Carry out a schedule once, as cron does: silently, unless something goes wrong.

    Schedulers name its file; a run by its name, or at a terminal, is one by hand: never late.
    """
    from hybrid_parsl.errors import RunOverlapError
    from hybrid_parsl.schedule.definition import definition_file, read_definition
    from hybrid_parsl.schedule.scheduled_run import ScheduledRun

    file = definition_file(name)
    by_hand = name == file.stem or sys.stdin.isatty()
    scheduled = ScheduledRun(read_definition(file), file, by_hand=by_hand)
    try:
        outcome = scheduled.carry_out()
    except RunOverlapError as error:
        say_aside(f"error: {error}")
        raise typer.Exit(error.exit_code) from None
    if outcome.exit_code:
        say_aside(outcome.line(file.stem, scheduled.run))
    raise typer.Exit(outcome.exit_code)


@app.command(hidden=True)
def drive(file: Path, attempt: str) -> None:
    """Run the experiment of a schedule; only ``schedule run`` calls this."""
    from hybrid_parsl.cli.failure import failure_text
    from hybrid_parsl.errors import HybridParslError
    from hybrid_parsl.parent_death import die_with_parent
    from hybrid_parsl.schedule.attempts import History
    from hybrid_parsl.schedule.definition import read_definition

    die_with_parent(signal.SIGTERM)
    schedule = read_definition(file)
    history = History(Path(schedule.state))
    try:
        _drive(schedule, history, attempt)
    except HybridParslError as error:
        history.append("error", attempt, message=failure_text(error).removeprefix("error: "))
        raise


def _drive(schedule: Schedule, history: History, attempt: str) -> None:
    """Run the experiment of `schedule`, and record in `history` which run it is."""
    from hybrid_parsl.cli.run import execute, load_experiment
    from hybrid_parsl.project import find_project
    from hybrid_parsl.records.run_directory import RunDirectory
    from hybrid_parsl.runner import Run
    from hybrid_parsl.schedule.kept_settings import scheduled_site

    project = find_project(Path(schedule.project) if schedule.project else None)
    experiment = load_experiment(schedule.experiment, schedule.overrides, project)
    site = scheduled_site(schedule, project)
    site.settings()
    directory = RunDirectory.create(Path(schedule.runs_dir), experiment.name)
    history.append("run", attempt, run=str(directory.path))
    execute(Run(experiment, project, site, directory), quiet=True, as_json=False)


@app.command()
def history(
    name: ScheduleName,
    page: Annotated[
        Path | None,
        typer.Option(help="Write a page with the trend to this file.", metavar="FILE"),
    ] = None,
    last: Annotated[
        int, typer.Option(help="List this many of the newest runs.", metavar="N", min=1)
    ] = 20,
    as_json: AsJson = False,
) -> None:
    """List the past runs of a schedule: outcome, duration, best energy, what the clock did."""
    from hybrid_parsl.schedule.overview import history_of

    found = history_of(name)
    if page is not None:
        from hybrid_parsl.atomic_file import write_atomically
        from hybrid_parsl.report.history_page import render_history

        write_atomically(page.absolute(), render_history(found).encode())
    if as_json:
        say(json.dumps(found))
        return
    _print_history(found["runs"][-last:])
    _say_changes(name, found.get("changed", []))
    if page is not None:
        say(f"page: {page}")


def _print_history(runs: list[dict[str, Any]]) -> None:
    """Print the past runs as a table."""
    from hybrid_parsl.cli.listings import print_rows
    from hybrid_parsl.report.text import duration, number

    if not runs:
        say("it has not run yet")
        return
    rows = [
        {
            "started": run["started"].replace("T", " "),
            "outcome": run["outcome"],
            "duration": duration(run["duration_s"]),
            "best energy": number(run["energy"], 8),
            "run": Path(run["run"] or "").name,
            "notes": "; ".join(filter(None, _notes(run))),
        }
        for run in runs
    ]
    print_rows(rows, as_json=False)


def _notes(run: dict[str, Any]) -> list[str]:
    """Return the notes on a run: by hand, its first line of failure, what the clock did."""
    by_hand = "by hand" if run["by_hand"] else ""
    return [by_hand, run["message"].partition("\n")[0], *run["notes"]]
