"""The ranks that search together, as the strategies see them."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Team(Protocol):
    """A group of processes that run the same function on different shares of the work.

    Attributes
    ----------
    rank
        This process, 0 to ``size - 1``.
    size
        Number of processes, at least 1.
    """

    @property
    def rank(self) -> int:
        """This process, 0 to ``size - 1``."""

    @property
    def size(self) -> int:
        """Number of processes, at least 1."""

    def deal(self, n: int) -> Iterator[int]:
        """Yield this rank's share of 0 to ``n - 1``, one at a time on demand.

        Every rank calls it together with the same `n`; over all ranks, each number comes once.
        """

    def gather(self, value: Any) -> list[Any] | None:
        """Return every rank's `value`, by rank, on rank 0; None on the others."""

    def share(self, value: Any) -> Any:
        """Return rank 0's `value` on every rank."""

    def once_per_node(self, action: Callable[[], object]) -> None:
        """Carry out `action` on one rank of each node while the others wait."""

    def hosts(self) -> list[str]:
        """Return the distinct names of the nodes, sorted, on every rank."""


class SoloTeam:
    """A team of one process."""

    rank = 0
    size = 1

    def deal(self, n: int) -> Iterator[int]:
        """Yield 0 to ``n - 1``."""
        yield from range(n)

    def gather(self, value: Any) -> list[Any] | None:
        """Return `value` in a list."""
        return [value]

    def share(self, value: Any) -> Any:
        """Return `value`."""
        return value

    def once_per_node(self, action: Callable[[], object]) -> None:
        """Carry out `action`."""
        action()

    def hosts(self) -> list[str]:
        """Return the name of this host."""
        return [socket.gethostname()]
