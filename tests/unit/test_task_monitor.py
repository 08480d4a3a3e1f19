from __future__ import annotations

import json
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from parsl import python_app
from pydantic import BaseModel, create_model
from waiting import wait_until

from hybrid_parsl.engine.jobs.record import JobRecord
from hybrid_parsl.engine.workflow_calls import Call, CallRecorder
from hybrid_parsl.errors import ConfigurationError, NotStartedError, StageFailedError
from hybrid_parsl.own_code import OwnCode
from hybrid_parsl.records.run_directory import RESULTS, RunDirectory
from hybrid_parsl.results import Analysis, Execution
from hybrid_parsl.task_monitor import TaskMonitor, WorkflowThread, plain
from hybrid_parsl.workflow import Workflow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

SVG = "<?xml version='1.0'?><!DOCTYPE svg><svg xmlns='http://www.w3.org/2000/svg'/>"


class Point(BaseModel):
    x: float
    figures: dict[str, str] = {}


def point(x: float, *_: Any) -> Point:
    if x < 0:
        raise ValueError("negative")
    return Point(x=x, figures={"map": SVG})


def analysed(energy: float, names: Sequence[str] = ()) -> Analysis:
    execution = Execution(duration_s=1.0, n_ranks=1, hosts=["here"])
    fields = dict.fromkeys(Analysis.model_fields)
    figures = dict.fromkeys(names, f"<svg id='{energy}'/>")
    given = {"energy": energy, "top": [], "figures": figures, "execution": execution}
    return Analysis.model_construct(**{**fields, **given})


app = python_app(point)
analysing = python_app(analysed)


def drawn(names: list[str]) -> dict[str, Any]:
    return {"figures": dict.fromkeys(names, SVG)}


drawing = python_app(drawn)


def told(execution: Any) -> dict[str, Any]:
    return {"execution": execution}


telling = python_app(told)


class Notes:
    """An observer that keeps what it is told."""

    interval_s = 0.05

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.durations: list[float] = []

    def stage_added(self, name: str, task: Any) -> None:
        self.seen.append(f"{name} added {task['status']}")

    def stage_started(self, name: str) -> None:
        self.seen.append(f"{name} started")

    def stage_finished(self, name: str, duration_s: float) -> None:
        self.durations.append(duration_s)
        self.seen.append(f"{name} finished")

    def stage_reused(self, name: str, run: str) -> None:
        self.seen.append(f"{name} reused from {run}")

    def stage_failed(self, name: str, reason: str) -> None:
        self.seen.append(f"{name} failed {reason}")

    def tick(self) -> None:
        """Do nothing."""


def at_once(call: Call, function: Callable[..., Any]) -> Future[Any]:
    """Carry out a call now."""
    future: Future[Any] = Future()
    if any(each.error for each in call.after):
        future.set_exception(NotStartedError(call.name))
        return future
    try:
        future.set_result(function(*call.arguments))
    except ValueError as error:
        future.set_exception(error)
    return future


class Run:
    """A workflow that is followed."""

    def __init__(self, folder: Path) -> None:
        self.directory = RunDirectory(folder)
        self.document: dict[str, Any] = {"run": {"status": "running"}, "stages": [], "tasks": {}}
        self.notes = Notes()
        self.failures: list[Exception] = []
        self.origins: dict[str, str] = {}
        self.refresh: Callable[[], None] = lambda: None

    def follow(self, function: Callable[[], object], *, top_level: bool = False) -> None:
        recorder = CallRecorder(at_once, lambda _: OwnCode(), lambda *_: {}, lambda *_: Future())
        monitor = TaskMonitor(
            self.directory,
            self.document,
            recorder,
            self.notes,
            top_level=top_level,
            on_failure=self.failures.append,
            on_result=lambda: None,
            origins=self.origins,
            refresh=self.refresh,
        )
        workflow = Workflow("mine", lambda _: function(), create_model("mine"))
        table: Any = type("Table", (), {"options": {}})
        thread = WorkflowThread(workflow, type("Asked", (), {"workflow": table})())
        with recorder.installed():
            thread.start()
            monitor.follow(thread)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_results_of_any_workflow_are_written_down(run: Run) -> None:
    run.follow(lambda: app(2.0, app(1.0, task="first"), task="second"))
    tasks = run.directory.read_results()["tasks"]
    assert {name: task["result"] for name, task in tasks.items()} == {
        "first": {"x": 1.0},
        "second": {"x": 2.0},
    }
    assert tasks["second"]["after"] == ["first"]
    assert tasks["first"]["function"] == f"{__name__}:point"
    assert [stage["name"] for stage in run.document["stages"]] == ["first", "second"]
    assert "first" not in run.document
    assert "second finished" in run.notes.seen


