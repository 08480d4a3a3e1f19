"""``hybrid-parsl list``: the runs there are."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from hybrid_parsl.cli.context import DEFAULT_RUNS_DIRECTORY
from hybrid_parsl.cli.options import AsJson, RunsDirectory
from hybrid_parsl.cli.output import say, say_aside

if TYPE_CHECKING:
    from hybrid_parsl.records.run_list import ListedRun


def list_runs(
    runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY,
    last: Annotated[
        int | None, typer.Option(help="Only the newest ones.", metavar="N", min=1)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List runs with state, best energy and age, the newest last."""
    from hybrid_parsl.cli.listings import print_rows
    from hybrid_parsl.records.run_list import runs_in

    runs, n_others = runs_in(runs_dir)
    shown = runs[-last:] if last else runs
    if n_others:
        say_aside(f"note: {n_others} of the runs in {runs_dir} belong to other users")
    if as_json:
        say(json.dumps([asdict(each) for each in shown]))
        return
    if not runs:
        say(f"there is no run of yours in {runs_dir}")
        return
    now = datetime.now(UTC)
    print_rows([_row(each, now) for each in shown], as_json=False)


def _row(run: ListedRun, now: datetime) -> dict[str, str]:
    """Return the cells of a run."""
    energy = "" if run.best_energy is None else f"{run.best_energy:.8g}"
    return {
        "run": run.run,
        "state": run.state,
        "best energy": energy,
        "workflow": run.workflow,
        "site": run.site,
        "age": _age(run.started, now),
    }


def _age(started: str, now: datetime) -> str:
    """Return how long ago a time was, in its largest unit; nothing if it is not a time."""
    from hybrid_parsl.report.text import in_largest_unit

    try:
        seconds = (now - datetime.fromisoformat(started)).total_seconds()
    except (ValueError, TypeError):
        return ""
    return in_largest_unit(seconds)
