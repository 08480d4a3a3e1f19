"""A Parsl session: loads a site's configuration, checks it, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any, Self

from hybrid_parsl import identity, labels
from hybrid_parsl.engine.plain_executor import as_site_executor
from hybrid_parsl.engine.signals import TerminatedError, uninterrupted
from hybrid_parsl.engine.tasks.folders import RESOURCES
from hybrid_parsl.errors import ConfigurationError, IdentityMismatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future
    from types import TracebackType

    import parsl

    from hybrid_parsl.engine.site_executor import SiteExecutor
    from hybrid_parsl.engine.workflow_calls import Call
    from hybrid_parsl.stage_function import StageFunction

logger = logging.getLogger(__name__)
_LAUNCH_INTERVAL_S = 0.01
_JOINS = "_parsl_internal"  # Parsl's own executor, in threads of the driver
_parsl_log = logging.getLogger("parsl")  # has a file of its own: no business of other handlers


class Session:
    """The time in which a site's executors run; a context manager.

    Parameters
    ----------
    config
        What the site's ``config(run)`` returned.
    source
        The site's file, named in errors.
    logs_tasks
        Whether Parsl logs what it does with each task: some 15 lines, which take longer than all
        else that it does.

    Raises
    ------
    ConfigurationError
        On entering: if the configuration is not Parsl's, or lacks an executor for a label.
    """

    def __init__(self, config: parsl.Config, source: str, *, logs_tasks: bool = True) -> None:
        self._config = config
        self._source = source
        self._logs_tasks = logs_tasks
        self._kernel: Any = None
        self._handshakes: dict[str, Future[str]] = {}

    def __enter__(self) -> Self:
        import parsl

        check_config(self._config, self._source)
        if parsl.DataFlowKernelLoader._dfk is not None:  # noqa: SLF001 - dfk() only raises
            message = "another session is open in this process"
            raise ConfigurationError(message, self._source, valid="one session at a time")
        _parsl_log.propagate = False
        try:
            self._kernel = parsl.load(self._config)
            if not self._logs_tasks:
                _parsl_log.setLevel(logging.WARNING)
        except BaseException:
            self._end_what_has_started()
            raise
        try:
            for executor in self._executors():
                if not executor.checks_identity:
                    self._handshakes[executor.label] = executor.call(identity.current)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        import parsl

        if isinstance(error, TerminatedError) and error.leaves_jobs:
            for executor in map(as_site_executor, self._config.executors):
                executor.leaves_jobs = True
        with uninterrupted():
            try:
                if self._kernel is not None and not self._kernel.cleanup_called:
                    self._kernel.cleanup()
            except Exception:  # Parsl writes, too, and a disk may be full
                if error is None:
                    raise
                logger.debug("ending the session", exc_info=True)
            finally:
                parsl.clear()
                self._close_executors()
                _parsl_log.propagate = True

    def begin(self, call: Call, function: StageFunction) -> Future[Any]:
        """Start a workflow's call of an app."""
        return self.submit(call.label, function, call.arguments, call.keywords, call.resources)

    def join(
        self,
        function: Callable[..., Any],
        args: Sequence[Any],
        cache: bool,  # noqa: FBT001 - Parsl's order
        ignore_for_cache: Sequence[str] | None,
        keywords: dict[str, Any],
    ) -> Future[Any]:
        """Start a join app, which calls other apps and returns their futures."""
        future: Future[Any] = self._kernel.submit(
            function, args, [_JOINS], cache, ignore_for_cache, keywords, join=True
        )
        return future

    def submit(
        self,
        label: str | None,
        function: Callable[..., Any],
        args: Sequence[Any],
        keywords: Mapping[str, Any],
        resources: Mapping[str, float],
    ) -> Future[Any]:
        """Call a function on the executor `label`, as an app with the same label does.

        Parameters
        ----------
        label
            One of `labels.ALL`.
        function, args, keywords
            The call.
        resources
            What it asks for, in Parsl's words; nothing if empty.
        """
        call = dict(keywords)
        if resources:
            call[RESOURCES] = dict(resources)
        future: Future[Any] = self._kernel.submit(function, args, [label], False, [], call)  # noqa: FBT003 - Parsl's order
        return future

    def warm_up(self, functions: Mapping[str, Callable[[], object]]) -> None:
        """Call each function where its label runs, ahead of the stage that profits from it.

        Only executors whose processes outlive a task are warmed up. A function that fails
        is ignored: the stage itself will report the error.
        """
        for executor in self._executors():
            function = functions.get(executor.label)
            if function is not None and executor.keeps_processes:
                executor.call(function)

    def check_identity(self) -> None:
        """Compare the package of every executor that has answered with the driver's.

        Raises
        ------
        IdentityMismatchError
            If an executor runs other sources than the driver.
        """
        here = identity.current()
        for label in self._handshakes:
            there = self._identity_of(label)
            if there is not None and there != here:
                raise IdentityMismatchError(here, there, f"executor '{label}'")

    def is_verified(self, label: str) -> bool:
        """Return whether tasks of a label are known to run the driver's version of the package."""
        executor = as_site_executor(self._kernel.executors[label])
        return executor.checks_identity or self._identity_of(label) == identity.current()

    def _identity_of(self, label: str) -> Any:
        """Return what the executor of a label answered to the handshake; None without an answer."""
        answer = self._handshakes.get(label)
        if answer is None or not answer.done() or answer.exception() is not None:
            return None
        return answer.result()

    def _end_what_has_started(self) -> None:
        """End the executors that had started when another one could not."""
        with uninterrupted():
            for executor in self._config.executors:
                with contextlib.suppress(Exception):
                    executor.shutdown()
            self._close_executors()
        _parsl_log.propagate = True

    def _close_executors(self) -> None:
        """Cancel blocks and stop the threads that poll them."""
        for executor in map(as_site_executor, self._config.executors):
            executor.close()

    def _executors(self) -> list[SiteExecutor]:
        """Return the executors of the site that apps use."""
        executors = map(as_site_executor, self._config.executors)
        return [each for each in executors if each.label in labels.ALL]


