"""Ising diagonals, and the structure that is found in them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_parsl.simulate.diagonal import find_levels, is_mirrored, ising_diagonal


@given(st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_agrees_with_the_formula(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j and rng.random() < 0.5]
    h, couplings, offset = rng.normal(size=n), rng.normal(size=len(pairs)), rng.normal()
    z = 1 - 2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
    expected = z @ h + offset
    for (i, j), coupling in zip(pairs, couplings, strict=True):
        expected = expected + coupling * z[:, i] * z[:, j]
    np.testing.assert_allclose(ising_diagonal(n, h, pairs, couplings, offset), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, [], [], []), "n_qubits is 0; valid: 1 to 40"),
        ((2, [0.0], [], []), r"linear has shape \(1,\); valid: \(2,\)"),
        ((2, [0.0, np.nan], [], []), "linear holds a number that is not finite"),
        ((2, [0.0, 0.0], [(0, 1)], []), r"couplings has shape \(0,\); valid: \(1,\)"),
        ((2, [0.0, 0.0], [(0, 2)], [1.0]), r"pairs holds \(0, 2\); valid"),
        ((2, [0.0, 0.0], [(1, 1)], [1.0]), r"pairs holds \(1, 1\); valid"),
        ((2, [0.0, 0.0], [(-1, 1)], [1.0]), r"pairs holds \(-1, 1\); valid"),
    ],
)
def test_bad_models(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ising_diagonal(*arguments)  # type: ignore[arg-type]


def test_symmetry_is_found() -> None:
    even = ising_diagonal(9, np.zeros(9), [(0, 4), (2, 3)], [0.1, 0.7], 0.3)
    assert is_mirrored(even)
    odd = even.copy()
    odd[3] += 1e-6
    assert not is_mirrored(odd)


@pytest.mark.parametrize("step", [1.0, 0.1, 0.5, 1 / 3, 1e6])
def test_levels_are_found(step: float) -> None:
    cost = step * np.random.default_rng(0).integers(0, 30, 1000) - 4.7 * step
    levels = find_levels(cost)
    assert levels is not None
    assert levels.count <= 30
    assert levels.step == pytest.approx(step)
    np.testing.assert_allclose(levels.first + levels.step * levels.number, cost, rtol=1e-12)


def test_levels_with_a_common_step() -> None:
    levels = find_levels(np.array([0.0, 6.0, 10.0, 15.0]))
    assert levels is not None
    assert (levels.step, levels.count) == (1.0, 16)
    assert levels.number.tolist() == [0, 6, 10, 15]


def test_no_levels() -> None:
    assert find_levels(np.random.default_rng(0).normal(size=500)) is None
    assert find_levels(np.array([0.0, 1.0, 1e6])) is None


def test_one_level() -> None:
    levels = find_levels(np.full(8, -1.5))
    assert levels is not None
    assert (levels.first, levels.count) == (-1.5, 1)
