"""The units in which a search works, so that it does not depend on those of the cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hybrid_parsl.optimize.objective import DifferentiableObjective

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    from hybrid_parsl.optimize.objective import Objective
    from hybrid_parsl.optimize.start import Start


@dataclass(frozen=True)
class Scaling:
    """Units of parameters and energies, and what is added to every energy.

    Attributes
    ----------
    parameters
        Each parameter is multiplied by this, shape ``(n_parameters,)``; above 0.
    energy
        The energy is divided by this. A power of two, so that no digit of an energy changes.
    offset
        A constant of the cost that the objective leaves out.
    """

    parameters: NDArray[float64]
    energy: float = 1.0
    offset: float = 0.0

    def bounds(self, bounds: NDArray[float64]) -> NDArray[float64]:
        """Return the box `bounds`, shape ``(n_parameters, 2)``, in the units of the search."""
        return bounds * self.parameters[:, np.newaxis]

    def restore(self, start: Start) -> Start:
        """Return a start in the units of the cost."""
        return replace(
            start,
            energy=start.energy * self.energy,
            parameters=(np.array(start.parameters) / self.parameters).tolist()
            if start.parameters
            else [],
            trace=[energy * self.energy for energy in start.trace],
            offset=self.offset,
        )


class Scaled:
    """An objective in the units of a search.

    Parameters
    ----------
    objective
        In the units of the cost.
    scaling
        The units; its offset is left aside.
    """

    def __init__(self, objective: Objective, scaling: Scaling) -> None:
        self._objective = objective
        self._scaling = scaling

    @property
    def n_parameters(self) -> int:
        """Length of the vector of parameters."""
        return len(self._scaling.parameters)

    def energy(self, parameters: NDArray[float64]) -> float:
        """Return the energy at `parameters`."""
        inner = parameters / self._scaling.parameters
        return float(self._objective.energy(inner) / self._scaling.energy)


class ScaledDifferentiable(Scaled):
    """An objective with a gradient in the units of a search.

    Parameters
    ----------
    objective, scaling
        As of `Scaled`.
    """

    def __init__(self, objective: DifferentiableObjective, scaling: Scaling) -> None:
        super().__init__(objective, scaling)
        self._differentiable = objective

    def energy_and_gradient(self, parameters: NDArray[float64]) -> tuple[float, NDArray[float64]]:
        """Return the energy at `parameters` and its gradient."""
        units = self._scaling.parameters
        energy, gradient = self._differentiable.energy_and_gradient(parameters / units)
        return energy / self._scaling.energy, gradient / self._scaling.energy / units


def scaled(objective: Objective, scaling: Scaling) -> Scaled:
    """Return an objective in the units of a search, with a gradient if it has one."""
    if isinstance(objective, DifferentiableObjective):
        return ScaledDifferentiable(objective, scaling)
    return Scaled(objective, scaling)
