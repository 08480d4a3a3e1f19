"""``hybrid-parsl resume``: resume a run whose driver has ended."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from hybrid_parsl.cli.context import DEFAULT_RUNS_DIRECTORY
from hybrid_parsl.cli.detached import Detach, drive_detached
from hybrid_parsl.cli.options import (
    AsJson,
    Cache,
    FailFast,
    KeepGoing,
    Quiet,
    RunName,
    RunsDirectory,
    SiteAssignments,
    failure_policy,
)
from hybrid_parsl.cli.output import say, say_aside
from hybrid_parsl.cli.runs import find_run


def resume(
    context: typer.Context,
    name: RunName = "latest",
    runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY,
    site_settings: SiteAssignments = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
    detach: Detach = False,
    keep_going: KeepGoing = False,
    fail_fast: FailFast = False,
    cache: Cache = None,
) -> None:
    """Go on with a run that was interrupted, was killed, or failed."""
    from hybrid_parsl.cli.run import execute
    from hybrid_parsl.cli.summary import print_summary
    from hybrid_parsl.run_control import has_other_problem, reopen, results_of

    on_failure = failure_policy(keep_going=keep_going, fail_fast=fail_fast)
    folder = context.obj.project_folder
    directory = find_run(runs_dir, name)
    document = results_of(directory)
    if document["run"]["status"] != "completed":
        run = reopen(directory, Path(folder) if folder else None, site_settings or [])
        if has_other_problem(run):
            kind, method = run.experiment.problem.kind, run.experiment.search.method
            own = " or ".join(each for each in (kind, method) if ":" in each) or kind
            what = "a search that is not finished begins anew, finished stages stay as they are"
            say_aside(f"{own} has changed since the run began: {what}")
        if detach:
            project, settings = run.project.folder, site_settings or []
            drive_detached(directory, project, settings, on_failure, as_json=as_json, cache=cache)
            return
        run.on_failure = on_failure
        run.cache = run.cache if cache is None else cache
        document = execute(run, quiet=quiet, as_json=as_json)
    elif not (quiet or as_json):
        print_summary(document)
    if as_json:
        say(json.dumps(document))