def failed_part() -> Future[Any]:
    """Return what Parsl gives for ``result.part`` where the result has no such part."""
    part: Future[Any] = Future()
    part.set_exception(AttributeError("no attribute 'energi'"))
    return part


def test_a_returned_part_of_a_result_that_is_not_there_is_a_failure(run: Run) -> None:
    with pytest.raises(StageFailedError, match="AttributeError: no attribute 'energi'"):
        run.follow(lambda: {"energy": [app(1.0), failed_part()]})


def test_a_failed_task_that_is_also_returned_is_named_once(run: Run) -> None:
    with pytest.raises(StageFailedError, match="negative") as caught:
        run.follow(lambda: (app(-1.0), app(1.0)))
    assert caught.value.__notes__ == ["stage: point"]


def test_a_returned_future_that_was_cancelled_is_no_failure(run: Run) -> None:
    cancelled: Future[Any] = Future()
    cancelled.cancel()
    run.follow(lambda: cancelled)


def test_what_depends_on_the_calls_is_in_every_document_that_is_written(run: Run) -> None:
    def note_tasks() -> None:
        run.document["noted"] = list(run.document["tasks"])

    seen = []
    run.refresh = note_tasks
    write = RunDirectory.write_results

    class Directory(RunDirectory):
        def write_results(self, document: Any) -> None:
            seen.append(document["noted"] == list(document["tasks"]))
            write(self, document)

    run.directory = Directory(run.directory.path)
    run.follow(lambda: app(2.0, app(1.0)))
    assert seen
    assert all(seen)


def test_the_id_of_a_job_may_be_known_after_its_result(run: Run) -> None:
    folder = run.directory.path / "tasks" / "point"
    folder.mkdir(parents=True)
    record = JobRecord("slurm", "name", "here", 1.0).write(folder / "job.json")

    def names_job_later() -> None:
        app(1.0)
        wait_until(lambda: "point finished" in run.notes.seen)
        assert "job" not in run.document["tasks"]["point"]
        replace(record, job_id="17").write(folder / "job.json")

    run.follow(names_job_later)
    assert run.directory.read_results()["tasks"]["point"]["job"] == "17"


def test_a_result_of_an_earlier_driver_took_as_long_as_it_did_then(run: Run) -> None:
    run.follow(lambda: app(1.0))
    run.document["stages"][0]["duration_s"] = 60.0
    run.follow(lambda: app(1.0))
    assert run.notes.durations[1] == 60.0
    run.follow(lambda: app(2.0))
    assert run.notes.durations[2] < 60.0


@pytest.mark.parametrize("execution", ["by hand", {"duration_s": 3.0}, {"hosts": "a"}, []])
def test_a_result_may_have_a_key_of_its_own_called_execution(run: Run, execution: Any) -> None:
    run.follow(lambda: telling(execution))
    assert run.document["tasks"]["told"]["result"] == {"execution": execution}
    assert run.document["tasks"]["told"]["host"] == ""


