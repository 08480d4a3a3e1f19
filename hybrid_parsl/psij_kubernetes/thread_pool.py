"""A pool of daemon threads for logs and deletions.

`concurrent.futures.ThreadPoolExecutor` joins its threads when the interpreter exits, however long
they take: a hanging API server would keep the process alive. It also fails a submission if the
system cannot start another thread.
"""

from __future__ import annotations

import atexit
import logging
import queue
import threading
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

_EXIT_TIMEOUT_S = 5.0


class DaemonThreadPool:
    """Pool that waits at exit, but only briefly, for tasks under way.

    Parameters
    ----------
    n_threads
        Maximum number of threads, started on demand; at least 1.
    """

    def __init__(self, n_threads: int) -> None:
        self._n_threads = n_threads
        self._threads: list[threading.Thread] = []
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._n_unfinished = 0
        atexit.register(_drain, weakref.ref(self))

    def submit(self, task: Callable[[], None]) -> None:
        """Run `task` on one of the threads; its errors are logged."""
        with self._changed:
            self._n_unfinished += 1
            if len(self._threads) < min(self._n_threads, self._n_unfinished):
                self._start_thread()
        self._queue.put(task)

    def drain(self, timeout_s: float) -> None:
        """Wait until all tasks have finished, at most `timeout_s` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._n_unfinished == 0, timeout_s)

    def close(self) -> None:
        """Finish the tasks, within a time limit, and stop the threads."""
        self.drain(_EXIT_TIMEOUT_S)
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(_EXIT_TIMEOUT_S)

    def _start_thread(self) -> None:
        """Start a thread; if the system cannot, the existing threads do its work."""
        name = f"psij-kubernetes {len(self._threads) + 1}"
        thread = threading.Thread(target=self._run, name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            logger.warning("%s of %d threads: %s", len(self._threads), self._n_threads, error)
        else:
            self._threads.append(thread)

    def _run(self) -> None:
        """Run tasks until the pool is closed."""
        while (task := self._queue.get()) is not None:
            try:
                task()
            except Exception:
                logger.exception("background task")
            with self._changed:
                self._n_unfinished -= 1
                self._changed.notify_all()


def _drain(reference: weakref.ref[DaemonThreadPool]) -> None:
    """Drain a pool if it still exists."""
    pool = reference()
    if pool is not None:
        pool.drain(_EXIT_TIMEOUT_S)
