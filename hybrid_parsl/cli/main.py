"""``hybrid-parsl``: the commands, and how their errors end the process."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from hybrid_parsl.cli import listings, report, run, show
from hybrid_parsl.cli.context import Context
from hybrid_parsl.errors import HybridParslError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

app = typer.Typer(
    name="hybrid-parsl",
    help="Hybrid quantum-HPC workflows: MPI search, quantum circuit, analysis, on any site.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(no_args_is_help=False)(run.run)
app.command()(listings.sites)
app.command()(listings.problems)
app.command()(show.show)
app.command()(report.report)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - Typer calls it with the option's value
    """Print the version and end."""
    if wanted:
        from hybrid_parsl import __version__

        typer.echo(f"hybrid-parsl {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    project: Annotated[
        str | None,
        typer.Option(help="Folder with apps/, site_configs/ and experiments/.", metavar="DIR"),
    ] = None,
    version: Annotated[  # noqa: ARG001 - it has done its work
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Version.")
    ] = False,
) -> None:
    """Take the options that every command has."""
    context.obj = Context(project or context.obj)


def main(arguments: Sequence[str] | None = None, project: Path | None = None) -> NoReturn:
    """Run the command line and end the process.

    Parameters
    ----------
    arguments
        What the user wrote after the program's name; ``sys.argv`` if None.
    project
        The project folder, if the caller knows it.
    """
    code = 0
    logging.raiseExceptions = False  # a log that cannot be written is no news on the terminal
    try:
        app(args=arguments, obj=str(project) if project else None, prog_name="hybrid-parsl")
    except HybridParslError as error:
        code = error.exit_code
        _print_error(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)


def _print_error(error: HybridParslError) -> None:
    """Say on the standard error what went wrong, and where."""
    notes = getattr(error, "__notes__", [])
    stages = [note.removeprefix("stage: ") for note in notes if note.startswith("stage: ")]
    others = [note for note in notes if not note.startswith("stage: ")]
    head = f"error in the {stages[0]} stage" if stages else "error"
    typer.echo("\n".join([f"{head}: {error}", *others]), err=True)


__all__ = ["app", "main"]