def test_figures_of_one_name_do_not_overwrite_each_other(run: Run) -> None:
    run.follow(lambda: (app(1.0, task="a"), app(2.0, task="b")))
    files = [run.document["tasks"][name]["figures"]["map"] for name in "ab"]
    assert files == ["map", "b.map"]
    assert set(run.directory.read_figures()) == set(files)
    assert run.directory.read_figures()["map"].startswith("<svg")


def test_the_task_named_as_in_the_default_workflow_has_the_plain_names(run: Run) -> None:
    def analyses() -> None:
        for energy, task in ((-1.0, "analysis-before"), (-2.0, "analysis"), (-3.0, "analysis-p3")):
            analysing(energy, ["map"], task=task)

    for _ in ("run", "resumed"):
        run.follow(analyses)
        tasks, kept = run.document["tasks"], run.directory.read_figures()
        files = {name: task["figures"]["map"] for name, task in tasks.items()}
        assert files == {
            "analysis-before": "analysis-before.map",
            "analysis": "map",
            "analysis-p3": "analysis-p3.map",
        }
        assert {file: text.partition(" ")[2] for file, text in kept.items()} == {
            "analysis-before.map": "id='-1.0'/>",
            "map": "id='-2.0'/>",
            "analysis-p3.map": "id='-3.0'/>",
        }


def test_the_default_workflow_has_its_results_at_the_top(run: Run) -> None:
    run.follow(lambda: (analysing(1.0, task="analysis"), app(1.0, task="search")), top_level=True)
    document = json.loads((run.directory.path / RESULTS).read_text())
    assert document["analysis"]["energy"] == 1.0
    assert "search" not in document  # no result of a search


def test_a_failure_names_its_task_and_all_others_that_failed(run: Run) -> None:
    with pytest.raises(StageFailedError) as caught:
        run.follow(lambda: (app(-1.0), app(-2.0), app(1.0, task="well"), app(1.0, app(-3.0))))
    assert caught.value.stage == "point"
    notes = "\n".join(caught.value.__notes__)
    assert "also failed: point-2: point-2 raised ValueError: negative" in notes
    assert len(run.failures) == 3
    statuses = {name: task["status"] for name, task in run.document["tasks"].items()}
    assert statuses == {
        "point": "failed",
        "point-2": "failed",
        "well": "completed",
        "point-3": "failed",
        "point-4": "not started",
    }


def test_a_workflow_that_fails_itself(run: Run) -> None:
    with pytest.raises(StageFailedError, match="workflow mine raised ZeroDivisionError"):
        run.follow(lambda: app(1 / 0))
    with pytest.raises(ConfigurationError):
        run.follow(lambda: app(1.0, task="no/name"))


def test_a_workflow_that_waits_for_a_failed_task_fails_once(run: Run) -> None:
    with pytest.raises(StageFailedError) as caught:
        run.follow(lambda: app(-1.0).result())
    assert caught.value.stage == "point"
    assert not any("also failed" in note for note in caught.value.__notes__)


def test_what_results_are_in_json() -> None:
    assert plain({"a": np.arange(2), "b": float("nan"), "c": (1, {2})}) == {
        "a": [0, 1],
        "b": None,
        "c": [1, [2]],
    }
    assert plain({"x": 1, "figures": {"map": SVG}}) == {"x": 1}
    assert plain(Point(x=1.0, figures={"map": SVG})) == {"x": 1.0}
    assert plain(object).startswith("<class")


@pytest.mark.parametrize("value", [b"\xff\x89PNG", "\ud800", {frozenset([1]): 2}, float("inf")])
def test_what_json_cannot_hold_ends_no_run(value: object) -> None:
    json.dumps(plain(value), allow_nan=False)
    json.dumps(plain({"x": value}), allow_nan=False)


def test_the_name_of_a_figure_is_no_path(run: Run) -> None:
    run.follow(lambda: drawing(["p=1/2", "../../up", "x" * 300]))
    names = set(run.directory.read_figures())
    assert names == {"p=1_2", "_.._up", "x" * 64}
    assert {path.name for path in run.directory.path.iterdir()} == {
        "figures",
        "events.jsonl",
        RESULTS,
    }


