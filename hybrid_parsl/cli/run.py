"""``hybrid-parsl run``: one experiment on one site."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hybrid_parsl.cli.context import DEFAULT_RUNS_DIRECTORY
from hybrid_parsl.cli.detached import Detach, drive_detached
from hybrid_parsl.cli.options import (
    AsJson,
    Cache,
    ExperimentName,
    FailFast,
    KeepGoing,
    Overrides,
    Quiet,
    RunsDirectory,
    ScriptsFolder,
    SiteAssignments,
    SiteName,
    SweptValues,
    WorkflowName,
    failure_policy,
)
from hybrid_parsl.cli.output import ReaderGoneError, say, say_aside
from hybrid_parsl.cli.status import resume_command, run_command
from hybrid_parsl.engine.signals import INTERRUPTED
from hybrid_parsl.run_plan import load_experiment, plan_run
from hybrid_parsl.sweep import sweep_assignment

if TYPE_CHECKING:
    from hybrid_parsl.runner import Document, Run

DEFAULT_EXPERIMENT = "maxcut"


def run(
    context: typer.Context,
    experiment: ExperimentName = DEFAULT_EXPERIMENT,
    site: SiteName = "local",
    overrides: Overrides = None,
    sweep: SweptValues = None,
    site_settings: SiteAssignments = None,
    runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY,
    quiet: Quiet = False,
    as_json: AsJson = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Print what would run, and run nothing.")
    ] = False,
    scripts: ScriptsFolder = None,
    check: Annotated[
        bool, typer.Option("--check", help="Ask the scheduler for its verdict, and run nothing.")
    ] = False,
    detach: Detach = False,
    workflow: WorkflowName = None,
    keep_going: KeepGoing = False,
    fail_fast: FailFast = False,
    cache: Cache = None,
) -> None:
    """Run an experiment: search the parameters, run the circuit, analyse it.

    A key with several values makes it a study, which runs it with each of them.
    """
    if scripts is not None and not dry_run:
        from hybrid_parsl.errors import ConfigurationError

        raise ConfigurationError("needs --dry-run", "--scripts", None, str(scripts))
    project = context.obj.project()
    on_failure = failure_policy(keep_going=keep_going, fail_fast=fail_fast)
    asked = [*(overrides or []), *map(sweep_assignment, sweep or [])]
    plan = plan_run(experiment, site, project, asked, site_settings or [], runs_dir, workflow)
    for note in plan.notes:
        say_aside(f"note: {note}")
    if dry_run or check:
        from hybrid_parsl.cli.dry_run import describe

        text, refusal = describe(plan, as_json=as_json, whole=dry_run, check=check, scripts=scripts)
        say(text)
        if refusal is not None:
            raise refusal
        return
    from hybrid_parsl.records.run_directory import RunDirectory
    from hybrid_parsl.reuse.store import reuses_results
    from hybrid_parsl.runner import Run

    directory = RunDirectory.create(runs_dir, plan.experiment.name)
    begun = Run(
        plan.experiment,
        project,
        plan.site,
        directory,
        on_failure=on_failure,
        cache=reuses_results(cache),
        points=plan.points,
    )
    if detach:
        begun.prepare()
        drive_detached(directory, project.folder, (), on_failure, as_json=as_json)
        return
    document = execute(begun, quiet=quiet, as_json=as_json)
    if as_json:
        say(json.dumps(document))


def execute(run: Run, *, quiet: bool, as_json: bool) -> Document:
    """Carry out `run` with a display; an interruption ends the process as a shell expects.

    Raises
    ------
    HybridParslError
        What went wrong first.
    """
    from hybrid_parsl.cli.display import make_display
    from hybrid_parsl.engine.jobs.orphans import check_none_is_left, jobs_left, words_for
    from hybrid_parsl.engine.signals import TerminatedError, terminable
    from hybrid_parsl.errors import (
        BackendUnavailableError,
        HybridParslError,
        JobFailedError,
        RunOverlapError,
    )

    display = make_display(run, quiet=quiet, as_json=as_json)
    try:
        with terminable(), display:
            document = run.execute(display)
    except ReaderGoneError:
        say_aside(f"the reader of the output is gone: {_what_is_left(run)}")
        check_none_is_left(run.directory.path)
        raise
    except KeyboardInterrupt as error:
        raise _interrupted(run, "interrupted", error, INTERRUPTED) from None
    except TerminatedError as signal:
        raise _interrupted(run, f"ended by {signal}", signal, signal.exit_code) from None
    except (JobFailedError, BackendUnavailableError) as error:
        error.add_note(_what_is_left(run) + _longer(run, error))
        raise
    except RunOverlapError:
        raise
    except HybridParslError as error:
        if run.points and run.directory.path.is_dir():
            error.add_note(_what_is_left(run))
        raise
    display.summary(document)
    for record in jobs_left(run.directory.path):
        say_aside(words_for(record))
    return document


def _interrupted(run: Run, how: str, error: BaseException, code: int) -> typer.Exit:
    """Say how a run was ended and what is left of it, and return what ends the process."""
    from hybrid_parsl.engine.jobs.orphans import check_none_is_left, jobs_left_alone
    from hybrid_parsl.errors import JobsLeftError
    from hybrid_parsl.quantum.qpu_control import check_no_qpu_job_is_left, open_qpu_jobs

    say_aside("\n".join([f"{how}: {_what_is_left(run)}", *getattr(error, "__notes__", [])]))
    if getattr(error, "leaves_jobs", False):
        for record in jobs_left_alone(run.directory.path):
            say_aside(f"job {record.job_id or record.name} ({record.backend}) goes on")
        for label in open_qpu_jobs(run.directory.path):
            say_aside(f"{label} goes on")
    try:
        check_none_is_left(run.directory.path)
        check_no_qpu_job_is_left(run.directory.path)
    except JobsLeftError as left:
        say_aside(f"cancel again with: {run_command('cancel', run.directory.path)}")
        return typer.Exit(left.exit_code)
    return typer.Exit(code)


def _longer(run: Run, error: BaseException) -> str:
    """Return the option that gives the next job twice the walltime of one that had too little."""
    from hybrid_parsl.errors import WalltimeExceededError

    if not isinstance(error, WalltimeExceededError):
        return ""
    settings: Any = run.site.settings()
    retries = "set resources.retries in the experiment to continue in further jobs automatically"
    if not hasattr(settings, "walltime"):
        return f"\n{retries}"
    given = settings.walltime
    seconds = given.total_seconds() if given else run.experiment.resources.walltime_s
    return f" --site-set walltime={2 * seconds:.0f}s\n{retries}"


def _what_is_left(run: Run) -> str:
    """Return where a run that did not finish is, and what can be done with it.

    Of a study, also how its points ended.
    """
    from hybrid_parsl.cli.summary import summary_rows

    folder = run.directory.path
    rows = summary_rows(run.directory.read_results()) if run.points else []
    left = f"what was finished is in {folder}; resume with: {resume_command(folder)}"
    return "\n".join([*(f"{name}: {value}" for name, value in rows), left])


__all__ = ["execute", "load_experiment", "run"]
