from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from analytic_objectives import BOX, Cosines, Quadratic, WithoutGradient

from hybrid_parsl.experiment import Search
from hybrid_parsl.optimize.local import Cobyla, Multistart
from hybrid_parsl.optimize.optimizer import seeded_point
from hybrid_parsl.optimize.spsa import Spsa

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    from hybrid_parsl.optimize.optimizer import Optimizer

OPTIMIZERS = [Multistart, Cobyla, Spsa]
CLOSE = {Multistart: 1e-8, Cobyla: 1e-4, Spsa: 2e-2}


def test_a_seeded_point_is_in_the_box_and_depends_on_seed_and_index_alone() -> None:
    box = np.array([[-1.0, 1.0], [5.0, 5.5], [0.0, 1e-3]])
    points = np.array([seeded_point(box, seed, index) for seed in (0, 1) for index in range(100)])
    assert np.all((points >= box[:, 0]) & (points < box[:, 1]))
    assert len(np.unique(points, axis=0)) == 200
    np.testing.assert_array_equal(points[42], seeded_point(box, 0, 42))
    spread = (points - box[:, 0]) / (box[:, 1] - box[:, 0])
    assert np.all(np.abs(spread.mean(axis=0) - 0.5) < 0.1)


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("index", [0, 1, 7])
def test_a_quadratic_is_minimised(optimizer: type[Optimizer], index: int) -> None:
    objective = Quadratic(3)
    settings = Search(seed=3, iterations=400)
    start = optimizer(settings).run(objective, np.array([[0.0, math.pi]] * 3), index)
    assert start.energy == pytest.approx(-3, abs=CLOSE[optimizer])
    assert start.parameters == pytest.approx([1, 1, 1], abs=10 * CLOSE[optimizer] ** 0.5)
    assert start.index == index


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_cosine_is_minimised_beyond_the_box(optimizer: type[Optimizer]) -> None:
    settings = Search(seed=5, iterations=300)
    start = optimizer(settings).run(Cosines(), BOX / 2, 2)  # pi is not in this box
    assert start.energy == pytest.approx(-2, abs=CLOSE[optimizer])
    turns = np.array(start.parameters) / math.pi
    assert np.round(turns) % 2 == pytest.approx([1, 1])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_start_tells_the_truth_about_itself(optimizer: type[Optimizer]) -> None:
    calls: list[float] = []

    class Counted(Quadratic):
        def energy(self, parameters: NDArray[float64]) -> float:
            calls.append(super().energy(parameters))
            return calls[-1]

    start = optimizer(Search(iterations=25, seed=1)).run(Counted(), BOX, 4)
    assert start.n_evaluations == len(calls)
    assert start.energy == min(calls)
    assert start.energy == Quadratic().energy(np.array(start.parameters))
    assert all(
        later <= earlier for earlier, later in zip(start.trace, start.trace[1:], strict=False)
    )
    assert start.trace[-1] >= start.energy
    assert 1 <= len(start.trace) <= 27


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_start_repeats_to_the_last_bit_and_differs_from_the_next(
    optimizer: type[Optimizer],
) -> None:
    settings = Search(iterations=5, seed=11)
    first, again, other = (optimizer(settings).run(Quadratic(), BOX, index) for index in (3, 3, 4))
    assert first == again
    assert first.trace != other.trace
    assert optimizer(Search(iterations=5, seed=12)).run(Quadratic(), BOX, 3).trace != first.trace


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_iterations_are_bounded(optimizer: type[Optimizer]) -> None:
    few = optimizer(Search(iterations=3, seed=2)).run(Cosines(), BOX, 0)
    assert len(few.trace) <= 4
    assert few.n_evaluations <= 60


def test_each_start_of_spsa_is_perturbed_in_its_own_way() -> None:
    box = np.array([[0.0, math.pi]] * 12)
    calls: list[NDArray[float64]] = []

    class Seen(Quadratic):
        def energy(self, parameters: NDArray[float64]) -> float:
            calls.append(parameters)
            return super().energy(parameters)

    signs = set()
    for index in range(6):
        calls.clear()
        Spsa(Search(iterations=1)).run(Seen(12), box, index)
        signs.add(tuple(np.sign(calls[0] - seeded_point(box, 0, index))))
    assert len(signs) == 6


def test_a_looser_tolerance_ends_sooner() -> None:
    tight, loose = (
        Multistart(Search(seed=1, tolerance=value)).run(Cosines(), BOX, 0) for value in (1e-14, 0.5)
    )
    assert loose.n_evaluations < tight.n_evaluations


@pytest.mark.parametrize("optimizer", [Cobyla, Spsa])
def test_no_gradient_is_needed(optimizer: type[Optimizer]) -> None:
    settings = Search(iterations=30, seed=2)
    with_gradient = optimizer(settings).run(Quadratic(), BOX, 0)
    assert optimizer(settings).run(WithoutGradient(Quadratic()), BOX, 0) == with_gradient


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_energy_that_is_nowhere_finite_ends_a_start_without_an_error(
    optimizer: type[Optimizer],
) -> None:
    class Nowhere(Quadratic):
        def energy(self, parameters: NDArray[float64]) -> float:  # noqa: ARG002
            return float("nan")

        def energy_and_gradient(
            self, parameters: NDArray[float64]
        ) -> tuple[float, NDArray[float64]]:
            return float("nan"), np.full_like(parameters, np.nan)

    with np.errstate(invalid="ignore"):
        start = optimizer(Search(iterations=4)).run(Nowhere(), BOX, 0)
    assert start.energy == math.inf
    assert start.parameters == []


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_wall_of_nan_is_survived(optimizer: type[Optimizer]) -> None:
    class Walled(Quadratic):
        def energy(self, parameters: NDArray[float64]) -> float:
            return float("nan") if parameters[0] > 1.5 else super().energy(parameters)

    ends = [
        optimizer(Search(iterations=50, seed=4)).run(Walled(), BOX, index) for index in range(8)
    ]
    assert min(end.energy for end in ends) < -2.5
    assert all(end.energy == math.inf or end.parameters[0] <= 1.5 for end in ends)