def test_tasks_that_a_changed_workflow_does_not_call_are_forgotten(run: Run) -> None:
    run.follow(lambda: (app(1.0, task="a"), app(2.0, task="b")))
    run.follow(lambda: app(3.0, task="b"))
    assert set(run.document["tasks"]) == {"b"}
    assert [stage["name"] for stage in run.document["stages"]] == ["b"]
    assert run.document["tasks"]["b"]["result"] == {"x": 3.0}
    with pytest.raises(StageFailedError):
        run.follow(lambda: app(-1.0, task="b"))
    assert "result" not in run.document["tasks"]["b"]


def test_a_reused_result_names_its_run(run: Run) -> None:
    run.origins["analysis"] = "0-bell"
    run.follow(lambda: (analysing(2.0, task="analysis"), app(1.0)), top_level=True)
    tables = run.document["tasks"]["analysis"], run.document["stages"][0]
    assert [table["reused_from"] for table in tables] == ["0-bell"] * 2
    assert [table["host"] for table in tables] == [""] * 2
    assert all(table["started"] <= table["finished"] for table in tables)
    assert all(table["duration_s"] < 1 for table in tables)
    assert run.document["analysis"]["execution"]["duration_s"] == 1.0
    assert "reused_from" not in run.document["tasks"]["point"]
    assert "analysis reused from 0-bell" in run.notes.seen
    assert "analysis started" not in run.notes.seen
    assert "analysis finished" not in run.notes.seen


def test_a_later_driver_keeps_the_origin_until_the_result_is_computed_again(run: Run) -> None:
    run.origins["point"] = "0-bell"
    run.follow(lambda: app(1.0))
    run.origins.clear()
    run.notes.seen.clear()
    run.follow(lambda: app(1.0))
    assert run.document["tasks"]["point"]["reused_from"] == "0-bell"
    assert "point reused from 0-bell" in run.notes.seen
    run.follow(lambda: app(2.0))
    assert "reused_from" not in run.document["tasks"]["point"]
    assert "reused_from" not in run.document["stages"][0]
    run.origins["point"] = "0-bell"
    run.follow(lambda: app(3.0))
    with pytest.raises(StageFailedError):
        run.follow(lambda: app(-1.0))
    assert "reused_from" not in run.document["tasks"]["point"]


class Spectrum(BaseModel):
    gap: float

    def summary_lines(self) -> list[tuple[str, float]]:
        return [("gap", 1 / self.gap)]


def spectrum(gap: float) -> Spectrum:
    return Spectrum(gap=gap)


solving = python_app(spectrum)


def test_what_a_type_shows_is_kept_with_the_result(run: Run) -> None:
    run.follow(lambda: (solving(2.0, task="a"), app(1.0, task="b")))
    assert run.document["tasks"]["a"]["view"] == {"summary": [["gap", "0.5"]]}
    assert "view" not in run.document["tasks"]["b"]
    run.follow(lambda: (solving(4.0, task="a"), app(1.0, task="b")))
    assert run.directory.read_results()["tasks"]["a"]["view"] == {"summary": [["gap", "0.25"]]}


def test_a_view_that_fails_ends_no_run(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    run.follow(lambda: solving(2.0, task="a"))
    run.follow(lambda: solving(0.0, task="a"))
    task = run.document["tasks"]["a"]
    assert (task["status"], task["result"]) == ("completed", {"gap": 0.0})
    assert "view" not in task
    assert "a: is shown as any result: ZeroDivisionError: " in caplog.text


def test_an_edited_view_is_shown_anew(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.follow(lambda: solving(2.0, task="a"))
    monkeypatch.setattr(Spectrum, "summary_lines", lambda _: [("the gap", 2.0)])
    run.follow(lambda: solving(2.0, task="a"))
    assert run.directory.read_results()["tasks"]["a"]["view"] == {"summary": [["the gap", "2"]]}
