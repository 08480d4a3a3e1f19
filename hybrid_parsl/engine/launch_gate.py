"""Decides, as Parsl launches a task, whether it may still start."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from parsl.dataflow.dependency_resolvers import DEEP_DEPENDENCY_RESOLVER
from parsl.dataflow.memoization import BasicMemoizer, Memoizer

from hybrid_parsl.errors import NotStartedError

if TYPE_CHECKING:
    import parsl
    from parsl.dataflow.taskrecord import TaskRecord


class LaunchGate(Memoizer):  # type: ignore[misc]
    """Lets tasks start until it is closed; remembers results as another memoizer does.

    Parsl asks its memoizer just before it hands a task to an executor, each time it tries.

    Parameters
    ----------
    memoizer
        The site's own.
    """

    def __init__(self, memoizer: Memoizer) -> None:
        self._memoizer = memoizer
        self._closed = threading.Event()

    @classmethod
    def install(cls, config: parsl.Config) -> LaunchGate:
        """Put a gate in front of the memoizer of a configuration that is not loaded yet."""
        gate = cls(config.memoizer or BasicMemoizer())
        config.memoizer = gate
        return gate

    def close(self) -> None:
        """End the memoizer."""
        self._memoizer.close()

    def block_new_tasks(self) -> None:
        """Let no more tasks start."""
        self._closed.set()

    def start(self, *, run_dir: str, config_run_dir: str) -> None:
        """Start the memoizer."""
        self._memoizer.start(run_dir=run_dir, config_run_dir=config_run_dir)

    def check_memo(self, task: TaskRecord) -> Future[Any] | None:
        """Return a result that is remembered, or the refusal to start another task."""
        found: Future[Any] | None = self._memoizer.check_memo(task)
        if found is None and self._closed.is_set() and not _has_started(task):
            found = Future()
            found.set_exception(NotStartedError(task["func_name"]))
        return found

    def update_memo_result(self, task: TaskRecord, r: Any) -> None:
        """Remember a result."""
        self._memoizer.update_memo_result(task, r)

    def update_memo_exception(self, task: TaskRecord, e: BaseException) -> None:
        """Remember a failure."""
        self._memoizer.update_memo_exception(task, e)


def _has_started(task: TaskRecord) -> bool:
    """Return whether this is a further try of a task that an executor has had before."""
    return task["from_memo"] is False


def find_futures_in_containers(config: parsl.Config) -> None:
    """Let tasks wait for futures in lists and dicts too, unless the site decides otherwise."""
    if config.dependency_resolver is None:
        config.dependency_resolver = DEEP_DEPENDENCY_RESOLVER
