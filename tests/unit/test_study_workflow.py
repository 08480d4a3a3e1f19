from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest
from parsl import join_app, python_app
from waiting import PATIENCE_S

from hybrid_parsl.engine.workflow_calls import Call, CallRecorder
from hybrid_parsl.experiment import Experiment
from hybrid_parsl.own_code import OwnCode
from hybrid_parsl.study_points import Point, point_names
from hybrid_parsl.study_workflow import Study
from hybrid_parsl.workflow import Workflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def first(experiment: Experiment) -> Any:
    return experiment


def second(experiment: Experiment, before: Any) -> Any:
    return experiment, before


calling_first = python_app(first, executors=["mpi"])
calling_second = python_app(second)


def points(*layers: int) -> list[Point]:
    base = Experiment.model_validate({"name": "x", "problem": {"kind": "bell"}})
    names = point_names(len(layers))
    return [
        Point(name, {"ansatz.layers": each}, base.model_copy(update={"ansatz.layers": each}))
        for name, each in zip(names, layers, strict=True)
    ]


def study(
    function: Callable[[Experiment], Any], asked: list[Point], *, waits: bool = False
) -> Study:
    return Study(Workflow("own", function, Experiment), asked, waits=waits)


def key_of(function: Any, arguments: Any, _: Any, task_of: Callable[[Any], str | None]) -> str:
    parts = [
        task_of(each) if isinstance(each, Future) else each.ansatz.layers for each in arguments
    ]
    return f"{function.reference} {parts}"


@pytest.fixture(autouse=True)
def bind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Workflow, "bind", lambda *_: {})


@pytest.fixture
def recorder() -> Iterator[CallRecorder]:
    def begin(call: Call, _: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(call.name)
        return future

    def join(function: Any, args: Any, *_: Any) -> Future[Any]:
        thread = threading.Thread(target=function, args=args)
        thread.start()
        thread.join()
        return Future()

    made = CallRecorder(begin, lambda _: OwnCode(), lambda *_: {}, join, key_of)
    with made.installed():
        yield made


def names(recorder: CallRecorder) -> list[str]:
    return [call.name for call in recorder.calls()]


def test_tasks_are_named_after_their_point(recorder: CallRecorder) -> None:
    def chain(experiment: Experiment) -> None:
        calling_second(experiment, calling_first(experiment), task="then")

    asked = study(chain, points(1, 2))
    asked(points(1)[0].experiment)
    assert names(recorder) == ["0.first", "0.then", "1.first", "1.then"]
    rows = asked.table()["points"]
    assert rows[1] == {
        "name": "1",
        "values": {"ansatz.layers": 2},
        "tasks": {"first": "1.first", "then": "1.then"},
        "error": None,
    }


def test_a_point_has_the_tasks_of_an_earlier_driver_until_it_is_called(
    recorder: CallRecorder,
) -> None:
    def chain(experiment: Experiment) -> None:
        calling_first(experiment)
        if experiment.ansatz.layers == 1:
            during.append(tasks_of(asked))

    def tasks_of(which: Study) -> list[dict[str, str]]:
        return [each["tasks"] for each in which.table()["points"]]

    during: list[list[dict[str, str]]] = []
    earlier = {"points": [{"name": name, "tasks": {"old": f"{name}.old"}} for name in "01"]}
    workflow = Workflow("own", chain, Experiment)
    asked = Study(workflow, points(1, 2), waits=False, earlier=earlier)
    assert tasks_of(asked) == [{"old": "0.old"}, {"old": "1.old"}]
    asked(points(1)[0].experiment)
    assert during == [[{"first": "0.first"}, {"old": "1.old"}]]
    assert tasks_of(asked) == [{"first": "0.first"}, {"first": "1.first"}]
    assert names(recorder) == ["0.first", "1.first"]


def test_equal_calls_are_made_once(recorder: CallRecorder) -> None:
    def chain(experiment: Experiment) -> None:
        before = calling_first(experiment)
        calling_second(experiment, before)
        calling_first(experiment)

    asked = study(chain, points(1, 1, 2))
    asked(points(1)[0].experiment)
    assert names(recorder) == ["0.first", "0.second", "2.first", "2.second"]
    rows = asked.table()["points"]
    assert rows[1]["tasks"] == {"first": "0.first", "second": "0.second", "first-2": "0.first"}


def test_what_waits_is_called_at_once_and_shares_nothing(recorder: CallRecorder) -> None:
    barrier = threading.Barrier(3)

    def waiting(experiment: Experiment) -> None:
        barrier.wait(PATIENCE_S)
        calling_first(experiment).result()

    study(waiting, points(1, 1, 1), waits=True)(points(1)[0].experiment)
    assert sorted(names(recorder)) == ["0.first", "1.first", "2.first"]


def test_what_a_join_app_calls_belongs_to_its_point(recorder: CallRecorder) -> None:
    def inner(experiment: Experiment) -> Any:
        return calling_first(experiment)

    joining = join_app(inner)

    def outer(experiment: Experiment) -> None:
        joining(experiment)

    inner.__qualname__ = "inner"  # as if it were at the top of its module
    asked = study(outer, points(1, 2), waits=True)
    asked(points(1)[0].experiment)
    assert sorted(names(recorder)) == ["0.first", "0.inner", "1.first", "1.inner"]
    assert asked.table()["points"][0]["tasks"] == {"inner": "0.inner", "first": "0.first"}


@pytest.mark.parametrize("waits", [False, True])
def test_a_point_that_fails_does_not_keep_others_from_being_called(
    recorder: CallRecorder, *, waits: bool
) -> None:
    def failing(experiment: Experiment) -> None:
        if experiment.ansatz.layers != 2:
            message = f"no {experiment.ansatz.layers}\nat all"
            raise ValueError(message)
        calling_first(experiment)

    asked = study(failing, points(1, 2, 3), waits=waits)
    with pytest.raises(ValueError, match="no ") as caught:
        asked(points(1)[0].experiment)
    assert names(recorder) == ["1.first"]
    assert len(caught.value.__notes__) == 2
    errors = [row["error"] for row in asked.table()["points"]]
    assert errors == ["ValueError('no 1\\nat all')", None, "ValueError('no 3\\nat all')"]
