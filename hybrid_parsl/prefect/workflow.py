"""The workflow of a project as a Prefect flow: each of its apps is a task."""

from __future__ import annotations

import contextlib
import contextvars
import inspect
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import flow, get_run_logger, runtime, task
from prefect.exceptions import UnfinishedRun
from pydantic import BaseModel

from hybrid_parsl import labels
from hybrid_parsl.errors import NotStartedError
from hybrid_parsl.optimize.progress import SearchProgress
from hybrid_parsl.ownership import is_own
from hybrid_parsl.prefect.report import publish_report
from hybrid_parsl.prefect.task_runner import SessionTaskRunner
from hybrid_parsl.project import find_project
from hybrid_parsl.records.models import read_record
from hybrid_parsl.records.run_directory import RunDirectory
from hybrid_parsl.run_control import reopen
from hybrid_parsl.run_plan import plan_run
from hybrid_parsl.runner import Run
from hybrid_parsl.tasks.folder import TaskFolder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hybrid_parsl.engine.session import Session
    from hybrid_parsl.engine.workflow_calls import Call
    from hybrid_parsl.runner import Begin
    from hybrid_parsl.stage_function import StageFunction

_RECORD = "prefect.json"
_RETRY_DELAY_S = 10


@flow(name="hybrid-workflow", flow_run_name="{experiment} on {site}")  # type: ignore[untyped-decorator]
def hybrid_workflow(
    experiment: str = "maxcut",
    site: str = "local",
    overrides: list[str] | None = None,
    site_settings: list[str] | None = None,
    project: str | None = None,
    runs_dir: str = "runs",
    stage_retries: int = 2,
    cache: bool = False,  # noqa: FBT001, FBT002 - a parameter of a deployment
) -> dict[str, Any]:
    """Search the parameters, run the circuit, analyse it; return the content of results.json.

    The run leaves the same folder as ``hybrid-parsl run``, and its report as an artifact. A flow
    run that is tried again goes on in its folder.

    Parameters
    ----------
    experiment
        A TOML file, or the name of one of the project's experiments.
    site
        A site of the project, or the path of a site file.
    overrides
        Keys of the experiment that are replaced, as key=value.
    site_settings
        Settings of the site, as key=value.
    project
        The project folder; found as the command line finds it if None.
    runs_dir
        The folder of all runs.
    stage_retries
        How often a stage is tried again after an error that may be gone later.
    cache
        Whether to reuse results of earlier runs in `runs_dir`.

    Raises
    ------
    HybridParslError
        What went wrong first.
    """
    folder = Path(project) if project else None
    run = _earlier_run(Path(runs_dir), folder, site_settings or [])
    if run is None:
        run = _new_run(experiment, site, overrides, site_settings, folder, Path(runs_dir))
        run.cache = cache
    run.opening = partial(_tasks, stage_retries=stage_retries)
    run.on_failure = "drain" if run.points else "fail-fast"  # a point does not stop the others
    try:
        document = run.execute(_RunLog(run))
    except BaseException:  # a cancelled flow run is terminated: Prefect's exception is no Exception
        try:
            publish_report(run.directory)
        except Exception as second:  # noqa: BLE001 - the first error is the one to report
            get_run_logger().warning("the report is not published: %s", second)
        raise
    publish_report(run.directory)
    return document


class _FlowRun(BaseModel):
    """Which flow run a run belongs to, in its file `_RECORD`."""

    flow_run_id: str


def _new_run(
    experiment: str,
    site: str,
    overrides: list[str] | None,
    site_settings: list[str] | None,
    project: Path | None,
    runs: Path,
) -> Run:
    """Return a run that has not begun, with a folder that knows its flow run."""
    plan = plan_run(
        experiment, site, find_project(project), overrides or (), site_settings or (), runs
    )
    directory = RunDirectory.create(runs, plan.experiment.name)
    flow_run = {"flow_run_id": str(runtime.flow_run.id), "flow_run_name": runtime.flow_run.name}
    directory.write_json(_RECORD, flow_run)
    return Run(plan.experiment, plan.project, plan.site, directory, points=plan.points)


def _earlier_run(runs: Path, project: Path | None, site_settings: list[str]) -> Run | None:
    """Return the run that an earlier try of this flow run has begun, or None."""
    if runtime.flow_run.run_count < 2:  # noqa: PLR2004 - counted from 1
        return None
    for record in runs.glob(f"*/{_RECORD}"):
        if not is_own(record.parent):
            continue
        known = read_record(record, _FlowRun)
        begun = (record.parent / "experiment.toml").exists()
        if begun and known["flow_run_id"] == str(runtime.flow_run.id):
            return reopen(RunDirectory.own(record.parent), project, site_settings)
    return None


