"""Starts jobs on this computer one after another when there are not enough processors for all."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from concurrent.futures import InvalidStateError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future


@dataclass(frozen=True, eq=False)
class _Waiting:
    """A job that waits for processors."""

    n_processors: int
    future: Future[Any]
    begin: Callable[[], None]
    drop: Callable[[], None]


class ProcessorQueue:
    """Jobs that share the processors of this computer, first come, first served.

    A job that asks for more processors than there are runs alone.

    Parameters
    ----------
    n_processors
        How many there are, at least 1.
    """

    def __init__(self, n_processors: int) -> None:
        self._most = n_processors
        self._free = n_processors
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def start(
        self,
        n_processors: int,
        future: Future[Any],
        begin: Callable[[], None],
        drop: Callable[[], None],
    ) -> None:
        """Begin a job, now or when processors are free.

        Parameters
        ----------
        n_processors
            How many it uses.
        future
            Its outcome; processors are given back when it is there. Cancelled before the job
            has begun, it never begins.
        begin
            Begins the job. What it raises is raised here if it is called now, and else becomes
            the outcome.
        drop
            Called instead if the job never begins.
        """
        job = _Waiting(min(n_processors, self._most), future, begin, drop)
        with self._changed:
            is_next = not self._waiting and job.n_processors <= self._free
            if is_next:
                self._free -= job.n_processors
            else:
                self._waiting.append(job)
                self._follow()
        if not is_next:
            future.add_done_callback(lambda _: self._look())
            return
        try:
            begin()
        except BaseException:
            self._give_back(job.n_processors)
            raise
        future.add_done_callback(lambda _: self._give_back(job.n_processors))

    def occupy(self, n_processors: int, future: Future[Any]) -> None:
        """Count a job that runs already until its outcome is there."""
        taken = min(n_processors, self._most)
        with self._changed:
            self._free -= taken
        future.add_done_callback(lambda _: self._give_back(taken))

    def close(self) -> None:
        """Cancel all jobs that have not begun."""
        with self._changed:
            left, self._waiting = self._waiting, deque()
            self._changed.notify()
        for job in left:
            job.future.cancel()
            job.drop()

    def _look(self) -> None:
        """Let the thread see that a job has been cancelled."""
        with self._changed:
            self._changed.notify()

    def _give_back(self, n_processors: int) -> None:
        """Let others have processors."""
        with self._changed:
            self._free += n_processors
            self._changed.notify()

    def _follow(self) -> None:
        """Start the thread that begins waiting jobs, unless it runs."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="local jobs", daemon=True)
            self._thread.start()
        self._changed.notify()

    def _work(self) -> None:
        """Begin jobs as processors become free, until none waits."""
        while True:
            with self._changed:
                while self._waiting and not self._may_begin(self._waiting[0]):
                    self._changed.wait()
                if not self._waiting:
                    self._thread = None
                    return
                job = self._waiting.popleft()
                self._free -= job.n_processors
            self._begin(job)

    def _may_begin(self, job: _Waiting) -> bool:
        """Return whether processors are free for a job, or it is cancelled and needs none."""
        return job.n_processors <= self._free or job.future.cancelled()

    def _begin(self, job: _Waiting) -> None:
        """Begin a job that has waited."""
        if job.future.cancelled():
            job.drop()
        else:
            try:
                job.begin()
            except BaseException as error:  # noqa: BLE001 - it is the caller's, who has gone on
                job.drop()
                with contextlib.suppress(InvalidStateError):  # it was cancelled meanwhile
                    job.future.set_exception(error)
        job.future.add_done_callback(lambda _: self._give_back(job.n_processors))
