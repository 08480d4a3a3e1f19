"""The calls of apps that a workflow makes: recorded, named and handed on.

Every app of Parsl's calls ``parsl.dfk().submit``. While a workflow runs, a `CallRecorder` is in
that place, so the runtime knows the graph of any workflow without a list of its stages.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import re
import threading
import weakref
from concurrent.futures import Future
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hybrid_parsl import labels
from hybrid_parsl.engine.session import first_cause
from hybrid_parsl.engine.tasks.folders import RESOURCES
from hybrid_parsl.errors import ConfigurationError, NotStartedError
from hybrid_parsl.stage_function import (
    StageFunction,
    is_found_by_name,
    stay_in_driver,
    undecorated,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from hybrid_parsl.own_code import OwnCode

    KeyOf = Callable[
        [StageFunction, Sequence[Any], Mapping[str, Any], Callable[[Future[Any]], str | None]],
        str | None,
    ]

TASK = "task"
"""The keyword by which a call names itself."""
_WALLTIME = "walltime"
_TASK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+-]{0,63}")


_scope: ContextVar[CallScope | None] = ContextVar("scope", default=None)
_disowned: weakref.WeakSet[threading.Thread] = weakref.WeakSet()


def disown(thread: threading.Thread) -> None:
    """Let a thread end at its next call of an app; nothing waits for it any more."""
    _disowned.add(thread)


_NOT_STARTED: Future[Any] = Future()
_SUCCEEDED: Future[Any] = Future()
_SUCCEEDED.set_result(None)


class _Names:
    """Names of which each is given out once."""

    __slots__ = ("_numbers",)
    _lock = threading.Lock()  # of all: a study has an object a point

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def unique(self, name: str) -> str:
        """Return `name`, with a number if it has been given out before."""
        with self._lock:
            while True:
                number = self._numbers[name] = self._numbers.get(name, 0) + 1
                unique = name if number == 1 else f"{name}-{number}"
                if unique == name or unique not in self._numbers:
                    self._numbers.setdefault(unique, 1)
                    return unique


class CallScope:
    """A part of a workflow whose calls have names of their own, such as a point of a study.

    Parameters
    ----------
    prefix
        What the names of its tasks begin with.
    shares
        Whether a call is answered by that of another scope which has the same key.

    Attributes
    ----------
    tasks
        The names of its tasks, by those that they have inside the scope.
    """

    __slots__ = ("names", "prefix", "shares", "tasks")

    def __init__(self, prefix: str, *, shares: bool) -> None:
        self.prefix = prefix
        self.shares = shares
        self.names = _Names()
        self.tasks: dict[str, str] = {}

    def note(self, local: str, name: str) -> str:
        """Note the name of a task, and return it; a dictionary that is read elsewhere stays."""
        self.tasks = {**self.tasks, local: name}
        return name

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Let the calls of this thread be in the scope."""
        token = _scope.set(self)
        try:
            yield
        finally:
            _scope.reset(token)


@dataclass(eq=False, slots=True)
class Call:
    """One call of an app.

    Attributes
    ----------
    name
        Unique within the run.
    function
        What is called, as ``module:name``.
    label
        The label of its executor; None for a join app, which calls other apps.
    resources
        What it asks for, in Parsl's words.
    after
        The calls whose results it takes.
    arguments, keywords
        As the workflow gave them.
    future
        Its outcome.
    number
        How many calls the run has made before.
    invoked, ended
        When the workflow made the call, and when its outcome was there.
    """

    name: str
    function: str
    label: str | None
    resources: dict[str, Any]
    after: list[Call]
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    future: Future[Any] = _NOT_STARTED
    number: int = 0
    invoked: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended: datetime | None = None

    def release(self) -> None:
        """Let go of the future of a call that has succeeded, and of its result with it."""
        self.future = _SUCCEEDED

    @property
    def began(self) -> datetime | None:
        """When all that it takes was there; None if something is missing."""
        if not all(each.succeeded for each in self.after):
            return None
        return max([self.invoked, *(each.ended for each in self.after if each.ended)])

    @property
    def succeeded(self) -> bool:
        """Whether its result is there."""
        return self.ended is not None and self.error is None

    @property
    def error(self) -> BaseException | None:
        """What it failed with, None if it has not failed."""
        if not self.future.done():
            return None
        return self.future.exception()

    @property
    def is_consequence(self) -> bool:
        """Whether it never started, because of another call's failure."""
        error = self.error
        if error is None:
            return False
        cause = first_cause(error)
        return cause is not error or isinstance(cause, NotStartedError)


