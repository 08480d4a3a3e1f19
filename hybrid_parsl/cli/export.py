"""``hybrid-parsl export``: a run with its provenance as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hybrid_parsl.cli.context import DEFAULT_RUNS_DIRECTORY
from hybrid_parsl.cli.options import RunName, RunsDirectory
from hybrid_parsl.cli.output import say
from hybrid_parsl.cli.runs import find_run


def export(
    name: RunName = "latest",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The zip; RUN.zip here if left out.")
    ] = None,
    runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY,
    license: Annotated[  # noqa: A002 - the name of the option
        str | None,
        typer.Option(help="License of the results: a URL or a text.", metavar="LICENSE"),
    ] = None,
    author: Annotated[str | None, typer.Option(help="Who made the run.", metavar="NAME")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
) -> None:
    """Write a run with its provenance into a zip, an RO-Crate."""
    from hybrid_parsl.crate.export import export_run

    directory = find_run(runs_dir, name)
    path = output or Path(f"{directory.path.name}.zip")
    say(str(export_run(directory, path, license=license, author=author, force=force)))
