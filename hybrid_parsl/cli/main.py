"""``hybrid-parsl``: the commands, and how their errors end the process."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from hybrid_parsl.cli import (
    attach,
    cache,
    clean,
    diff,
    doctor,
    export,
    init,
    list_runs,
    listings,
    logs,
    remote,
    report,
    rerun,
    resume,
    run,
    schedule,
    show,
    status,
    ui,
)
from hybrid_parsl.cli.context import Context
from hybrid_parsl.cli.failure import failure_text
from hybrid_parsl.cli.output import (
    ReaderGoneError,
    prepare_streams,
    say,
    say_aside,
    settle_streams,
)
from hybrid_parsl.errors import ConfigurationError, HybridParslError
from hybrid_parsl.garbage import collect_rarely

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
app.command()(resume.resume)
app.command()(attach.attach)
app.command()(status.status)
app.command()(logs.logs)
app.command()(status.cancel)
app.command("list")(list_runs.list_runs)
app.command()(clean.clean)
app.command()(show.show)
app.command()(diff.diff)
app.command()(report.report)
app.command()(ui.ui)
app.command()(export.export)
app.command()(rerun.rerun)
app.command()(listings.sites)
app.command()(doctor.doctor)
app.command()(listings.problems)
app.command()(listings.optimizers)
app.command()(listings.backends)
app.command()(listings.workflows)
app.command()(init.init)
app.add_typer(cache.app)
app.add_typer(schedule.app)
app.add_typer(remote.app)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - Typer calls it with the option's value
    """Print the version and end."""
    if wanted:
        from hybrid_parsl import __version__

        say(f"hybrid-parsl {__version__}")
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
    try:
        os.getcwd()  # noqa: PTH109 - a path is not wanted, only that there is one
    except FileNotFoundError as error:
        message = "the current folder has been removed"
        raise ConfigurationError(message, valid="a folder that is there: cd to one") from error
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
    collect_rarely()
    prepare_streams()
    logging.raiseExceptions = False  # a log that cannot be written is no news on the terminal
    try:
        app(args=arguments, obj=str(project) if project else None, prog_name="hybrid-parsl")
    except HybridParslError as error:
        code = error.exit_code
        say_aside(failure_text(error))
    except ReaderGoneError as error:
        code = error.exit_code
    except OSError as error:
        if "--install-completion" not in (sys.argv if arguments is None else arguments):
            raise
        message = f"the shell's files cannot be written: {error}"
        valid = "--show-completion, and its output copied to where the shell reads it"
        code = ConfigurationError.exit_code
        refused = ConfigurationError(message, "--install-completion", valid=valid)
        say_aside(failure_text(refused))
    finally:
        settle_streams()
    sys.exit(code)


__all__ = ["app", "main"]
