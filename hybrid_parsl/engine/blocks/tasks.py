"""The tasks that run inside blocks, and what becomes of them when their block ends.

Parsl notices only by its silence that a worker is gone, after two minutes. The scheduler reports at
once that a block has ended, and why; which tasks ran in it is noted in their folders.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Future

    from parsl.jobs.states import JobStatus

    from hybrid_parsl.engine.tasks.folders import Task, TaskFolders
    from hybrid_parsl.errors import HybridParslError

_ON_ITS_WAY_S = 3.0


class BlockTasks:
    """The tasks of one executor that have no outcome yet, for several threads.

    Parameters
    ----------
    folders
        Where their folders come from: that of a task that fails is the next try's.
    """

    def __init__(self, folders: TaskFolders) -> None:
        self._folders = folders
        self._open: dict[Future[Any], Task] = {}
        self._ended: dict[str, float] = {}
        self._lock = threading.Lock()

    def add(self, answer: Future[Any], task: Task) -> None:
        """Add a task by its future, whose outcome is set by who then takes it."""
        answer.set_running_or_notify_cancel()
        with self._lock:
            self._open[answer] = task

    @contextlib.contextmanager
    def handing_over(self, answer: Future[Any], task: Task) -> Iterator[None]:
        """Add a task while it is handed over; one that is refused is removed again."""
        self.add(answer, task)
        try:
            yield
        except BaseException:
            self._folders.release(task)
            self.take(answer)
            raise

    def take(self, answer: Future[Any]) -> bool:
        """Remove a task; return whether it was there."""
        with self._lock:
            return self._open.pop(answer, None) is not None

    def fail(self, answer: Future[Any], task: Task, error: BaseException) -> None:
        """Fail a task that was taken; the next equal call goes on in its folder."""
        self._folders.release(task)
        answer.set_exception(error)

    def note_ended(self, blocks: Mapping[str, JobStatus]) -> list[str]:
        """Return the names of those `blocks` that have ended since the last call."""
        ended = [name for name, block in blocks.items() if block.terminal]
        fresh = [name for name in ended if name not in self._ended]
        self._ended.update(dict.fromkeys(fresh, time.monotonic()))
        return fresh

    def fail_lost(self, cause: Callable[[str], HybridParslError]) -> None:
        """Fail the tasks of blocks that ended some seconds ago: no result is on its way any more.

        Parameters
        ----------
        cause
            Returns the error of all tasks of a block.
        """
        if not self._ended:
            return
        latest = time.monotonic() - _ON_ITS_WAY_S
        with self._lock:
            tasks = list(self._open.items())
        for answer, task in tasks:
            name = task.folder.block_name()
            if name is not None and self._ended.get(name, latest) < latest and self.take(answer):
                self.fail(answer, task, cause(name))
