from __future__ import annotations

import contextlib
import functools
import threading
import time
from concurrent.futures import Future, as_completed, wait
from typing import Any

import pytest
from parsl import bash_app, join_app, python_app
from waiting import PATIENCE_S

from hybrid_parsl.engine.trace import trace_workflow
from hybrid_parsl.engine.workflow_calls import Call, CallRecorder, CallScope
from hybrid_parsl.errors import ConfigurationError, NotStartedError, StageFailedError
from hybrid_parsl.own_code import OwnCode


def add(x: Any, y: Any = 0) -> Any:
    return x + y


def named(task: str) -> str:
    return task


def timed(x: Any, walltime: float | None = None) -> Any:
    del walltime
    return x


@functools.wraps(add)
def twice(x: Any, y: Any = 0) -> Any:
    return 2 * add(x, y)


adding = python_app(add, executors=["mpi"])
anywhere = python_app(add)
elsewhere = python_app(add, executors=["gpu"])
naming = python_app(named)


@join_app
def joining(x: Any) -> Any:
    return x


def code_of(_: object) -> OwnCode:
    return OwnCode()


def resources_of(names: list[str], label: str, _: object) -> dict[str, Any]:
    return {"asked": f"{names} {label}"}


@pytest.fixture
def recorder() -> Any:
    def begin(call: Call, function: Any) -> Future[Any]:
        del call, function
        return Future()

    made = CallRecorder(begin, code_of, resources_of, lambda *_: Future())
    with made.installed():
        yield made


def test_calls_are_named_and_know_what_they_wait_for(recorder: CallRecorder) -> None:
    first = adding(1)
    second = adding(1)
    adding([first], y={"b": (second,)}, task="sum")
    names = [(call.name, [each.name for each in call.after]) for call in recorder.calls()]
    assert names == [("add", []), ("add-2", []), ("sum", ["add", "add-2"])]
    assert [call.label for call in recorder.calls()] == ["mpi"] * 3
    assert recorder.calls()[2].resources == {"asked": "['sum', 'sum', 'add', 'mpi'] mpi"}
    assert recorder.calls()[2].keywords == {"y": {"b": (second,)}}


def test_news_are_what_was_called_and_has_ended_since_the_last_time(recorder: CallRecorder) -> None:
    first, second = adding(1), adding(2)
    made, ended = recorder.news()
    assert ([call.number for call in made], ended) == ([0, 1], [])
    second.set_result(2)
    third = adding(3)
    third.set_result(3)
    made, ended = recorder.news()
    assert [call.future for call in made] == [third]
    assert [call.future for call in ended] == [second, third]
    first.set_result(1)
    recorder.wait_for_news(PATIENCE_S)
    assert [call.future for call in recorder.news()[1]] == [first]


def test_a_call_that_is_released_is_still_one_that_has_succeeded(recorder: CallRecorder) -> None:
    answer = adding(1)
    answer.set_result(2)
    (call,) = recorder.calls()
    call.release()
    assert call.succeeded
    assert call.error is None
    adding(answer)  # the workflow may hold on to the future
    assert recorder.calls()[1].after == [call]


def in_a_scope(number: int) -> Future[Any]:
    with CallScope(f"{number}.", shares=True).entered():
        return adding(number % 10)


def sharing(most_open: int | None = None) -> CallRecorder:
    return CallRecorder(
        lambda *_: Future(),
        code_of,
        resources_of,
        lambda *_: Future(),
        lambda _function, arguments, *_: str(arguments),
        most_open,
    )


def test_scopes_share_calls_until_the_last_one_is_over() -> None:
    recorder = sharing()
    with recorder.installed():
        first, again, other = map(in_a_scope, (1, 11, 2))
        assert first is again
        recorder.forget_shared()
        assert in_a_scope(21) not in (first, other)
    assert [call.name for call in recorder.calls()] == ["1.add", "2.add", "21.add"]


def test_a_scope_waits_while_too_many_calls_are_open() -> None:
    recorder = sharing(most_open=2)
    with recorder.installed():
        futures = [in_a_scope(number) for number in (1, 2)]
        thread = threading.Thread(target=lambda: futures.append(in_a_scope(3)))
        thread.start()
        thread.join(0.2)
        assert len(recorder.calls()) == 2
        futures[0].set_result(1)
        thread.join(PATIENCE_S)
    assert len(futures) == len(recorder.calls()) == 3


def test_a_name_is_given_once(recorder: CallRecorder) -> None:
    for task in ("a", "a-2", "a", "a"):
        adding(1, task=task)
    assert [call.name for call in recorder.calls()] == ["a", "a-2", "a-3", "a-4"]


def test_resources_of_a_call_itself_come_first(recorder: CallRecorder) -> None:
    adding(1, parsl_resource_specification={"num_ranks": 3})
    assert recorder.calls()[0].resources == {"num_ranks": 3}


def test_an_app_without_a_label_is_for_analysis(recorder: CallRecorder) -> None:
    anywhere(1)
    assert recorder.calls()[0].label == "analysis"


