"""``hybrid-parsl rerun``: the run of a crate again, and whether the results agree."""

from __future__ import annotations

import json
import shutil
import sys
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hybrid_parsl.cli.context import DEFAULT_RUNS_DIRECTORY
from hybrid_parsl.cli.options import (
    AsJson,
    Overrides,
    Quiet,
    RunsDirectory,
    SiteAssignments,
    SiteName,
)
from hybrid_parsl.cli.output import say, say_aside
from hybrid_parsl.cli.run import execute
from hybrid_parsl.errors import ConfigurationError, HybridParslError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybrid_parsl.crate.agreement import Agreement
    from hybrid_parsl.crate.archive import Crate
    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.project import Project
    from hybrid_parsl.records.run_directory import RunDirectory
    from hybrid_parsl.runner import Run

DIFFERENT_RESULTS = 7
"""The exit code if the results differ."""
SOURCE = "source"
"""The folder of a run that holds experiment and code of the crate that it repeats."""


def rerun(
    context: typer.Context,
    crate: Annotated[
        str, typer.Argument(help="A zip of export, its folder, or a run.", metavar="CRATE")
    ],
    site: SiteName = "local",
    overrides: Overrides = None,
    site_settings: SiteAssignments = None,
    runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY,
    quiet: Quiet = False,
    as_json: AsJson = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Execute the crate's own code without a question.")
    ] = False,
) -> None:
    """Repeat the run of a crate, and say whether the results agree."""
    from hybrid_parsl.crate.agreement import DIFFERENT, compare_results
    from hybrid_parsl.crate.archive import read_crate
    from hybrid_parsl.records.run_directory import RunDirectory
    from hybrid_parsl.run_plan import requested_experiments

    project = _own_project(context.obj.project())
    found = read_crate(_place(crate, runs_dir))
    experiments = requested_experiments(_table(found), overrides or [], str(found.source))
    if not yes:
        _ask(found, experiments, project)
    sites = project.sites()
    place = str(sites[site]) if site in sites else site
    directory = RunDirectory.create(runs_dir, experiments[0].name)
    run = _prepare(found, place, overrides or [], site_settings or [], directory)
    recorded = found.results
    try:
        document = execute(run, quiet=quiet, as_json=as_json)
    except HybridParslError as error:
        if failed := recorded.get("error"):
            error.add_note(f"the recorded run failed, too: {failed['type']}: {failed['message']}")
        raise
    agreement = compare_results(recorded, document)
    names = {"recorded": recorded["run"].get("id"), "run": document["run"]["id"]}
    if as_json:
        say(json.dumps({**names, "folder": str(run.directory.path), **asdict(agreement)}))
    elif not quiet:
        _print(agreement, names["recorded"])
    if agreement.verdict == DIFFERENT:
        raise typer.Exit(DIFFERENT_RESULTS)


def _place(text: str, runs_dir: Path) -> Path:
    """Return where a crate is: a path, or the folder of a run; its metadata is written if missing.

    Raises
    ------
    ConfigurationError
        If there is neither.
    """
    from hybrid_parsl.cli.runs import find_run
    from hybrid_parsl.crate.contents import METADATA
    from hybrid_parsl.crate.export import ended_document
    from hybrid_parsl.crate.metadata import write_crate

    path = Path(text)
    if path.is_file() or (path / METADATA).is_file():
        return path
    directory = find_run(runs_dir, text)
    if not (directory.path / METADATA).is_file():
        write_crate(directory, ended_document(directory))
    return directory.path


def _own_project(project: Project) -> Project:
    """Return a project, or that of this package for the current folder in an unpacked crate."""
    from hybrid_parsl.crate.contents import is_in_crate
    from hybrid_parsl.project import Project, template_folder

    here = Path.cwd()
    return Project(template_folder()) if project.folder == here and is_in_crate(here) else project


def _ask(crate: Crate, experiments: Sequence[Experiment], project: Project) -> None:
    """Ask before anything is executed that neither the project nor this package has.

    Raises
    ------
    ConfigurationError
        If there is such code, and no terminal to ask on.
    """
    from hybrid_parsl.crate.code import named_programs, unknown_code
    from hybrid_parsl.crate.contents import is_in_crate
    from hybrid_parsl.project import template_folder

    here = Path.cwd()
    folders = (project.folder, template_folder(), *(() if is_in_crate(here) else (here,)))
    unknown = unknown_code(crate.code, folders) + named_programs(experiments, crate.code)
    if not unknown:
        return
    message = "has or names code that is not in your project, and rerun executes it"
    if not sys.stdin.isatty():
        valid = "--yes, after you have read the code"
        raise ConfigurationError(message, str(crate.source), None, ", ".join(unknown), valid)
    say_aside(f"{crate.source} {message}: {', '.join(unknown)}")
    typer.confirm("Execute it?", abort=True)


def _table(crate: Crate) -> dict[str, Any]:
    """Return the experiment of a crate as TOML has it.

    Raises
    ------
    ConfigurationError
        If it is not TOML.
    """
    from hybrid_parsl.crate.contents import EXPERIMENT

    try:
        return tomllib.loads(crate.files[EXPERIMENT].decode())
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"is not TOML: {error}", str(crate.source), EXPERIMENT) from error


def _prepare(
    crate: Crate,
    site: str,
    overrides: Sequence[str],
    settings: Sequence[str],
    directory: RunDirectory,
) -> Run:
    """Return the run in `directory` that repeats that of a crate; it holds experiment and code.

    Raises
    ------
    ConfigurationError
        If the experiment or the site cannot be used.
    """
    from hybrid_parsl.crate.contents import EXPERIMENT
    from hybrid_parsl.project import Project
    from hybrid_parsl.run_plan import plan_run
    from hybrid_parsl.runner import Run

    folder = directory.path / SOURCE
    try:
        code = crate.unpack(folder)
        sys.path.insert(0, str(code))  # before other files of the same names
        project = Project(code)
        runs = directory.path.parent
        plan = plan_run(str(folder / EXPERIMENT), site, project, overrides, settings, runs)
        for point in (plan.experiment, *(each.experiment for each in plan.points)):
            _check_code(point.own_code.folders, code)
    except BaseException:
        shutil.rmtree(directory.path, ignore_errors=True)
        raise
    recorded = crate.results["run"].get("id")
    return Run(plan.experiment, project, plan.site, directory, points=plan.points, repeats=recorded)


def _check_code(folders: Sequence[str], code: Path) -> None:
    """Check that the user's own modules are those of the crate.

    Raises
    ------
    ConfigurationError
        If Python finds others of the same name first.
    """
    others = [each for each in folders if each != str(code)]
    if others:
        message = "holds a module of the experiment that the crate should bring"
        valid = "another current folder, and no such folder in PYTHONPATH"
        raise ConfigurationError(message, others[0], valid=valid)


def _print(agreement: Agreement, recorded: str) -> None:
    """Print whether the results agree, and which versions differ."""
    from hybrid_parsl.cli.diff import print_changes

    for title, changes in (
        ("experiment", agreement.difference.experiment),
        ("versions", agreement.difference.versions),
    ):
        if changes:
            say(f"\n{title}, recorded -> repeated:")
            print_changes(changes)
    say(f"\nthe results {agreement.verdict} (recorded run {recorded})")
    for reason in agreement.reasons:
        say(f"  {reason}")
