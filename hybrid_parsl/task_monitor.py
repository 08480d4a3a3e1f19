"""Follows the tasks of a workflow and writes down what becomes of each."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections import defaultdict
from concurrent.futures import CancelledError
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic_core import to_json

from hybrid_parsl.engine.jobs.record import JobRecord, record_of_task
from hybrid_parsl.engine.session import first_cause
from hybrid_parsl.engine.stage_errors import stage_error, workflow_error
from hybrid_parsl.engine.workflow_calls import futures_in
from hybrid_parsl.errors import StorageError
from hybrid_parsl.messages import shown
from hybrid_parsl.records.run_directory import now, written
from hybrid_parsl.report.plain_svg import plain_svg
from hybrid_parsl.report.sections import DEFAULT_TABLES
from hybrid_parsl.result_view import shown_result, type_name
from hybrid_parsl.results import execution_of
from hybrid_parsl.stage_function import SEARCH
from hybrid_parsl.tasks.folder import TaskFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from hybrid_parsl.engine.workflow_calls import Call, CallRecorder
    from hybrid_parsl.errors import HybridParslError
    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.records.run_directory import RunDirectory
    from hybrid_parsl.run_observer import RunObserver
    from hybrid_parsl.study_workflow import Study
    from hybrid_parsl.workflow import Workflow

logger = logging.getLogger(__name__)
_POLL_S = 0.05
_WRITING_SHARE = 10  # times as long as the last one took is there until the next
_MOST_NOTES = 10
_UNSAFE = re.compile(r"[^\w.=+-]")
_LONGEST_NAME = 64
_DECLARED = re.compile(r"<[?!]|<style|<metadata")
_SIGN_OF_LIFE_S = 10.0
_PATIENCE_S = 10.0


class WorkflowThread(threading.Thread):
    """Calls a workflow, which may wait for results, beside the thread that follows its tasks.

    Parameters
    ----------
    workflow, experiment
        The call.

    Attributes
    ----------
    error
        What it raised.
    returned
        The futures that it has returned, alone or in lists, tuples and dicts.
    """

    def __init__(self, workflow: Workflow | Study, experiment: Experiment) -> None:
        super().__init__(name=f"workflow {workflow.name}", daemon=True)
        self._workflow = workflow
        self._experiment = experiment
        self.error: BaseException | None = None
        self.returned: list[Future[Any]] = []

    def run(self) -> None:
        """Call the workflow."""
        try:
            self.returned = futures_in(self._workflow(self._experiment))
        except BaseException as error:  # noqa: BLE001 - reported by the other thread
            self.error = error


class TaskMonitor:
    """Follows the calls of a workflow until all of them have ended.

    Parameters
    ----------
    directory, document
        The run, and the content of its ``results.json``, which is kept up to date.
    recorder
        Knows the calls.
    observer
        Is notified.
    top_level
        Whether each result is also a table of the document, as in the default workflow.
    on_failure
        Called when a task has failed; may raise to end the run at once.
    on_result
        Called after each result.
    origins
        The runs whose results are reused, by the name of the task that did not have to run.
    refresh
        Called before the document is written, to bring up to date what depends on the calls.
    """

    def __init__(
        self,
        directory: RunDirectory,
        document: dict[str, Any],
        recorder: CallRecorder,
        observer: RunObserver,
        *,
        top_level: bool,
        on_failure: Callable[[HybridParslError], None],
        on_result: Callable[[], None],
        origins: Mapping[str, str] = MappingProxyType({}),
        refresh: Callable[[], None] = lambda: None,
    ) -> None:
        self._directory = directory
        self._document = document
        self._recorder = recorder
        self._observer = observer
        self._top_level = top_level
        self._on_failure = on_failure
        self._on_result = on_result
        self._origins = origins
        self._refresh = refresh
        self._known: dict[Call, str] = {}
        self._n_open = 0
        self._followers: dict[Call, list[Call]] = defaultdict(list)
        self._stages: dict[str, dict[str, Any]] = {
            stage["name"]: stage for stage in document["stages"]
        }
        self._events: list[dict[str, Any]] = []
        self._without_job_id: list[str] = []
        self._unwritten = False
        self._next_write = 0.0
        self._failed: list[tuple[Call, HybridParslError]] = []

    def follow(self, thread: WorkflowThread) -> None:
        """Return when the workflow has returned and all of its calls have ended.

        Raises
        ------
        HybridParslError
            What failed first; a note names everything else that failed.
        """
        try:
            self._follow(thread)
        finally:
            names, self._without_job_id = self._without_job_id, []
            for name in names:
                if (job := self._job_of(name)) is not None:
                    self._keep_job(name, job)
            self._write()
        self._raise_failure(thread)
        self._forget_others()

    def _follow(self, thread: WorkflowThread) -> None:
        """Return when all calls have ended."""
        interval_s = min(self._observer.interval_s, _SIGN_OF_LIFE_S)
        last_tick = last_sign = time.monotonic()
        while True:
            is_over = not thread.is_alive()
            if is_over:
                self._recorder.forget_shared()
            try:
                self._update(*self._recorder.news())
            finally:
                self._write_events()
            if is_over and not self._n_open:
                break
            here = time.monotonic()
            if here - last_sign >= _SIGN_OF_LIFE_S:
                self._directory.give_sign_of_life()
                last_sign = here
            if here - last_tick >= interval_s:
                self._observer.tick()
                last_tick = here
            if is_over:
                self._recorder.wait_for_news(max(interval_s - (here - last_tick), _POLL_S))
            else:
                time.sleep(_POLL_S)

    def _forget_others(self) -> None:
        """Drop what an earlier driver noted of tasks that the workflow does not call any more."""
        names = {call.name for call in self._known}
        tasks = self._document["tasks"]
        for name in [each for each in tasks if each not in names]:
            del tasks[name]
        stages = self._document["stages"]
        stages[:] = [stage for stage in stages if stage["name"] in names]

    def _raise_failure(self, thread: WorkflowThread) -> None:
        """Raise what failed first, if anything failed."""
        errors = [error for _, error in self._failed]
        causes = [first_cause(call.error) for call in self._known if call.error is not None]
        errors += [
            workflow_error(thread.name, raised)
            for raised in (thread.error, *map(_failure, thread.returned))
            if raised is not None and not any(first_cause(raised) is each for each in causes)
        ]
        if not errors:  # a task that did not start is named only if nothing else failed
            unstarted = ((call.name, call.error) for call in self._known)
            errors = [stage_error(name, error) for name, error in unstarted if error is not None][
                :1
            ]
        if not errors:
            return
        first, *others = errors
        for (call, _), error in zip(self._failed[1 : 1 + _MOST_NOTES], others, strict=False):
            first.add_note(f"also failed: {call.name}: {str(error).partition(chr(10))[0]}")
        if (n_more := len(others) - _MOST_NOTES) > 0:
            first.add_note(f"also failed: {n_more} more, see status")
        raise first

    def _update(self, made: Sequence[Call], ended: Sequence[Call]) -> None:
        """Write down what has changed since the last time."""
        self._n_open += len(made) - len(ended)
        for call in made:
            if call.label is None:
                self._known[call] = "join"
            else:
                self._add(call)
        candidates = list(made)
        for call in sorted(ended, key=lambda each: (each.ended, each.number)):
            self._end(call)
            candidates += self._followers.pop(call, [])
        for call in candidates:
            if self._known[call] == "waiting" and call.ended is None:
                self._start_if_ready(call)
        if time.monotonic() >= self._next_write:
            self._write()

    def _start_if_ready(self, call: Call) -> None:
        """Write down that a call has started, or look at it again when what it lacks has ended."""
        lacking = next((each for each in call.after if not each.succeeded), None)
        if lacking is None:
            self._start(call)
        else:
            self._followers[lacking].append(call)

    def _write(self) -> None:
        """Write what has changed; a large document not so often that it takes all the time."""
        if not self._unwritten:
            return
        begun = time.monotonic()
        self._refresh()
        try:
            self._directory.write_results(self._document)
        except StorageError:
            if not self._failed:  # else the first failure is what counts
                raise
        self._unwritten = False
        self._next_write = time.monotonic() + _WRITING_SHARE * (time.monotonic() - begun)

    def _note(self, kind: str, name: str, **values: Any) -> None:
        """Note what has happened to a task; it is written with what else happens now."""
        self._events.append({"time": now(), "event": kind, "stage": name, **values})

    def _write_events(self) -> None:
        """Write what has been noted."""
        if not self._events:
            return
        events, self._events = self._events, []
        try:
            self._directory.write_events(events)
        except StorageError:
            if not self._failed:  # else the first failure is what counts
                raise

    def _add(self, call: Call) -> None:
        """Write down a new call."""
        self._known[call] = "waiting"
        tasks = self._document["tasks"]
        tasks[call.name] = {
            **tasks.get(call.name, {}),
            "function": call.function,
            "label": call.label,
            "after": [each.name for each in call.after],
            "status": "waiting",
            **_total(call),
        }
        self._unwritten = True
        self._observer.stage_added(call.name, tasks[call.name])

    def _start(self, call: Call) -> None:
        """Write down that a call has all it takes."""
        self._known[call] = "running"
        self._stage(call.name)
        if call.name not in self._origins:
            self._observer.stage_started(call.name)

    def _end(self, call: Call) -> None:
        """Write down how a call ended."""
        before = self._known[call]
        error = call.error
        self._known[call] = "completed" if error is None else "failed"
        if before == "join" and (error is None or self._failed):
            return
        if error is None:
            if before == "waiting":
                self._start(call)
                self._known[call] = "completed"
            self._finish(call)
            call.release()
            self._on_result()
        elif call.is_consequence:
            self._known[call] = "not started"
            if before != "join":
                self._document["tasks"][call.name]["status"] = "not started"
        else:
            self._fail(call, error)

    def _finish(self, call: Call) -> None:
        """Keep a result."""
        name, task, stage = call.name, self._document["tasks"][call.name], self._stage(call.name)
        result = call.future.result()
        found = plain(result)
        origin = self._origins.get(name)
        ended = _ended(call, found if origin is None else None)
        figures, view = self._keep_figures(name, result), _view(name, result)
        task["status"] = "completed"
        kept = task.get("result"), task.pop("view", {})
        task |= {"view": view} if view else {}
        if stage["status"] == "running" or (found, view) != kept:
            job = self._job_of(name)
            reused = {} if origin is None else {"reused_from": origin}
            for table in (stage, task):
                table.pop("reused_from", None)
                table |= {**ended, **reused}
            stage["started"] = min(stage["started"], ended["finished"])
            task |= {"started": stage["started"], "type": type_name(type(result))}
            if job is not None:
                self._keep_job(name, job)
            task |= {"figures": figures} if figures else {}
            task["result"] = found
            if self._top_level and DEFAULT_TABLES.get(task["type"]) == name:
                self._document[name] = found
            self._unwritten = True
            details = {"duration_s": ended["duration_s"], **reused}
            self._note("stage finished", name, **details)
        if (origin := task.get("reused_from")) is not None:
            self._observer.stage_reused(name, origin)
        else:
            self._observer.stage_finished(name, stage.get("duration_s", ended["duration_s"]))

    def _keep_job(self, name: str, job: JobRecord) -> None:
        """Write down the id of a task's job, at the end of the run if it is not known before."""
        if job.job_id:
            self._document["tasks"][name]["job"] = job.job_id
            self._unwritten = True
        else:  # a result may be there before the backend's answer to the submission
            self._without_job_id.append(name)

    def _job_of(self, name: str) -> JobRecord | None:
        """Return the record of the job that carried out a task, None if there was no job."""
        folder = TaskFolder(self._directory.path / "tasks" / name)
        return JobRecord.read(record_of_task(folder)) if folder.path.is_dir() else None

    def _keep_figures(self, name: str, result: Any) -> dict[str, str]:
        """Write the figures of a result; return the names of their files by their own.

        The first task has the plain names, unless there is one that is named as in the default
        workflow.
        """
        figures = _figures(result)
        if not figures:
            return {}
        is_main = DEFAULT_TABLES.get(type_name(type(result))) == name
        others = {
            file: task
            for task, table in self._document["tasks"].items()
            if task != name
            for file in table.get("figures", {}).values()
        }
        files: dict[str, str] = {}
        for figure, svg in figures.items():
            plain_name = _UNSAFE.sub("_", figure).lstrip(".")[:_LONGEST_NAME] or "figure"
            if is_main and plain_name in others:
                self._rename_figure(others.pop(plain_name), plain_name)
            is_free = plain_name not in others and plain_name not in files.values()
            files[figure] = plain_name if is_free else f"{name}.{plain_name}"
            text = plain_svg(svg) if _DECLARED.search(svg) else svg
            self._directory.write(f"figures/{files[figure]}.svg", text)
        return files

    def _rename_figure(self, task: str, plain_name: str) -> None:
        """Give a figure that has a plain name the name of its task as well."""
        figures = self._document["tasks"][task]["figures"]
        figure = next(each for each, file in figures.items() if file == plain_name)
        figures[figure] = f"{task}.{plain_name}"
        folder = self._directory.path / "figures"
        try:
            (folder / f"{plain_name}.svg").rename(folder / f"{figures[figure]}.svg")
        except OSError as error:
            path = str(folder / f"{plain_name}.svg")
            raise StorageError(path, error.strerror or str(error)) from error

    def _fail(self, call: Call, error: BaseException) -> None:
        """Write down a failure."""
        failure = stage_error(call.name, error)
        self._failed.append((call, failure))
        if call.label is not None:
            status = "failed" if isinstance(error, Exception) else "interrupted"
            ended = {"finished": now(), "status": status}
            reason = {"type": type(failure).__name__, "message": str(failure)}
            self._stage(call.name).update(ended)
            task = self._document["tasks"][call.name]
            for key in ("result", "view", "figures", "type", "duration_s", "reused_from"):
                task.pop(key, None)
            task |= {**ended, "error": reason}
            self._note(f"stage {status}", call.name, error=str(error))
            self._unwritten = True
            self._observer.stage_failed(call.name, str(failure).partition("\n")[0])
        self._on_failure(failure)

    def _stage(self, name: str) -> dict[str, Any]:
        """Return the record of a stage that has begun: an earlier driver's, or a new one."""
        if (known := self._stages.get(name)) is not None:
            return known
        stage = {"name": name, "started": now(), "status": "running"}
        self._stages[name] = stage
        self._document["stages"].append(stage)
        self._document["tasks"][name] |= {"started": stage["started"], "status": "running"}
        self._unwritten = True
        self._note("stage started", name)
        return stage


