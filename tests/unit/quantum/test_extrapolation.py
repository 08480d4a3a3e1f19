from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_parsl.quantum.extrapolation import extrapolate, intercept_weights

NUMBERS = st.floats(-10, 10)


@given(NUMBERS, NUMBERS, NUMBERS, st.sampled_from([[1, 3, 5], [1, 3, 7, 9], [3, 5, 11]]))
def test_polynomials_are_reproduced(a: float, b: float, c: float, factors: list[int]) -> None:
    x = np.array(factors, dtype=float)
    none = np.zeros((len(x), len(x)))
    assert extrapolate(factors, a + b * x, none, "linear")[0] == pytest.approx(a, abs=1e-9)
    value = extrapolate(factors, a + b * x + c * x**2, none, "quadratic")[0]
    assert value == pytest.approx(a, abs=1e-8)


@given(st.floats(0.1, 10), st.floats(-0.3, 0.3), st.sampled_from([1, -1]))
def test_exponentials_are_reproduced(a: float, b: float, sign: int) -> None:
    values = sign * a * np.exp(-b * np.array([1.0, 3.0, 5.0]))
    value, variance = extrapolate([1, 3, 5], values, np.zeros((3, 3)), "exponential")
    assert value == pytest.approx(sign * a)
    assert variance == 0


def test_three_points_and_a_quadratic_are_richardsons_extrapolation() -> None:
    assert intercept_weights([1, 3, 5], 2) == pytest.approx([15 / 8, -10 / 8, 3 / 8])


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("kind", ["linear", "quadratic", "exponential"])
def test_the_variance_is_the_spread_of_the_result(kind: str) -> None:
    rng, values = np.random.default_rng(5), np.array([-3.2, -2.7, -2.3])
    covariance = 1e-4 * np.array([[2.0, 1.0, 0.5], [1.0, 3.0, 1.0], [0.5, 1.0, 2.0]])
    drawn = rng.multivariate_normal(values, covariance, size=4000)
    found = [extrapolate([1, 3, 5], each, covariance, kind)[0] for each in drawn]
    _, variance = extrapolate([1, 3, 5], values, covariance, kind)
    assert np.var(found) == pytest.approx(variance, rel=0.1)


@pytest.mark.parametrize("values", [[1.0, -1.0], [0.0, 1.0], [1.0, 0.0]])
def test_no_exponential_changes_its_sign(values: list[float]) -> None:
    with pytest.raises(ValueError, match="no exponential"):
        extrapolate([1, 3], np.array(values), np.zeros((2, 2)), "exponential")
