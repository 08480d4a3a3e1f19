"""``hybrid-parsl show``: the results of a run, again."""

from __future__ import annotations

import json

import typer

from hybrid_parsl.cli.options import DEFAULT_RUNS_DIRECTORY, AsJson, RunName, RunsDirectory


def show(
    name: RunName = "latest",
    runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """Show what a run found."""
    from hybrid_parsl.cli.summary import print_summary
    from hybrid_parsl.records.run_directory import RESULTS, RunDirectory

    document = RunDirectory.find(runs_dir, name).read_json(RESULTS)
    if as_json:
        typer.echo(json.dumps(document))
    else:
        print_summary(document)