def test_a_parameter_that_is_called_task_is_the_function_s_own(recorder: CallRecorder) -> None:
    naming(task="x")
    assert (recorder.calls()[0].name, recorder.calls()[0].keywords) == ("named", {"task": "x"})


@pytest.mark.parametrize("name", ["", "a/b", "-x", "x" * 65, 3])
@pytest.mark.usefixtures("recorder")
def test_a_name_that_no_folder_can_have(name: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        adding(1, task=name)
    assert (caught.value.key, caught.value.found) == ("task", repr(name))


@pytest.mark.usefixtures("recorder")
def test_a_label_that_no_site_has() -> None:
    with pytest.raises(ConfigurationError) as caught:
        elsewhere(1)
    assert caught.value.found == "gpu"


@pytest.mark.usefixtures("recorder")
def test_a_function_inside_another_cannot_be_sent() -> None:
    with pytest.raises(ConfigurationError, match="top level"):
        python_app(lambda: 1)()


@pytest.mark.usefixtures("recorder")
def test_a_function_whose_name_leads_to_another_one_cannot_be_sent() -> None:
    with pytest.raises(ConfigurationError, match="another function") as caught:
        python_app(twice)(1)
    assert caught.value.found == f"{__name__}:add"
    join_app(twice)(1)  # is called here


@pytest.mark.usefixtures("recorder")
def test_a_command_is_no_function() -> None:
    with pytest.raises(ConfigurationError) as caught:
        bash_app(named)("x")
    assert caught.value.found == "partial"


@pytest.mark.usefixtures("recorder")
def test_the_walltime_of_a_call_is_a_resource() -> None:
    with pytest.raises(ConfigurationError) as caught:
        adding(1, walltime=3)
    assert caught.value.key == "walltime"


def test_a_parameter_that_is_called_walltime_is_the_function_s_own(recorder: CallRecorder) -> None:
    python_app(timed)(1, walltime=3)
    assert recorder.calls()[0].keywords == {"walltime": 3}


def failed(error):
    future = Future()
    future.set_exception(error)
    return future


def test_a_failure_and_what_follows_from_it() -> None:
    call = Call("a", "m:a", "mpi", {}, [], (), {})
    assert (call.error, call.succeeded, call.is_consequence) == (None, False, False)
    call.future = failed(NotStartedError("a"))
    assert call.is_consequence
    other = Call("b", "m:b", "mpi", {}, [call], (), {})
    other.future = failed(StageFailedError("b", "x"))
    assert not other.is_consequence
    assert other.began is None


# ---- before anything runs


def trace_of(workflow: Any) -> Any:
    return trace_workflow(workflow, code_of, resources_of)


def test_a_workflow_that_needs_no_result_is_known_whole() -> None:
    trace = trace_of(lambda: adding(adding(1)))
    assert [call.name for call in trace.calls] == ["add", "add-2"]
    assert (trace.is_complete, trace.error) == (True, None)


def test_what_depends_on_a_result_is_decided_at_run_time() -> None:
    trace = trace_of(lambda: adding(adding(1).result()))
    assert [call.name for call in trace.calls] == ["add"]
    assert (trace.is_complete, trace.error) == (False, None)


def test_what_a_join_app_calls_is_decided_at_run_time() -> None:
    trace = trace_of(lambda: adding(joining(1)))
    assert [(call.name, call.label) for call in trace.calls] == [("joining", None), ("add", "mpi")]
    assert not trace.is_complete


def test_an_error_of_the_workflow_is_kept() -> None:
    trace = trace_of(lambda: adding(1 / 0))
    assert isinstance(trace.error, ZeroDivisionError)
    assert not trace.is_complete


def test_parts_of_a_result_are_undecided_too() -> None:
    trace = trace_of(lambda: adding(adding(1)["x"], adding(2).energy))
    assert len(trace.calls) == 3
    assert trace.error is None


@pytest.mark.parametrize("ask", [wait, as_completed, lambda futures: futures[0].done()])
def test_a_workflow_that_looks_at_its_futures_is_not_waited_for(ask: Any) -> None:
    def workflow() -> None:
        with contextlib.suppress(Exception):
            list(ask([adding(1)]))
        adding(2)

    begun = time.monotonic()
    trace = trace_of(workflow)
    assert [call.name for call in trace.calls] == ["add"]
    assert not trace.is_complete
    assert time.monotonic() - begun < 5


def test_a_trace_that_is_given_up_calls_nothing_later(
    monkeypatch: pytest.MonkeyPatch, recorder: CallRecorder
) -> None:
    monkeypatch.setattr("hybrid_parsl.engine.trace._PATIENCE_S", 0.05)
    go = threading.Event()
    trace = trace_of(lambda: (go.wait(), adding(1)))
    assert not trace.is_complete
    go.set()
    (thread,) = (each for each in threading.enumerate() if each.name == "workflow trace")
    thread.join(PATIENCE_S)
    assert recorder.calls() == []
