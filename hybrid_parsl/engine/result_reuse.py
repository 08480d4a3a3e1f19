"""Reuses results of earlier runs: a memoizer of Parsl's on the store of results by content."""

from __future__ import annotations

import logging
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from parsl.dataflow.memoization import BasicMemoizer, Memoizer

from hybrid_parsl.engine.plain_executor import as_site_executor
from hybrid_parsl.engine.tasks.folders import RESOURCES, TaskFolders
from hybrid_parsl.reuse.store import StoredResult
from hybrid_parsl.stage_function import StageFunction
from hybrid_parsl.tasks.serialization import write_frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import parsl
    from parsl.dataflow.taskrecord import TaskRecord

    from hybrid_parsl.reuse.store import ResultStore

    KeyOf = Callable[[StageFunction, tuple[Any, ...], dict[str, Any], str], str | None]

logger = logging.getLogger(__name__)


class ResultReuse(Memoizer):  # type: ignore[misc]
    """Answers calls with results that are in a store, and adds those that are not.

    A result that is served becomes that of a finished task in the folder of the run, so that
    `resume` finds it. What an earlier driver of the run has begun is left to the executor, which
    adopts it; such results are not stored, as other versions may have computed them.

    Parameters
    ----------
    memoizer
        The site's own, which is asked first.
    run
        The folder of the run.
    store
        Holds results by key.
    key_of
        Returns the key of a call: of its function, arguments, keywords and the software where it
        runs. None if it is to be carried out in any case.
    is_verified
        Returns whether tasks of a label are known to run the driver's version of the package.

    Attributes
    ----------
    origins
        The run from which the result of a task comes, by the name of the task.
    """

    def __init__(
        self,
        memoizer: Memoizer,
        run: Path,
        store: ResultStore,
        key_of: KeyOf,
        is_verified: Callable[[str], bool],
    ) -> None:
        self._memoizer = memoizer
        self._run = run
        self._folders = TaskFolders(run / "tasks")
        self._store = store
        self._key_of = key_of
        self._is_verified = is_verified
        self._keys: dict[int, str] = {}
        self.origins: dict[str, str] = {}

    @classmethod
    def install(
        cls,
        config: parsl.Config,
        run: Path,
        store: ResultStore,
        key_of: KeyOf,
        is_verified: Callable[[str], bool],
    ) -> ResultReuse:
        """Put the store behind the memoizer of a configuration that is not loaded yet."""
        memoizer = config.memoizer or BasicMemoizer()
        config.memoizer = reuse = cls(memoizer, run, store, key_of, is_verified)
        return reuse

    def start(self, *, run_dir: str, config_run_dir: str) -> None:
        """Start the site's memoizer."""
        self._memoizer.start(run_dir=run_dir, config_run_dir=config_run_dir)

    def close(self) -> None:
        """End the site's memoizer."""
        self._memoizer.close()

    def check_memo(self, task: TaskRecord) -> Future[Any] | None:
        """Return the result of a call if it is known."""
        found: Future[Any] | None = self._memoizer.check_memo(task)
        if found is not None or task["id"] in self._keys:  # the latter: it is tried again
            return found
        try:
            return self._served(task)
        except Exception:  # arguments may raise anything; the call is carried out then
            logger.debug("looking for the result of %s", task["func_name"], exc_info=True)
            return None

    def update_memo_result(self, task: TaskRecord, r: Any) -> None:
        """Store the result of a call that was carried out."""
        self._memoizer.update_memo_result(task, r)
        key = self._keys.pop(task["id"], None)
        if key is not None and self._is_verified(task["executor"]):
            self._store.keep(StoredResult(key, self._run.name, r))

    def update_memo_exception(self, task: TaskRecord, e: BaseException) -> None:
        """Store nothing: a call that failed is carried out again."""
        self._memoizer.update_memo_exception(task, e)
        self._keys.pop(task["id"], None)

    def _served(self, task: TaskRecord) -> Future[Any] | None:
        """Return the stored result of a call; if there is none, note under which key to store it.

        Raises
        ------
        StorageError
            The folder of the task cannot be written.
        """
        function, arguments = task["func"], tuple(task["args"])
        keywords = {name: each for name, each in task["kwargs"].items() if name != RESOURCES}
        if task["join"] or not isinstance(function, StageFunction):
            return None
        executor = as_site_executor(task["dfk"].executors[task["executor"]])
        software = executor.software
        if software is None or self._folders.has_begun(function, arguments, keywords):
            return None
        key = self._key_of(function, arguments, keywords, software)
        if key is None:
            return None
        stored = self._store.use(key)
        if stored is None:
            self._keys[task["id"]] = key
            return None
        if executor.keeps_folders:
            folder = self._folders.open(function, arguments, keywords).folder
            write_frame(folder.result, stored.result)
        else:
            self._folders.log(function, arguments, keywords, stored.result)
        self.origins[function.__name__] = stored.run
        answer: Future[Any] = Future()
        answer.set_result(stored.result)
        return answer
