"""What is minimised: an energy of a vector of angles, with or without its gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray


class Objective(Protocol):
    """An energy of ``n_parameters`` angles in radians."""

    @property
    def n_parameters(self) -> int:
        """Length of the vector of angles, at least 1."""

    def energy(self, parameters: NDArray[float64]) -> float:
        """Return the energy at `parameters`, shape ``(n_parameters,)``."""


@runtime_checkable
class DifferentiableObjective(Objective, Protocol):
    """An energy that knows its exact gradient."""

    def energy_and_gradient(self, parameters: NDArray[float64]) -> tuple[float, NDArray[float64]]:
        """Return the energy and its gradient, shape ``(n_parameters,)``."""
