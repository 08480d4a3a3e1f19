from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from analytic_objectives import BOX, Cosines, Quadratic
from hypothesis import given
from hypothesis import strategies as st

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import Search
from hybrid_parsl.optimize.points import Draw, Grid, SobolPoints

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    from hybrid_parsl.optimize.optimizer import Optimizer


def points(
    optimizer: type[Optimizer], box: NDArray[float64], n: int, **keys: int
) -> NDArray[float64]:
    asked = Search(starts=n, **keys)
    starts = [optimizer(asked).run(Quadratic(len(box)), box, index) for index in range(n)]
    assert [start.index for start in starts] == list(range(n))
    assert {start.n_evaluations for start in starts} == {1}
    return np.array([start.parameters for start in starts])


def test_a_grid_is_the_centres_of_equal_cells() -> None:
    found = points(Grid, np.array([[0.0, 1.0], [10.0, 14.0]]), 4)
    assert found.tolist() == [[0.25, 11.0], [0.25, 13.0], [0.75, 11.0], [0.75, 13.0]]


@given(starts=st.integers(1, 10_000_000), n_axes=st.integers(1, 24))
def test_a_grid_is_the_largest_that_fits(starts: int, n_axes: int) -> None:
    box = np.array([[0.0, 1.0]] * n_axes)
    asked = Search(starts=starts)
    if starts < 2**n_axes:
        with pytest.raises(ConfigurationError) as caught:
            Grid(asked).run(Quadratic(n_axes), box, 0)
        assert caught.value.key == "search.starts"
        assert caught.value.valid == f"at least {2**n_axes}"
        return
    first = Grid(asked).run(Quadratic(n_axes), box, 0).parameters[0]
    per_axis = round(0.5 / first)
    assert per_axis**n_axes <= starts < (per_axis + 1) ** n_axes
    last = Grid(asked).run(Quadratic(n_axes), box, starts - 1).parameters
    assert last == pytest.approx([1 - first] * n_axes)


@pytest.mark.parametrize("starts", [k**n for n in (2, 3, 5, 7) for k in (2, 3, 6, 9)])
def test_a_power_is_not_lost_to_rounding(starts: int) -> None:
    n_axes, per_axis = next((n, k) for n in (2, 3, 5, 7) for k in (2, 3, 6, 9) if k**n == starts)
    start = Grid(Search(starts=starts)).run(Quadratic(n_axes), np.array([[0.0, 1.0]] * n_axes), 0)
    assert start.parameters[0] == pytest.approx(0.5 / per_axis)


def test_starts_beyond_the_grid_evaluate_its_last_point() -> None:
    found = points(Grid, BOX, 6)
    assert len(np.unique(found, axis=0)) == 4
    assert found[4].tolist() == found[5].tolist() == found[3].tolist()


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("optimizer", [SobolPoints, Draw])
def test_points_lie_in_the_box_and_depend_on_seed_and_index(optimizer: type[Optimizer]) -> None:
    box = np.array([[-2.0, -1.0], [3.0, 7.0], [0.0, 1.0]])
    found = points(optimizer, box, 64, seed=4)
    assert np.all((found >= box[:, 0]) & (found <= box[:, 1]))
    assert len(np.unique(found, axis=0)) == 64
    np.testing.assert_array_equal(found, points(optimizer, box, 64, seed=4))
    assert np.abs(found - points(optimizer, box, 64, seed=5)).max() > 0.1


def test_sobol_points_fill_the_box_more_evenly_than_drawn_ones() -> None:
    box = np.array([[0.0, 1.0], [0.0, 1.0]])
    cells = {
        tuple(cell) for cell in (points(SobolPoints, box, 64, seed=1) * 8).astype(int).tolist()
    }
    assert len(cells) == 64  # one in each of 8 x 8 cells
    drawn = {tuple(cell) for cell in (points(Draw, box, 64, seed=1) * 8).astype(int).tolist()}
    assert len(drawn) < 60


@pytest.mark.usefixtures("thorough")
def test_the_starts_of_sobol_are_the_sequence_from_its_first_point_on() -> None:
    from scipy.stats.qmc import Sobol  # which takes a second to import

    sequence = Sobol(2, scramble=True, rng=np.random.default_rng(3))
    expected = sequence.random(32) * np.pi
    np.testing.assert_array_equal(points(SobolPoints, BOX, 32, seed=3), expected)


@pytest.mark.parametrize("optimizer", [Grid, SobolPoints, Draw])
def test_one_point_is_the_same_whatever_came_before(optimizer: type[Optimizer]) -> None:
    asked = Search(starts=100, seed=9)
    alone = optimizer(asked).run(Cosines(), BOX, 77)
    for index in range(5):
        optimizer(asked).run(Cosines(), BOX, index)
    assert optimizer(asked).run(Cosines(), BOX, 77) == alone
    assert alone.energy == Cosines().energy(np.array(alone.parameters))
    assert alone.trace == [alone.energy]


@pytest.mark.parametrize("rank", [0, 1, 5])
def test_one_angle_is_drawn_as_in_the_original_design(rank: int) -> None:
    np.random.seed(rank)
    expected = np.random.random() * np.pi
    start = Draw(Search(seed=0)).run(Quadratic(1), np.array([[0.0, np.pi]]), rank)
    assert start.parameters == [expected]


def test_each_drawn_angle_has_a_generator_of_its_own() -> None:
    two = Draw(Search(seed=10)).run(Quadratic(2), BOX, 3).parameters
    one = [Draw(Search(seed=10)).run(Quadratic(1), BOX[:1], 6 + k).parameters[0] for k in (0, 1)]
    assert two == one
    Draw(Search(seed=2**32 - 1)).run(Quadratic(2), BOX, 10)  # wraps round
