"""``hybrid-parsl report``: the page of a run, made anew from its files."""

from __future__ import annotations

import typer

from hybrid_parsl.cli.options import DEFAULT_RUNS_DIRECTORY, RunName, RunsDirectory


def report(name: RunName = "latest", runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY) -> None:
    """Write report.html of a run again and print its path."""
    from hybrid_parsl.records.run_directory import REPORT, RESULTS, RunDirectory
    from hybrid_parsl.runner import write_report

    directory = RunDirectory.find(runs_dir, name)
    write_report(directory, directory.read_json(RESULTS))
    typer.echo(str(directory.path / REPORT))