def _failure(future: Future[Any]) -> BaseException | None:
    """Return what a future that a workflow has returned failed with, all calls having ended.

    It may be one of Parsl's own, of a part of a result, which ends just after the call.
    """
    try:
        return future.exception(_PATIENCE_S)
    except (CancelledError, TimeoutError):
        return None


def _ended(call: Call, result: Any) -> dict[str, Any]:
    """Return what is written down of a call that has ended: when, and how long and where it ran.

    Parameters
    ----------
    call
        The call.
    result
        What it gave, as JSON has it; None if that was computed by another run.
    """
    execution = execution_of(result)
    at = call.ended or call.invoked  # it has ended
    took_s = round((at - (call.began or call.invoked)).total_seconds(), 3)
    return {
        "finished": written(at.timestamp()),
        "status": "completed",
        "duration_s": execution.duration_s if execution else took_s,
        "host": ", ".join(execution.hosts) if execution else "",
    }


def plain(value: Any) -> Any:
    """Return `value` as JSON has it; what JSON cannot hold is a text that describes it.

    Numbers that are not finite are null, arrays are lists, figures are left out.
    """
    if isinstance(value, dict) and _figures(value):
        value = {key: each for key, each in value.items() if key != "figures"}
    try:
        if isinstance(value, BaseModel):
            return json.loads(value.model_dump_json(exclude={"figures"}, fallback=_fallback))
        text = to_json(value, inf_nan_mode="null", bytes_mode="base64", fallback=_fallback)
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return shown(value)


def _fallback(value: Any) -> Any:
    """Return what stands in JSON for a value of another kind: an array's list, else its text."""
    if type(value).__module__ == "numpy":
        return value.tolist()
    return repr(value)


def _figures(result: Any) -> dict[str, str]:
    """Return the figures of a result, SVG text by name."""
    if isinstance(result, BaseModel):
        found = dict(result).get("figures")
    else:
        found = result.get("figures") if isinstance(result, dict) else None
    if isinstance(found, dict) and all(
        isinstance(each, str) for item in found.items() for each in item
    ):
        return found
    return {}


def _view(name: str, result: Any) -> dict[str, Any]:
    """Return what the type of a result wants to be shown of it; nothing if it fails to."""
    try:
        return shown_result(result)
    except Exception as error:  # noqa: BLE001 - whatever a third party's method raises
        reason = " ".join(str(error).split())
        logger.warning("%s: is shown as any result: %s: %s", name, type(error).__name__, reason)
        return {}


def _total(call: Call) -> dict[str, int]:
    """Return how many parts a task has, where its progress can be followed."""
    if call.function != SEARCH or not call.arguments:
        return {}
    return {"total": call.arguments[0].search.starts}