class CallRecorder:
    """Stands in for Parsl's data flow kernel while a workflow runs.

    Parameters
    ----------
    begin
        Starts a call and returns its future.
    code_of
        Returns the project's files that a function needs.
    resources_of
        Returns what a call asks for, by its names, the most special first, its label and its
        arguments.
    join
        Starts a join app: takes what ``DataFlowKernel.submit`` does, but for the executors.
    key_of
        Returns what decides the result of a call, by which scopes share it: of its function,
        arguments, keywords, and what names the task behind a future. None if it is not shared.
    most_open
        How many calls may be without an outcome before another one by a scope that shares calls
        waits; None if it never waits.
    """

    def __init__(
        self,
        begin: Callable[[Call, StageFunction], Future[Any]],
        code_of: Callable[[Callable[..., Any]], OwnCode],
        resources_of: Callable[[Sequence[str], str, Sequence[Any]], Mapping[str, Any]],
        join: Callable[..., Future[Any]],
        key_of: KeyOf | None = None,
        most_open: int | None = None,
    ) -> None:
        self._key_of = key_of
        self._most_open = most_open
        self._n_ended = 0
        self._has_ended = threading.Condition()
        self._shared: dict[tuple[Any, ...], tuple[str, Future[Any]]] = {}
        self._begin = begin
        self._join = join
        self._code_of = code_of
        self._resources_of = resources_of
        self._lock = threading.Lock()
        self._names = _Names()
        self._codes: dict[str, OwnCode] = {}
        self._calls: weakref.WeakKeyDictionary[Future[Any], Call] = weakref.WeakKeyDictionary()
        self._order: list[Call] = []
        self._ended: list[Call] = []
        self._n_seen = 0
        self._has_news = threading.Event()

    def calls(self) -> list[Call]:
        """Return all calls so far, in the order in which they were made."""
        with self._lock:
            return list(self._order)

    def news(self) -> tuple[list[Call], list[Call]]:
        """Return the calls that were made and those that have ended since the last time."""
        self._has_news.clear()
        with self._lock:
            made, self._n_seen = self._order[self._n_seen :], len(self._order)
            ended, self._ended = self._ended, []
        return made, ended

    def wait_for_news(self, timeout_s: float) -> None:
        """Return as soon as a call has been made or has ended, or after `timeout_s`."""
        self._has_news.wait(timeout_s)

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Let the apps of this process call this recorder."""
        from parsl.dataflow.dflow import DataFlowKernelLoader as Loader

        stay_in_driver()
        before, Loader._dfk = Loader._dfk, self  # noqa: SLF001 - Parsl has no way to do it
        try:
            yield
        finally:
            if Loader._dfk is self:  # noqa: SLF001
                Loader._dfk = before  # noqa: SLF001

    def submit(
        self,
        func: Callable[..., Any],
        app_args: Sequence[Any],
        executors: str | Sequence[str],
        cache: bool,  # noqa: FBT001 - Parsl's order
        ignore_for_cache: Sequence[str] | None,
        app_kwargs: dict[str, Any],
        join: bool = False,  # noqa: FBT001, FBT002 - Parsl's order
    ) -> Future[Any]:
        """Take a call as ``DataFlowKernel.submit`` does.

        Raises
        ------
        ConfigurationError
            If the name of the task is not valid, or the function cannot be sent to an executor.
        """
        if threading.current_thread() in _disowned:
            raise SystemExit
        function = undecorated(func)
        keywords = dict(app_kwargs)
        reference = _reference(function)
        wanted = _task_name(function, keywords)
        function_name = function.__name__
        after = self._producers(app_args, keywords)
        scope, base = _scope.get(), wanted or function_name
        local = (self._names if scope is None else scope.names).unique(base)
        if join:
            name = self._name(scope, local)
            call = Call(name, reference, None, {}, after, (), {})
            within = func if scope is None else _in_scope(func, scope)
            future = self._join(within, app_args, cache, ignore_for_cache, keywords)
            self._add(call, future)
            return future
        if not is_found_by_name(function):
            raise _misleading(function, reference)
        label = _label(executors, function_name)
        given = keywords.pop(RESOURCES, None)
        if keywords.get(_WALLTIME) is not None and not _takes(function, _WALLTIME):
            message = "is not supported for one call"
            valid = f"walltime_s in a table [resources.{base}]"
            raise ConfigurationError(message, f"call of {function_name}", _WALLTIME, valid=valid)
        stage = StageFunction(function, local, self._code(function))
        asked = self._resources_of([local, base, function_name, label], label, app_args)
        resources = dict(asked if given is None else given)
        key = self._key(scope, stage, app_args, keywords, (label, resources))
        if scope is not None and key in self._shared:
            shared_name, future = self._shared[key]
            scope.note(local, shared_name)
            return future
        if key is not None:
            self._wait_for_room()
        name = self._name(scope, local)
        call = Call(name, reference, label, resources, after, tuple(app_args), keywords)
        future = self._begin(call, StageFunction(function, name, stage.code))
        self._add(call, future)
        if key is not None:
            self._shared[key] = name, future
        return future

    def forget_shared(self) -> None:
        """Share no call from now on: the workflow of every point has been called."""
        self._shared = {}

    def _wait_for_room(self) -> None:
        """Return when few enough calls are without an outcome: those take the most memory."""
        with self._has_ended:
            while self._most_open and len(self._order) - self._n_ended >= self._most_open:
                self._has_ended.wait()

    def _name(self, scope: CallScope | None, local: str) -> str:
        """Return the name of a new task, unique within the run."""
        if scope is None:
            return local
        return scope.note(local, f"{scope.prefix}{local}")

    def _key(
        self,
        scope: CallScope | None,
        function: StageFunction,
        arguments: Sequence[Any],
        keywords: Mapping[str, Any],
        where: tuple[str, Mapping[str, Any]],
    ) -> tuple[Any, ...] | None:
        """Return the key of a call that scopes share, None if they do not."""
        if scope is None or not scope.shares or self._key_of is None:
            return None
        key = self._key_of(function, arguments, keywords, self._producer)
        label, resources = where
        return None if key is None else (key, label, *sorted(resources.items()))

    def _producer(self, future: Future[Any]) -> str | None:
        """Return the name of the task behind a future, None if it is of no call."""
        call = self._calls.get(future)
        return None if call is None else call.name

    def _code(self, function: Callable[..., Any]) -> OwnCode:
        """Return the project's files that a function needs, as they were at its first call."""
        module = function.__module__
        if module not in self._codes:
            self._codes[module] = self._code_of(function)
        return self._codes[module]

    def _add(self, call: Call, future: Future[Any]) -> None:
        """Keep a call that has been started."""
        call.future = future
        with self._lock:
            call.number = len(self._order)
            self._calls[future] = call
            self._order.append(call)
        self._has_news.set()
        future.add_done_callback(lambda _: self._end(call))

    def _end(self, call: Call) -> None:
        """Note that the outcome of a call is there."""
        with self._lock:
            call.ended = datetime.now(UTC)
            self._ended.append(call)
        with self._has_ended:
            self._n_ended += 1
            self._has_ended.notify()
        self._has_news.set()

    def _producers(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> list[Call]:
        """Return the calls whose futures are among arguments, in lists and dicts too."""
        calls = (self._calls.get(future) for future in futures_in([*arguments, keywords]))
        found = {id(call): call for call in calls if call is not None}
        return sorted(found.values(), key=lambda call: call.number)


def futures_in(value: Any) -> list[Future[Any]]:
    """Return the futures that `value` is or holds, in lists, tuples, sets and dicts too."""
    found: list[Future[Any]] = []
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Future):
            found.append(each)
        elif isinstance(each, dict):
            waiting += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple | set | frozenset):
            waiting += each
    return found


