"""Problems that go wrong in the middle of a run; named ``failing_problems:Class``."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from hybrid_parsl.mpi.team import current_team
from hybrid_parsl.problems.bell import Bell


class Raising(Bell):
    """Raises on rank 1 while the search is made ready."""

    def observable(self) -> Any:
        if current_team().rank == 1:
            raise ValueError("no such observable")
        return super().observable()


class Killed(Bell):
    """Rank 1 is killed while the search is made ready."""

    def observable(self) -> Any:
        if current_team().rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(300)


class Slow(Bell):
    """The search takes minutes."""

    def observable(self) -> Any:
        time.sleep(300)


class BrokenCircuit(Bell):
    """The search finds angles, but the circuit to be sampled cannot be made."""

    def energies(self, bitstrings: Any) -> Any:
        raise RuntimeError(f"energies of {len(bitstrings)} outcomes are out of order")
