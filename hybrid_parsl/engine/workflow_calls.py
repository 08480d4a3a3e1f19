"""The calls of apps that a workflow makes: recorded, named and handed on.

Every app of Parsl's calls ``parsl.dfk().submit``. While a workflow runs, a `CallRecorder` is in
that place, so the runtime knows the graph of any workflow without a list of its stages.
"""

from __future__ import annotations

import contextlib
import inspect
import re
import threading
import weakref
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hybrid_parsl import labels
from hybrid_parsl.engine.session import first_cause
from hybrid_parsl.engine.tasks.folders import RESOURCES
from hybrid_parsl.errors import ConfigurationError, NotStartedError
from hybrid_parsl.stage_function import StageFunction, stay_in_driver, undecorated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from hybrid_parsl.own_code import OwnCode

TASK = "task"
"""The keyword by which a call names itself."""
_WALLTIME = "walltime"
_TASK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+-]{0,63}")


_disowned: weakref.WeakSet[threading.Thread] = weakref.WeakSet()


def disown(thread: threading.Thread) -> None:
    """Let a thread end at its next call of an app; nothing waits for it any more."""
    _disowned.add(thread)


@dataclass(eq=False)
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
    future: Future[Any] = field(default_factory=Future)
    invoked: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended: datetime | None = None

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
    """

    def __init__(
        self,
        begin: Callable[[Call, StageFunction], Future[Any]],
        code_of: Callable[[Callable[..., Any]], OwnCode],
        resources_of: Callable[[Sequence[str], str, Sequence[Any]], Mapping[str, Any]],
        join: Callable[..., Future[Any]],
    ) -> None:
        self._begin = begin
        self._join = join
        self._code_of = code_of
        self._resources_of = resources_of
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._codes: dict[str, OwnCode] = {}
        self._calls: dict[int, Call] = {}
        self._order: list[Call] = []

    def calls(self) -> list[Call]:
        """Return all calls so far, in the order in which they were made."""
        with self._lock:
            return list(self._order)

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
        if join:
            name = self._unique(wanted or function_name)
            call = Call(name, reference, None, {}, after, (), {})
            future = self._join(func, app_args, cache, ignore_for_cache, keywords)
            self._add(call, future)
            return future
        label = _label(executors, function_name)
        name = self._unique(wanted or function_name)
        base = wanted or function_name
        given = keywords.pop(RESOURCES, None)
        if keywords.get(_WALLTIME) is not None and not _takes(function, _WALLTIME):
            message = "is not supported for one call"
            valid = f"walltime_s in a table [resources.{base}]"
            raise ConfigurationError(message, f"call of {function_name}", _WALLTIME, valid=valid)
        names = [name, base, function_name, label]
        resources = self._resources_of(names, label, app_args)
        call = Call(
            name,
            reference,
            label,
            dict(resources if given is None else given),
            after,
            tuple(app_args),
            keywords,
        )
        future = self._begin(call, StageFunction(function, name, self._code(function)))
        self._add(call, future)
        return future

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
            self._calls[id(future)] = call
            self._order.append(call)
        future.add_done_callback(lambda _: setattr(call, "ended", datetime.now(UTC)))

    def _producers(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> list[Call]:
        """Return the calls whose futures are among arguments, in lists and dicts too."""
        found: dict[int, Call] = {}
        waiting: list[Any] = [list(arguments), dict(keywords)]
        while waiting:
            value = waiting.pop()
            if isinstance(value, Future):
                if (call := self._calls.get(id(value))) is not None:
                    found[id(call)] = call
            elif isinstance(value, dict):
                waiting += [*value.keys(), *value.values()]
            elif isinstance(value, list | tuple | set | frozenset):
                waiting += value
        with self._lock:
            return [call for call in self._order if id(call) in found]

    def _unique(self, name: str) -> str:
        """Return `name`, with a number if an earlier call has it."""
        with self._lock:
            while True:
                number = self._numbers[name] = self._numbers.get(name, 0) + 1
                unique = name if number == 1 else f"{name}-{number}"
                if unique == name or unique not in self._numbers:
                    self._numbers.setdefault(unique, 1)
                    return unique


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