@contextlib.contextmanager
def _tasks(session: Session, *, stage_retries: int) -> Iterator[Begin]:
    """Give what turns a call of an app into a Prefect task in `session`."""
    with SessionTaskRunner(session) as runner:
        futures: dict[Future[Any], Any] = {}
        flow_run = contextvars.copy_context()  # the workflow is called in a thread of its own

        def begin(call: Call, function: StageFunction) -> Future[Any]:
            bound = inspect.signature(function).bind(*call.arguments, **call.keywords)
            parameters = _replaced(dict(bound.arguments), futures)
            asked = _task_for(call, function, stage_retries)
            future = flow_run.copy().run(runner.begin, asked, parameters, function)
            outcome = _outcome(future, call.name)
            futures[outcome] = future
            return outcome

        try:
            yield begin
        except BaseException:
            runner.stop()
            raise


def _task_for(call: Call, function: StageFunction, retries: int) -> Any:
    """Return the Prefect task of a call."""
    label = call.label or labels.ANALYSIS
    return task(
        function.function,
        name=call.name,
        task_run_name=call.name,
        tags=[label, *(f"{key}={value}" for key, value in call.resources.items() if value)],
        retries=retries,
        retry_delay_seconds=_RETRY_DELAY_S,
        retry_condition_fn=_may_succeed_later,
    )


def _replaced(value: Any, futures: Mapping[Future[Any], Any]) -> Any:
    """Return `value` with the outcomes of tasks in it replaced by their Prefect futures."""
    if isinstance(value, Future):
        return futures.get(value, value)
    if type(value) is dict:
        return {key: _replaced(each, futures) for key, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_replaced(each, futures) for each in value)
    return value


def _may_succeed_later(task: Any, task_run: Any, state: Any) -> bool:  # noqa: ARG001 - Prefect's call
    """Return whether the error in a failed state says that trying again may help."""
    error = state.result(raise_on_failure=False)
    return bool(getattr(error, "retryable", False))


def _outcome(future: Any, name: str) -> Future[Any]:
    """Return the future of the result of the task `name`, not of its state.

    A task that waits for one that has failed never leaves the state PENDING.
    """
    outcome: Future[Any] = Future()

    def resolve(ended: Future[Any]) -> None:
        try:
            found = ended.result().result(raise_on_failure=False)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the outcome
            found = error
        if isinstance(found, UnfinishedRun):
            outcome.set_exception(NotStartedError(name))
        elif isinstance(found, BaseException):
            outcome.set_exception(found)
        else:
            outcome.set_result(found)

    future.wrapped_future.add_done_callback(resolve)
    return outcome


class _RunLog:
    """Logs the progress of the run to the log of the flow run.

    Parameters
    ----------
    run
        The run.
    """

    interval_s = 30.0

    def __init__(self, run: Run) -> None:
        self._log = get_run_logger()
        self._folder = run.directory.path / "tasks"
        self._searches: dict[str, SearchProgress] = {}
        self._running: set[str] = set()
        self._log.info("Run %s on site %s", run.directory.path, run.site.name)

    def stage_added(self, name: str, task: Mapping[str, Any]) -> None:
        """Note whether the progress of a task can be followed."""
        if total := task.get("total"):
            self._searches[name] = SearchProgress(self._folder / name, total)

    def stage_started(self, name: str) -> None:
        """Log that a task has begun."""
        self._running.add(name)
        self._log.info("%s: started", name)

    def stage_finished(self, name: str, duration_s: float) -> None:
        """Log that a task has returned its result."""
        self._running.discard(name)
        self._log.info("%s: finished in %.2f s", name, duration_s)

    def stage_reused(self, name: str, run: str) -> None:
        """Log that the result of a task comes from an earlier run."""
        self._running.discard(name)
        self._log.info("%s: reused from run %s", name, run)

    def stage_failed(self, name: str, reason: str) -> None:
        """Log that a task has failed."""
        self._running.discard(name)
        self._log.error("%s: failed: %s", name, reason)

    def tick(self) -> None:
        """Log how far the tasks have come."""
        for name in self._running:
            if text := self._progress(name):
                self._log.info("%s: %s", name, text)

    def _progress(self, name: str) -> str:
        """Return how far a task has come, nothing if that is not known."""
        search = self._searches.get(name)
        if search is None:
            return TaskFolder(self._folder / name).progress_line()
        search.update()
        return search.words() if search.n_done else ""
