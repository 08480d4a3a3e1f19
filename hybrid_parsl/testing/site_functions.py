"""Functions that the contract tests of sites run where tasks run; they need no pytest there."""

from __future__ import annotations

from hybrid_parsl.errors import ResultError
from hybrid_parsl.mpi.team import current_team


def double(number: int) -> int:
    """Return twice the number."""
    return 2 * number


def fail(reason: str) -> None:
    """Raise an error of this package.

    Raises
    ------
    ResultError
        Always.
    """
    raise ResultError(reason)


def rank_count() -> int:
    """Return the number of ranks that found each other."""
    return current_team().size
