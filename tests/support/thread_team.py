"""A `Team` of threads of one process: the ranks of a search without MPI."""

from __future__ import annotations

import itertools
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class _Meeting:
    """What the ranks of one team share."""

    def __init__(self, size: int) -> None:
        self.barrier = threading.Barrier(size)
        self.counter = itertools.count()
        self.values: list[Any] = [None] * size


class ThreadTeam:
    """One rank of a team of threads."""

    def __init__(self, rank: int, size: int, meeting: _Meeting) -> None:
        self.rank = rank
        self.size = size
        self._meeting = meeting

    def deal(self, n: int) -> Iterator[int]:
        """Yield this rank's share of 0 to ``n - 1``, one at a time on demand."""
        self._all(None)
        if self.rank == 0:
            self._meeting.counter = itertools.count()
        self._all(None)
        while (number := next(self._meeting.counter)) < n:
            yield number

    def gather(self, value: Any) -> list[Any] | None:
        """Return every rank's `value` on rank 0."""
        gathered = self._all(value)
        return gathered if self.rank == 0 else None

    def share(self, value: Any) -> Any:
        """Return rank 0's `value`."""
        return self._all(value)[0]

    def once_per_node(self, action: Callable[[], object]) -> None:
        """Carry out `action` on rank 0."""
        if self.rank == 0:
            action()
        self._all(None)

    def hosts(self) -> list[str]:
        """Return one name."""
        return ["here"]

    def _all(self, value: Any) -> list[Any]:
        meeting = self._meeting
        meeting.values[self.rank] = pickle.dumps(value)
        meeting.barrier.wait(PATIENCE_S)
        values = [pickle.loads(each) for each in meeting.values]
        meeting.barrier.wait(PATIENCE_S)
        return values


def on_threads(size: int, function: Callable[[ThreadTeam], Any]) -> list[Any]:
    """Return what `function` returns on each rank of a team of `size` threads."""
    meeting = _Meeting(size)

    def rank(number: int) -> Any:
        try:
            return function(ThreadTeam(number, size, meeting))
        except BaseException:
            meeting.barrier.abort()
            raise

    with ThreadPoolExecutor(size) as pool:
        futures = [pool.submit(rank, number) for number in range(size)]
    errors = [error for future in futures if (error := future.exception()) is not None]
    for error in errors:
        if not isinstance(error, threading.BrokenBarrierError):
            raise error
    return [future.result() for future in futures]
