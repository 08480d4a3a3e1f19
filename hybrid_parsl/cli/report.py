"""``hybrid-parsl report``: the page of a run, made anew from its files."""

from __future__ import annotations

from hybrid_parsl.cli.context import DEFAULT_RUNS_DIRECTORY
from hybrid_parsl.cli.options import RunName, RunsDirectory
from hybrid_parsl.cli.output import say
from hybrid_parsl.cli.runs import find_run


def report(name: RunName = "latest", runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY) -> None:
    """Write the page and metadata of a run or a study again."""
    from hybrid_parsl.crate.code import WORKFLOWS
    from hybrid_parsl.crate.metadata import write_crate
    from hybrid_parsl.records.run_directory import REPORT
    from hybrid_parsl.run_report import write_report

    directory = find_run(runs_dir, name)
    came_along = directory.is_remote and (directory.path / REPORT).is_file()
    if came_along:  # its figures are on the endpoint
        say(str(directory.path / REPORT))
        return
    document = directory.read_results()
    say(str(write_report(directory, document)))
    if document["run"]["status"] != "running" and (directory.path / WORKFLOWS).is_file():
        write_crate(directory, document)
