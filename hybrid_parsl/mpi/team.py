"""A `Team` of MPI ranks."""

from __future__ import annotations

import contextlib
import sys
import time
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from hybrid_parsl.optimize.team import SoloTeam, Team

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mpi4py import MPI


_PAUSE_S = 0.005


_alone: ContextVar[SoloTeam | None] = ContextVar("alone", default=None)


def current_team() -> Team:
    """Return the ranks that run the same function as this process, always the same object.

    A process that was started as a rank has imported MPI by now; any other is alone. The
    first call is collective.
    """
    return _alone.get() or _all_ranks()


@contextlib.contextmanager
def each_alone() -> Iterator[None]:
    """Let this rank be a team of its own."""
    token = _alone.set(SoloTeam())
    try:
        yield
    finally:
        _alone.reset(token)


@cache
def _all_ranks() -> Team:
    """Return all ranks of this process's job."""
    if "mpi4py.MPI" not in sys.modules:
        return SoloTeam()
    from mpi4py import MPI

    return SoloTeam() if MPI.COMM_WORLD.size == 1 else MpiTeam(MPI.COMM_WORLD)


def close_team() -> None:
    """Give back what the team of this process holds; collective, no error if there is none."""
    if _all_ranks.cache_info().currsize:
        team = _all_ranks()
        if isinstance(team, MpiTeam):
            team.close()
        _all_ranks.cache_clear()


class MpiTeam:
    """The ranks of an MPI communicator.

    The shared counter is one integer in the memory of rank 0 that every rank fetches and
    increments by one-sided communication (MPI 4.1, section 12.3.4, MPI_Fetch_and_op): no rank
    serves the others. Between nodes, some transports move it on only while rank 0 is inside
    an MPI call, that is between two of its own starts.

    Parameters
    ----------
    communicator
        The ranks; making the team and each `gather`, `share`, `once_per_node` and `hosts` is
        collective.
    """

    def __init__(self, communicator: MPI.Intracomm) -> None:
        from mpi4py import MPI

        self._communicator = communicator
        self._one = np.ones(1, dtype=np.int64)
        size = self._one.nbytes if communicator.rank == 0 else 0
        self._counter = MPI.Win.Allocate(size, self._one.nbytes, comm=communicator)
        self._counter.Lock_all()

    @property
    def rank(self) -> int:
        """This process, 0 to ``size - 1``."""
        return int(self._communicator.rank)

    @property
    def size(self) -> int:
        """Number of ranks."""
        return int(self._communicator.size)

    def deal(self, n: int) -> Iterator[int]:
        """Yield this rank's share of 0 to ``n - 1``, one at a time on demand; collective."""
        self._communicator.Barrier()
        if self.rank == 0:
            self._counter.Put(np.zeros_like(self._one), 0)
            self._counter.Flush(0)
        self._communicator.Barrier()
        taken = np.empty(1, dtype=np.int64)
        while True:
            self._counter.Fetch_and_op(self._one, taken, 0)
            self._counter.Flush(0)
            if taken[0] >= n:
                return
            yield int(taken[0])

    def gather(self, value: Any) -> list[Any] | None:
        """Return every rank's `value`, by rank, on rank 0; None on the others."""
        return self._communicator.gather(value)

    def share(self, value: Any) -> Any:
        """Return rank 0's `value` on every rank."""
        return self._communicator.bcast(value)

    def once_per_node(self, action: Callable[[], object]) -> None:
        """Carry out `action` on one rank of each node while the others sleep.

        In a barrier they would keep the processors busy that the action may need.
        """
        from mpi4py import MPI

        node = self._communicator.Split_type(MPI.COMM_TYPE_SHARED)
        if node.rank == 0:
            action()
        done = node.Ibarrier()
        while not done.Test():
            time.sleep(_PAUSE_S)
        node.Free()

    def close(self) -> None:
        """Give the counter back; collective."""
        self._counter.Unlock_all()
        self._counter.Free()

    def hosts(self) -> list[str]:
        """Return the distinct names of the nodes, sorted, on every rank."""
        from mpi4py import MPI

        return sorted(set(self._communicator.allgather(MPI.Get_processor_name())))