def _in_scope(function: Callable[..., Any], scope: CallScope) -> Callable[..., Any]:
    """Return a join app's function whose calls, in another thread, are in `scope`."""

    @functools.wraps(function)
    def within(*arguments: Any, **keywords: Any) -> Any:
        with scope.entered():
            return function(*arguments, **keywords)

    return within


def _task_name(function: Callable[..., Any], keywords: dict[str, Any]) -> str | None:
    """Take the name that a call gives itself out of its keywords.

    Raises
    ------
    ConfigurationError
        If it cannot be the name of a folder and of a job.
    """
    if _takes(function, TASK):
        return None
    name = keywords.pop(TASK, None)
    if name is not None and not (isinstance(name, str) and _TASK_NAME.fullmatch(name)):
        valid = "a letter or digit, then at most 63 letters, digits and . _ = + -"
        source = f"call of {function.__name__}"
        raise ConfigurationError("invalid task name", source, TASK, repr(name), valid)
    return name


@functools.cache
def _takes(function: Callable[..., Any], parameter: str) -> bool:
    """Return whether a function has a parameter of this name itself."""
    try:
        return parameter in inspect.signature(function).parameters
    except (ValueError, TypeError):  # some builtins have no signature
        return False


def _label(executors: str | Sequence[str], function: str) -> str:
    """Return where a call runs; without a label that is the executor for analysis.

    Raises
    ------
    ConfigurationError
        If it has no label of this project.
    """
    if executors == "all":
        return labels.ANALYSIS
    known = [each for each in labels.ALL if each in executors]
    if not known:
        found = executors if isinstance(executors, str) else ", ".join(executors)
        source = f"app {function}"
        raise ConfigurationError("unknown label", source, "executors", found, ", ".join(labels.ALL))
    return known[0]


def _reference(function: Callable[..., Any]) -> str:
    """Return ``module:name`` of a function.

    Raises
    ------
    ConfigurationError
        If it is no function, or defined inside another one, so that no other process can
        import it.
    """
    if not inspect.isfunction(function) and not inspect.isbuiltin(function):
        message = "only a function can be sent to an executor"
        valid = "a python_app of a function; for a command, subprocess.run inside one"
        raise ConfigurationError(message, None, None, type(function).__name__, valid)
    reference = f"{function.__module__}:{function.__qualname__}"
    if "<" in function.__qualname__:
        raise ConfigurationError(
            "an app must call a function that is defined at the top level of its module",
            None,
            None,
            reference,
        )
    return reference


def _misleading(function: Callable[..., Any], reference: str) -> ConfigurationError:
    """Return what is wrong with a function that no other process can import by its name."""
    message = "the app calls another function than its module and name lead to, as its task would"
    valid = "a def at the top level of its module, with a name of its own, that calls the other one"
    return ConfigurationError(message, f"call of {function.__name__}", None, reference, valid)
