"""``hybrid-parsl remote``: whole runs on an endpoint of Globus Compute."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from hybrid_parsl.cli.context import DEFAULT_RUNS_DIRECTORY
from hybrid_parsl.cli.options import (
    AsJson,
    ExperimentName,
    Overrides,
    Quiet,
    RunName,
    RunsDirectory,
    SiteAssignments,
)
from hybrid_parsl.cli.output import say, say_aside
from hybrid_parsl.cli.remote_endpoint import endpoint_app
from hybrid_parsl.cli.remote_options import (
    Detach,
    EndpointId,
    FunctionId,
    TemplateValues,
    Timeout,
    read_template_values,
    read_timeout,
)
from hybrid_parsl.cli.remote_progress import Progress
from hybrid_parsl.cli.runs import find_run

if TYPE_CHECKING:
    from pathlib import Path

    from hybrid_parsl.remote.client import ComputeService
    from hybrid_parsl.remote.remote_run import RemoteRun

LEFT = "left"

app = typer.Typer(
    name="remote",
    help="Whole runs on an endpoint of Globus Compute.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(endpoint_app)


@app.command()
def run(
    context: typer.Context,
    experiment: ExperimentName,
    endpoint: EndpointId,
    site: Annotated[
        str, typer.Option(help="A site of the endpoint's project.", metavar="NAME|PATH")
    ] = "local",
    overrides: Overrides = None,
    site_settings: SiteAssignments = None,
    detach: Detach = False,
    timeout: Timeout = None,
    folder: Annotated[
        str | None,
        typer.Option(
            help="Folder on the endpoint for its runs, such as '$SCRATCH/runs'.",
            metavar="DIR",
            show_default="~/hybrid-parsl-runs",
        ),
    ] = None,
    remote_project: Annotated[
        str | None, typer.Option(help="Project folder on the endpoint.", metavar="DIR")
    ] = None,
    function: FunctionId = None,
    template: TemplateValues = None,
    runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Run an experiment on an endpoint, from start to end."""
    import tomli_w

    from hybrid_parsl.cli.run import load_experiment
    from hybrid_parsl.remote.client import ComputeService, check_id
    from hybrid_parsl.remote.functions import known_function
    from hybrid_parsl.remote.remote_run import begin
    from hybrid_parsl.remote.request import DEFAULT_FOLDER, RunRequest, check_code, check_folder

    limit_s = read_timeout(timeout)
    values = read_template_values(template)
    there = check_folder(DEFAULT_FOLDER if folder is None else folder)
    place = check_id(endpoint, "--endpoint")
    asked = load_experiment(
        experiment, overrides or [], context.obj.project(), is_driven_here=False
    )
    check_code(asked)
    service = ComputeService.connect()
    service.check_online(place)
    called = check_id(function, "--function") if function else known_function(service)
    request = RunRequest(
        key="",
        experiment=tomli_w.dumps(asked.model_dump(mode="json", exclude_none=True)),
        site=site,
        site_settings=site_settings or [],
        folder=there,
        project=remote_project,
    )
    begun = begin(runs_dir, asked.name, request, place, called, values, service)
    _go_on(begun, service, limit_s, detach=detach, quiet=quiet, as_json=as_json)


