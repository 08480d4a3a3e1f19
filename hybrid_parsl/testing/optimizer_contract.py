"""Tests that every optimiser has to pass.

Examples
--------
>>> import pytest
>>> from hybrid_parsl.experiment import Search
>>> from hybrid_parsl.optimize.spsa import Spsa
>>> class TestSpsa(OptimizerContract):
...     @pytest.fixture
...     def optimizer(self):
...         return Spsa(Search(iterations=50, seed=3))
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from hybrid_parsl.optimize.optimizer import Optimizer
from hybrid_parsl.testing.strictness import refuses

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    from hybrid_parsl.optimize.objective import Objective
    from hybrid_parsl.optimize.start import Start


class Bowl:
    """``sum_k (k + 1) (x_k - 1)**2 - 3``: lowest, -3, where every angle is 1."""

    def __init__(self, n_parameters: int) -> None:
        self.n_parameters = n_parameters
        self.weights = np.arange(1.0, n_parameters + 1)
        self.calls: list[float] = []

    def energy(self, parameters: NDArray[float64]) -> float:
        """Return the energy."""
        self.calls.append(float(self.weights @ (np.asarray(parameters) - 1) ** 2 - 3))
        return self.calls[-1]

    def energy_and_gradient(self, parameters: NDArray[float64]) -> tuple[float, NDArray[float64]]:
        """Return the energy and its gradient."""
        return self.energy(parameters), 2 * self.weights * (parameters - 1)


class BowlWithoutGradient:
    """The energy of `Bowl` alone."""

    def __init__(self, n_parameters: int) -> None:
        bowl = Bowl(n_parameters)
        self.n_parameters, self.energy, self.calls = n_parameters, bowl.energy, bowl.calls


class OptimizerContract:
    """Inherit from it in a test module, and define a fixture ``optimizer``.

    The fixture returns an optimiser made of a `hybrid_parsl.experiment.Search` with options that
    suit it. Its iterations should be enough to gain something.

    Attributes
    ----------
    n_parameters
        The numbers of angles that are tried.
    """

    n_parameters: tuple[int, ...] = (1, 2, 5)

    def _bowls(self, optimizer: Optimizer) -> list[Any]:
        kinds: list[Any] = [Bowl]
        if optimizer.gradient != "required":
            kinds.append(BowlWithoutGradient)
        return [kind(number) for kind in kinds for number in self.n_parameters]

    def test_it_is_an_optimizer(self, optimizer: Optimizer) -> None:
        """The class derives from `Optimizer`, and takes its settings for these angles."""
        assert isinstance(optimizer, Optimizer)
        assert optimizer.gradient in {"unused", "optional", "required"}
        assert optimizer.portion >= 1
        for number in self.n_parameters:
            optimizer.check(number)

    def test_it_evaluates_and_improves(self, optimizer: Optimizer) -> None:
        """Starts are evaluated, and most of a method that moves end lower than they began."""
        for bowl in self._bowls(optimizer):
            starts = [optimizer.run(bowl, _box(bowl), index) for index in range(6)]
            assert all(start.n_evaluations >= 1 for start in starts)
            assert all(math.isfinite(start.energy) for start in starts)
            if optimizer.moves:
                assert sum(start.moved for start in starts) > len(starts) // 2

    def test_the_record_is_that_of_the_objective(self, optimizer: Optimizer) -> None:
        """Every evaluation goes through the recorder, and the best one is the outcome."""
        for bowl in self._bowls(optimizer):
            start = optimizer.run(bowl, _box(bowl), 0)
            assert start.n_evaluations == len(bowl.calls)
            assert start.energy == min(bowl.calls)
            assert bowl.energy(np.array(start.parameters)) == start.energy
            assert len(start.parameters) == bowl.n_parameters

    def test_the_trace_goes_down(self, optimizer: Optimizer) -> None:
        """The best energy never rises from one iteration to the next."""
        for bowl in self._bowls(optimizer):
            trace = optimizer.run(bowl, _box(bowl), 1).trace
            assert trace
            assert trace == sorted(trace, reverse=True)

    def test_a_start_depends_on_its_seed_and_index_alone(self, optimizer: Optimizer) -> None:
        """Any rank may carry out any start, in any order, to the last bit."""
        for bowl in self._bowls(optimizer):
            there = [_start(optimizer, bowl, index) for index in range(4)]
            back = [_start(optimizer, bowl, index) for index in reversed(range(4))]
            again = [_start(type(optimizer)(optimizer.search), bowl, index) for index in range(4)]
            assert there == back[::-1] == again

    def test_energies_that_are_not_finite_end_no_search(self, optimizer: Optimizer) -> None:
        """A start that finds no finite energy has infinite energy and no parameters."""

        class Nowhere(Bowl):
            def energy(self, parameters: NDArray[float64]) -> float:  # noqa: ARG002
                return math.nan

        with np.errstate(all="ignore"):
            start = optimizer.run(Nowhere(2), _box(Nowhere(2)), 0)
        assert (start.energy, start.parameters) == (math.inf, [])

    def test_options_are_read_strictly(self, optimizer: Optimizer) -> None:
        """An unknown key of ``[search] options`` is refused."""
        unknown = {**optimizer.search.options, "no_such_option_of_any_optimizer": 1}
        assert refuses(optimizer.Options, unknown), "Options should have extra='forbid'"


def _box(objective: Objective) -> NDArray[float64]:
    """Return the box that starts are drawn from, without the minimum at its centre."""
    return np.array([[0.0, math.pi]] * objective.n_parameters)


def _start(optimizer: Optimizer, objective: Objective, index: int) -> Start:
    """Carry out a start."""
    return optimizer.run(objective, _box(objective), index)
