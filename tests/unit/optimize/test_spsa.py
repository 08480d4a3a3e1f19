from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_parsl.optimize.spsa import SpsaSteps

BOUNDS = np.array([[0.0, 0.1], [0.0, 4.0], [-1.0, 1.0]])
WIDTH = BOUNDS[:, 1] - BOUNDS[:, 0]


def steps(n_steps: int = 50, seed: int = 1) -> SpsaSteps:
    return SpsaSteps([0.05, 2.0, 0.0], BOUNDS, n_steps, 0.01, 0.02, seed)


def run(loop: SpsaSteps, n_steps: int, noise: float = 0.0) -> float:
    """Return the distance to the lowest energy, in ranges, after some steps."""
    random, lowest = np.random.default_rng(5), np.array([0.06, 1.6, 0.2])

    def energy(point: list[float]) -> float:
        away = (np.array(point) - lowest) / WIDTH
        return float(away @ away) + noise * random.standard_normal()

    for _ in range(n_steps):
        plus, minus = loop.pair()
        loop.move(energy(plus) - energy(minus), noise * 2**0.5)
    return float(np.abs((loop.point - lowest) / WIDTH).max())


@pytest.mark.parametrize(("noise", "distance"), [(0.0, 0.03), (1e-4, 0.05)])
def test_the_lowest_energy_is_approached(noise: float, distance: float) -> None:
    assert run(steps(200), 0) == pytest.approx(0.1)
    assert run(steps(200), 200, noise) < distance


@given(seed=st.integers(0, 2**32 - 1), rises=st.lists(st.floats(-1e6, 1e6), max_size=20))
def test_steps_are_the_same_again_and_never_long(seed: int, rises: list[float]) -> None:
    first, second = steps(seed=seed), steps(seed=seed)
    for rise in rises:
        assert first.pair() == second.pair()
        before = first.point
        for loop in (first, second):
            loop.move(rise, 0.1)
        assert (np.abs(first.point - before) <= 0.02 * WIDTH * (1 + 1e-9)).all()
    assert (first.point == second.point).all()


def test_energies_are_measured_on_both_sides() -> None:
    loop = steps()
    plus, minus = map(np.array, loop.pair())
    assert np.allclose((plus + minus) / 2, loop.point)
    assert np.allclose(np.abs(plus - minus) / 2, 0.02 * WIDTH)


def test_noise_alone_moves_no_angle_far() -> None:
    loop = steps()
    loop.move(1e-9, 0.1)
    assert np.abs((loop.point - np.array([0.05, 2.0, 0.0])) / WIDTH).max() < 1e-6