@app.command()
def attach(
    name: RunName = "latest",
    timeout: Timeout = None,
    runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Wait for a run that is on an endpoint already."""
    from hybrid_parsl.remote.client import ComputeService

    limit_s = read_timeout(timeout)
    there = _find(runs_dir, name)
    if there.finished:
        _show(there, quiet=quiet, as_json=as_json)
        return
    _ = there.task
    _go_on(there, ComputeService.connect(), limit_s, quiet=quiet, as_json=as_json)


@app.command()
def resume(
    name: RunName = "latest",
    detach: Detach = False,
    timeout: Timeout = None,
    runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Let the endpoint resume a run that failed, or whose task it has lost."""
    from hybrid_parsl.remote.client import ComputeService

    limit_s = read_timeout(timeout)
    there = _find(runs_dir, name)
    service = ComputeService.connect()
    service.check_online(there.endpoint)
    submitted = there.submit(service)
    _go_on(submitted, service, limit_s, detach=detach, quiet=quiet, as_json=as_json)


@app.command()
def status(
    name: RunName = "latest",
    runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """Show what the service knows of a run; the endpoint itself is not asked."""
    from hybrid_parsl.remote.service_errors import state_meaning

    there = _find(runs_dir, name)
    state = there.status
    meaning = ""
    if not there.finished and there.submissions:
        from hybrid_parsl.errors import JobFailedError
        from hybrid_parsl.remote.client import ComputeService

        try:
            state = ComputeService.connect().task_state(there.task)
            meaning = state_meaning(state)
        except JobFailedError as error:
            state = f"failed: {error.reason}"
    ids = {key: there.submissions[-1][key] for key in ("task", "task_group") if there.submissions}
    shown = {"run": there.directory.path.name, "state": state, "meaning": meaning}
    shown |= {"endpoint": there.endpoint, **ids}
    if as_json:
        say(json.dumps({**shown, "finished": there.finished, "manifest": there.manifest}))
        return
    for key, value in shown.items():
        if value:
            say(f"{key.replace('_', ' '):<11} {value}")


@app.command()
def fetch(
    name: RunName = "latest",
    timeout: Timeout = "5m",
    runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """Bring what a run has written on the endpoint so far: results.json and report.html."""
    from hybrid_parsl.remote.client import ComputeService

    limit_s = read_timeout(timeout)
    there = _find(runs_dir, name)
    brought = there.collect(ComputeService.connect(), limit_s)
    told = brought.manifest or {}
    if as_json:
        place = {key: told.get(key) for key in ("host", "run_directory", "status")}
        say(json.dumps({**place, "here": brought.brought(), "there": brought.left_there()}))
        return
    folder = told.get("run_directory") or told.get("folder")
    say(f"{brought.status}; folder {folder} on the endpoint, host {told.get('host')}")
    if brought.status == LEFT:
        say(f"its driver died; resume with: hybrid-parsl remote resume {there.directory.path.name}")
    for file in brought.brought():
        say(f"{brought.directory.path / file}")
    for each in brought.left_there():
        say(f"on the endpoint: {each['path']}, {each['bytes']} bytes, sha256 {each['sha256']}")


def _find(runs_dir: Path, name: str) -> RemoteRun:
    """Return the run on an endpoint that `name` names."""
    from hybrid_parsl.remote.remote_run import RemoteRun

    return RemoteRun.read(find_run(runs_dir, name))


def _go_on(
    there: RemoteRun,
    service: ComputeService,
    limit_s: float | None,
    *,
    detach: bool = False,
    quiet: bool = False,
    as_json: bool = False,
) -> None:
    """Wait for a run that was submitted and show it, or say how to find it again."""
    from hybrid_parsl.engine.signals import INTERRUPTED, TerminatedError, terminable

    name = there.directory.path.name
    if detach and as_json:
        ids = there.submissions[-1]
        say(json.dumps({"run": name, "folder": str(there.directory.path), **ids}))
    elif not (quiet or as_json):
        say(f"run {name} on endpoint {there.endpoint}, task {there.task}")
    if detach:
        return
    try:
        with terminable():
            done = there.wait(service, limit_s, None if quiet or as_json else Progress())
    except KeyboardInterrupt:
        code = INTERRUPTED
    except TerminatedError as signal:
        code = signal.exit_code
    else:
        _show(done, quiet=quiet, as_json=as_json)
        return
    say_aside(f"the endpoint goes on; wait again with: hybrid-parsl remote attach {name}")
    raise typer.Exit(code)


def _show(there: RemoteRun, *, quiet: bool, as_json: bool) -> None:
    """Show how a run has ended.

    Raises
    ------
    HybridParslError
        If it did not complete.
    """
    from hybrid_parsl.cli.summary import print_summary
    from hybrid_parsl.records.run_directory import RESULTS

    there.check()
    here = RESULTS in there.brought()
    document = there.directory.read_results() if here else (there.manifest or {})
    if as_json:
        say(json.dumps(document))
    elif not quiet:
        if here:
            print_summary(document)
        say(f"brought to {there.directory.path}: {', '.join(there.brought()) or 'nothing'}")
