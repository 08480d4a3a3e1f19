"""Problems that go wrong in the middle of a run; named ``failing_problems:Class``."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from hybrid_parsl.mpi.team import current_team
from hybrid_parsl.optimize.search import STRATEGIES
from hybrid_parsl.problems.bell import Bell, BellSettings


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


class Huge(Bell):
    """More qubits than an index of 64 bits counts the states of."""

    ansatz = "alternating"

    @property
    def n_qubits(self) -> int:
        return 64


class BrokenCircuit(Bell):
    """The search finds angles, but what is sampled there has no energies."""

    def energies(self, bitstrings: Any) -> Any:
        if list(bitstrings) == ["00", "11"]:  # asked before the run, whether it can be used
            return super().energies(bitstrings)
        raise RuntimeError(f"energies of {len(bitstrings)} outcomes are out of order")


class WaitingSettings(BellSettings):
    """Names what is waited for."""

    go: str
    """The path of a file."""


class Waiting(Bell):
    """The search does not begin until there is a file; one that says ``fail`` makes it fail."""

    Settings = WaitingSettings

    def observable(self) -> Any:
        path = Path(self.settings.go)
        while not path.exists():
            time.sleep(0.05)
        if path.read_text() == "fail":
            raise ValueError("told to fail")
        return super().observable()


class Talking(Waiting):
    """Each rank says where it is, and then waits."""

    def observable(self) -> Any:
        sys.stdout.write(f"rank {current_team().rank} is here\n")
        sys.stdout.flush()
        return super().observable()


class Stalling(Waiting):
    """The search finishes three starts, and the others not before there is a file."""

    def observable(self) -> Any:
        strategy, go = STRATEGIES["cobyla"], Path(self.settings.go)

        def run(objective: Any, bounds: Any, index: int, settings: Any) -> Any:
            while index >= 3 and not go.exists():
                time.sleep(0.05)
            return strategy.run(objective, bounds, index, settings)

        STRATEGIES["cobyla"] = replace(strategy, run=run)
        return Bell.observable(self)
