"""``hybrid-parsl run``: one experiment on one site."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from hybrid_parsl.cli.completion import complete_experiment, complete_site
from hybrid_parsl.cli.options import DEFAULT_RUNS_DIRECTORY, AsJson, RunsDirectory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.project import Project
    from hybrid_parsl.runner import Document, Run

DEFAULT_EXPERIMENT = "maxcut"
INTERRUPTED = 130
TERMINATED = 143


def run(
    context: typer.Context,
    experiment: Annotated[
        str,
        typer.Argument(
            help="A TOML file, or the name of one of the project's experiments.",
            metavar="EXPERIMENT",
            autocompletion=complete_experiment,
        ),
    ] = DEFAULT_EXPERIMENT,
    site: Annotated[
        str,
        typer.Option(
            help="Where to run: a site of the project, or the path of a site file.",
            metavar="NAME|PATH",
            autocompletion=complete_site,
        ),
    ] = "local",
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="Replace a key: --set search.starts=64.", metavar="KEY=VALUE"),
    ] = None,
    site_settings: Annotated[
        list[str] | None,
        typer.Option("--site-set", help="Set a setting of the site.", metavar="KEY=VALUE"),
    ] = None,
    runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
    as_json: AsJson = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Print what would run, and run nothing.")
    ] = False,
) -> None:
    """Search the parameters, run the circuit, analyse it."""
    project = context.obj.project()
    asked = load_experiment(experiment, overrides or [], project)
    from hybrid_parsl.engine.sites import load_site

    place = load_site(site, project, site_settings or [])
    place.settings()
    if dry_run:
        from hybrid_parsl.cli.dry_run import describe

        typer.echo(describe(asked, place, as_json=as_json))
        return
    from hybrid_parsl.records.run_directory import RunDirectory
    from hybrid_parsl.runner import Run

    directory = RunDirectory.create(runs_dir, asked.name)
    document = _execute(Run(asked, project, place, directory), quiet=quiet, as_json=as_json)
    if as_json:
        typer.echo(json.dumps(document))


def load_experiment(text: str, overrides: Sequence[str], project: Project) -> Experiment:
    """Return the experiment that `text` names, checked as far as it can be before it runs.

    Raises
    ------
    ConfigurationError
        It is not there, or something in it is not valid.
    """
    from hybrid_parsl.errors import ConfigurationError
    from hybrid_parsl.experiment_file import origin, read_experiment
    from hybrid_parsl.problems.registry import embed_files
    from hybrid_parsl.stages.check import check_experiment

    path = project.experiment_path(text)
    experiment = read_experiment(path, overrides)
    try:
        embedded = embed_files(experiment, path.parent)
        check_experiment(embedded)
    except ConfigurationError as error:
        raise error.at(origin(error.key, overrides, str(path)) or str(path)) from error
    return embedded


def _execute(run: Run, *, quiet: bool, as_json: bool) -> Document:
    """Carry out `run` with a display; an interruption ends the process as a shell expects."""
    from hybrid_parsl.cli.display import make_display
    from hybrid_parsl.engine.interrupts import TerminatedError, terminable

    display = make_display(run, quiet=quiet, as_json=as_json)
    try:
        with terminable(), display:
            document = run.execute(display)
    except KeyboardInterrupt:
        _say_interrupted("interrupted", run)
        raise typer.Exit(INTERRUPTED) from None
    except TerminatedError as signal:
        _say_interrupted(f"ended by {signal}", run)
        raise typer.Exit(TERMINATED) from None
    display.summary(document)
    return document


def _say_interrupted(how: str, run: Run) -> None:
    """Say on the standard error that the run did not finish, and where it is."""
    sys.stderr.write(f"{how}: what was finished is in {run.directory.path}\n")