def cancel(future: Future[Any]) -> None:
    """Cancel the job behind a future of `Session.submit`, if there is one and it can be cancelled.

    Parsl's own futures refuse to be cancelled, and Parsl hands a call to its executor in another
    thread: one that is still on its way there is waited for, since it cannot be called back.
    """
    record = future.task_record  # type: ignore[attr-defined]
    while record["exec_fu"] is None and not future.done():
        time.sleep(_LAUNCH_INTERVAL_S)
    if record["exec_fu"] is not None:
        executor = as_site_executor(record["dfk"].executors[record["executor"]])
        executor.cancel(record["exec_fu"])


def check_config(config: object, source: str) -> None:
    """Check that a site's ``config(run)`` returned what apps can run on.

    Raises
    ------
    ConfigurationError
        If it is not a configuration of Parsl's, or lacks an executor for a label.
    """
    import parsl

    if not isinstance(config, parsl.Config):
        message = "config(run) has to return a parsl.Config"
        raise ConfigurationError(message, source, found=type(config).__name__)
    check_labels([executor.label for executor in config.executors], source)


def check_labels(found: list[str], source: str) -> None:
    """Check that a site offers an executor for every label that apps use.

    Raises
    ------
    ConfigurationError
        If a label is missing.
    """
    missing = [label for label in labels.ALL if label not in found]
    if missing:
        raise ConfigurationError(
            f"has no executor with the label {' or '.join(repr(label) for label in missing)}",
            source,
            found=", ".join(found) or "no executor",
            valid=f"one executor for each of {', '.join(labels.ALL)}",
        )


def first_cause(error: BaseException) -> BaseException:
    """Return what went wrong first, behind Parsl's chain of dependency errors."""
    from parsl.dataflow.errors import PropagatedException

    while isinstance(error, PropagatedException) and error.dependent_exceptions_tids:
        error = error.dependent_exceptions_tids[0][0]
    return error
