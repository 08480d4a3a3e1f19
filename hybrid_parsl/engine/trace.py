"""Calls a workflow without running anything, to learn which apps it calls."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from hybrid_parsl.engine.workflow_calls import CallRecorder, disown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hybrid_parsl.engine.workflow_calls import Call, KeyOf
    from hybrid_parsl.own_code import OwnCode

_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Trace:
    """The calls that a workflow makes before it needs a result.

    Attributes
    ----------
    calls
        In their order.
    is_complete
        Whether these are all; else the rest is decided at run time.
    error
        What the workflow raised, other than for want of a result.
    """

    calls: list[Call]
    is_complete: bool
    error: Exception | None

    @property
    def functions(self) -> set[str]:
        """The functions that are called, as ``module:function``."""
        return {call.function for call in self.calls}


class _UndecidedError(BaseException):  # a workflow's own `except Exception` must not take it
    """A workflow asks for a result while it is traced."""


class _Undecided(Future[Any]):
    """The future of a call that is not carried out; parts of its result are undecided, too."""

    _condition = threading.Condition()  # of all: a study has an object a call
    _state = "PENDING"
    _done_callbacks = ()

    def __init__(self) -> None:
        """Make it without what only a future with an outcome needs."""

    def add_done_callback(self, fn: Callable[[Future[Any]], object]) -> None:
        """Do nothing: there will be no outcome."""

    @property  # what `wait` and `as_completed` of the standard library ask for
    def _waiters(self) -> NoReturn:
        raise _UndecidedError

    @_waiters.setter
    def _waiters(self, value: object) -> None:
        del value

    def __getitem__(self, key: object) -> _Undecided:
        return _Undecided()

    def __getattr__(self, name: str) -> _Undecided:
        if name.startswith("_"):
            raise AttributeError(name)
        return _Undecided()

    def done(self) -> NoReturn:
        raise _UndecidedError

    def result(self, timeout: float | None = None) -> NoReturn:  # noqa: ARG002 - Future's own
        raise _UndecidedError

    def exception(self, timeout: float | None = None) -> NoReturn:  # noqa: ARG002 - Future's own
        raise _UndecidedError


def trace_workflow(
    workflow: Callable[[], object],
    code_of: Callable[[Callable[..., Any]], OwnCode],
    resources_of: Callable[[Sequence[str], str, Sequence[Any]], Mapping[str, Any]],
    key_of: KeyOf | None = None,
) -> Trace:
    """Return the calls of a workflow as far as they are known before any result is there.

    A workflow that neither returns nor asks for a result within 10 seconds is left waiting in a
    thread that ends with the process.

    Parameters
    ----------
    workflow
        Called once.
    code_of, resources_of, key_of
        As of a `CallRecorder`.
    """
    is_joined = threading.Event()

    def join(*_: Any) -> Future[Any]:
        is_joined.set()
        return _Undecided()

    recorder = CallRecorder(lambda *_: _Undecided(), code_of, resources_of, join, key_of)
    raised: list[BaseException] = []

    def call() -> None:
        try:
            workflow()
        except BaseException as error:  # noqa: BLE001 - reported by the caller
            raised.append(error)

    thread = threading.Thread(target=call, name="workflow trace", daemon=True)
    with recorder.installed():
        thread.start()
        thread.join(_PATIENCE_S)
    if thread.is_alive():
        disown(thread)
    is_undecided = thread.is_alive() or any(isinstance(each, _UndecidedError) for each in raised)
    errors = [
        each
        for each in raised
        if isinstance(each, Exception) and not isinstance(each, _UndecidedError)
    ]
    is_complete = not (is_undecided or is_joined.is_set() or errors)
    return Trace(recorder.calls(), is_complete, errors[0] if errors else None)
