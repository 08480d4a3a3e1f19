"""Problems that go wrong in the middle of a run; named ``failing_problems:Class``."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

from hybrid_parsl.mpi.team import current_team
from hybrid_parsl.optimize.local import Cobyla
from hybrid_parsl.problems.bell import Bell, BellSettings
from hybrid_parsl.tasks.folder import current_task_folder


class InTask(Bell):
    """Does something while the search is made ready, and nothing when it is checked before."""

    def observable(self) -> Any:
        if current_task_folder() is not None:
            self.begin()
        return super().observable()

    def begin(self) -> None:
        """Do it."""


class Raising(InTask):
    """Raises on rank 1 while the search is made ready."""

    def begin(self) -> None:
        if current_team().rank == 1:
            raise ValueError("no such observable")


class Killed(InTask):
    """Rank 1 is killed while the search is made ready."""

    def begin(self) -> None:
        if current_team().rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(300)


class Fatal(InTask):
    """Every rank is killed while the search is made ready."""

    def begin(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Slow(InTask):
    """The search takes minutes."""

    def begin(self) -> None:
        time.sleep(300)


class Huge(Bell):
    """More qubits than an index of 64 bits counts the states of."""

    ansatz = "alternating"

    @property
    def n_qubits(self) -> int:
        return 64


class BrokenCircuit(Bell):
    """The search finds angles, but what is sampled there has no energies."""

    is_checked = False

    def energies(self, bitstrings: Any) -> Any:
        if list(bitstrings) == ["00", "11"]:  # the first question of a check before the run
            self.is_checked = True
        if self.is_checked:
            return super().energies(bitstrings)
        raise RuntimeError(f"energies of {len(bitstrings)} outcomes are out of order")


class WaitingSettings(BellSettings):
    """Names what is waited for."""

    go: str
    """The path of a file."""


class Waiting(InTask):
    """The search does not begin until there is a file; one that says ``fail`` makes it fail."""

    Settings = WaitingSettings

    def begin(self) -> None:
        path = Path(self.settings.go)
        while not path.exists():
            time.sleep(0.05)
        if path.read_text() == "fail":
            raise ValueError("told to fail")


class Talking(Waiting):
    """Each of several ranks says once where it is, and then waits."""

    has_spoken: ClassVar[bool] = False

    def begin(self) -> None:
        if current_team().size > 1 and not Talking.has_spoken:  # the quantum stage has one
            sys.stdout.write(f"rank {current_team().rank} is here\n")
            sys.stdout.flush()
        Talking.has_spoken = True
        super().begin()


class Stalling(Waiting):
    """The search finishes three starts, and the others not before there is a file."""

    def begin(self) -> None:
        run, go = Cobyla.run, Path(self.settings.go)

        def stall(self: Cobyla, objective: Any, bounds: Any, index: int) -> Any:
            while index >= 3 and not go.exists():
                time.sleep(0.05)
            return run(self, objective, bounds, index)

        Cobyla.run = stall


class NeedsNumbers(Bell):
    """A circuit that cannot be made of symbols, so that it has no exact gradient."""

    def circuit(self, parameters):
        """Compare an angle with a number, as symbols cannot."""
        theta, phi = parameters
        return super().circuit([theta if theta > 0 else -theta, phi])
