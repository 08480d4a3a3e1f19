"""Units of a search: what the strategies see, and what comes back."""

from __future__ import annotations

import numpy as np
import pytest

from hybrid_parsl.optimize.objective import DifferentiableObjective
from hybrid_parsl.optimize.scaling import Scaling, scaled
from hybrid_parsl.optimize.start import Start

SCALING = Scaling(np.array([4.0, 1.0]), energy=2.0, offset=10.0)


class Bowl:
    n_parameters = 2

    def energy(self, parameters: np.ndarray) -> float:
        return float(parameters @ parameters)

    def energy_and_gradient(self, parameters: np.ndarray) -> tuple[float, np.ndarray]:
        return self.energy(parameters), 2 * parameters


def test_the_objective_is_seen_in_the_units_of_the_search() -> None:
    inner = scaled(Bowl(), SCALING)
    assert isinstance(inner, DifferentiableObjective)
    at = np.array([8.0, 3.0])
    energy, gradient = inner.energy_and_gradient(at)
    assert energy == inner.energy(at) == (2.0**2 + 3.0**2) / 2
    for k, step in enumerate(np.eye(2) * 1e-6):
        slope = (inner.energy(at + step) - inner.energy(at - step)) / 2e-6
        assert gradient[k] == pytest.approx(slope, rel=1e-6)
    assert SCALING.bounds(np.array([[0.0, 1.0], [-1.0, 1.0]])).tolist() == [[0, 4], [-1, 1]]


def test_a_start_comes_back_in_the_units_of_the_cost() -> None:
    start = SCALING.restore(Start(3, -1.5, [8.0, 3.0], [0.5, -1.5], 7, moved=True))
    assert (start.energy, start.total, start.parameters) == (-3.0, 7.0, [2.0, 3.0])
    assert start.trace == [1.0, -3.0]
    summary = SCALING.restore(start.summary())
    assert summary.parameters == []
