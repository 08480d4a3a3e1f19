"""A few threads for what takes time: logs and deletions, for all jobs together."""

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

_LAST_WAIT_S = 5.0


class Workers:
    """Threads that end with the program, but give what is under way a moment to finish.

    Parameters
    ----------
    n_threads
        At most so many; they are started when there is work.
    """

    def __init__(self, n_threads: int) -> None:
        self._n_threads = n_threads
        self._threads: list[threading.Thread] = []
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._n_open = 0
        atexit.register(_drain, weakref.ref(self))

    def do(self, task: Callable[[], None]) -> None:
        """Call `task` on one of the threads, soon."""
        with self._changed:
            self._n_open += 1
            if len(self._threads) < min(self._n_threads, self._n_open):
                self._start_thread()
        self._queue.put(task)

    def drain(self, timeout_s: float) -> None:
        """Wait until nothing is left to do, at most `timeout_s` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._n_open == 0, timeout_s)

    def close(self) -> None:
        """Finish what there is, and end the threads."""
        self.drain(_LAST_WAIT_S)
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(_LAST_WAIT_S)

    def _start_thread(self) -> None:
        """Start another thread; where the system gives none, those that there are do its work."""
        name = f"psij-kubernetes {len(self._threads) + 1}"
        thread = threading.Thread(target=self._run, name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            logger.warning("%s of %d threads: %s", len(self._threads), self._n_threads, error)
        else:
            self._threads.append(thread)

    def _run(self) -> None:
        """Do one task after the other."""
        while (task := self._queue.get()) is not None:
            try:
                task()
            except Exception:
                logger.exception("psij-kubernetes")
            with self._changed:
                self._n_open -= 1
                self._changed.notify_all()


def _drain(reference: weakref.ref[Workers]) -> None:
    """Let the threads finish if there are any."""
    workers = reference()
    if workers is not None:
        workers.drain(_LAST_WAIT_S)
