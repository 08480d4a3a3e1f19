"""One start of a search: where it ended and how it got there."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hybrid_parsl.optimize.objective import DifferentiableObjective

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    from hybrid_parsl.optimize.objective import Objective


@dataclass(frozen=True)
class Start:
    """The outcome of one start.

    Attributes
    ----------
    index
        Its number, from 0.
    energy
        The lowest energy it found, without `offset`.
    parameters
        The angles in radians where it found it, shape ``(n_parameters,)``.
    trace
        Best energy after each iteration, without `offset`.
    n_evaluations
        Number of evaluations of the energy.
    moved
        Whether any later point was better than the first.
    offset
        A constant of the cost. Starts are compared without it: it may hide their last digits.
    """

    index: int
    energy: float
    parameters: list[float]
    trace: list[float]
    n_evaluations: int
    moved: bool = True
    offset: float = 0.0

    @property
    def order(self) -> tuple[float, int]:
        """Sort key that makes the best of many starts unique: the energy, then the index."""
        return (self.energy, self.index)

    @property
    def total(self) -> float:
        """The energy with its offset."""
        return self.energy + self.offset

    def summary(self) -> Start:
        """Return the start without what is wanted of the best one only."""
        return replace(self, parameters=[], trace=[])

    def to_json(self) -> str:
        """Return the start as one line of JSON; numbers keep all their digits."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Start:
        """Return the start that a line of JSON held."""
        return cls(
            index=int(values["index"]),
            energy=float(values["energy"]),
            parameters=[float(value) for value in values["parameters"]],
            trace=[float(value) for value in values["trace"]],
            n_evaluations=int(values["n_evaluations"]),
            moved=bool(values.get("moved", True)),
            offset=float(values.get("offset", 0.0)),
        )


@dataclass
class Recorder:
    """An objective that remembers its best point and how the energy went down.

    It is what an optimiser minimises in one start. An energy that is not a finite number counts
    as infinitely high, so that a start that runs into one can still end with the best point
    before it.
    """

    objective: Objective
    n_evaluations: int = 0
    best_energy: float = np.inf
    best_parameters: list[float] = field(default_factory=list)
    trace: list[float] = field(default_factory=list)
    moved: bool = False

    @cached_property
    def _differentiable(self) -> DifferentiableObjective | None:
        """The objective, if it has an exact gradient."""
        return self.objective if isinstance(self.objective, DifferentiableObjective) else None

    @property
    def has_gradient(self) -> bool:
        """Whether the objective has an exact gradient."""
        return self._differentiable is not None

    def energy(self, parameters: NDArray[float64]) -> float:
        """Evaluate the energy and remember it."""
        return self.note(parameters, self.objective.energy(parameters))

    def energy_and_gradient(self, parameters: NDArray[float64]) -> tuple[float, NDArray[float64]]:
        """Evaluate the energy, and its exact gradient, and remember the energy.

        Raises
        ------
        TypeError
            If the objective has no gradient.
        """
        differentiable = self._differentiable
        if differentiable is None:
            raise TypeError("this objective has no exact gradient")
        energy, gradient = differentiable.energy_and_gradient(parameters)
        return self.note(parameters, energy), gradient

    def note(self, parameters: NDArray[float64], energy: float) -> float:
        """Remember that `energy` was found at `parameters`; return it."""
        self.n_evaluations += 1
        energy = float(energy)
        if not np.isfinite(energy):
            return float(np.inf)
        if energy < self.best_energy:
            self.moved = self.n_evaluations > 1
            self.best_energy = energy
            self.best_parameters = np.asarray(parameters, dtype=np.float64).tolist()
        return energy

    def mark(self, *_: object, **__: object) -> None:
        """Note the end of an iteration; fits every optimiser's callback."""
        self.trace.append(self.best_energy)

    def finish(self, index: int) -> Start:
        """Return the outcome as start number `index`."""
        trace = self.trace or [self.best_energy]
        return Start(
            index, self.best_energy, self.best_parameters, trace, self.n_evaluations, self.moved
        )
