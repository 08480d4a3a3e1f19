"""Objectives whose minima are known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

BOX = np.array([[0.0, math.pi], [0.0, math.pi]])


class Quadratic:
    """``sum_k (k + 1) (x_k - 1)**2 - 3``: lowest, -3, where every angle is 1."""

    def __init__(self, n_parameters: int = 2) -> None:
        self.n_parameters = n_parameters
        self._weights = np.arange(1.0, n_parameters + 1)

    def energy(self, parameters: NDArray[float64]) -> float:
        """Return the energy."""
        return float(self._weights @ (parameters - 1) ** 2 - 3)

    def energy_and_gradient(self, parameters: NDArray[float64]) -> tuple[float, NDArray[float64]]:
        """Return the energy and its gradient."""
        return self.energy(parameters), 2 * self._weights * (parameters - 1)


class Cosines:
    """``sum_k cos(x_k)`` of two angles: lowest, -2, where each is an odd multiple of pi."""

    n_parameters = 2

    def energy(self, parameters: NDArray[float64]) -> float:
        """Return the energy."""
        return float(np.cos(parameters).sum())

    def energy_and_gradient(self, parameters: NDArray[float64]) -> tuple[float, NDArray[float64]]:
        """Return the energy and its gradient."""
        return self.energy(parameters), -np.sin(parameters)


class WithoutGradient:
    """Another objective, without its gradient."""

    def __init__(self, inner: Quadratic | Cosines) -> None:
        self.n_parameters = inner.n_parameters
        self.energy = inner.energy
