"""Extrapolation of expectation values to zero noise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hybrid_parsl.mitigation_options import FEWEST_FACTORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float64
    from numpy.typing import NDArray

    from hybrid_parsl.mitigation_options import Extrapolation


def extrapolate(
    factors: Sequence[int],
    values: NDArray[float64],
    covariance: NDArray[float64],
    kind: Extrapolation,
) -> tuple[float, float]:
    """Return the value at the noise factor 0, and its variance.

    A polynomial is fitted by least squares, in which all points count equally: each is measured
    by as many shots. With as many points as parameters it passes through all of them, which is
    Richardson's extrapolation (Temme, Bravyi & Gambetta, Phys. Rev. Lett. 119, 180509, 2017).
    The exponential ``a exp(-b factor)`` is a straight line fitted to the logarithms of the
    absolute values (Endo, Benjamin & Li, Phys. Rev. X 8, 031027, 2018).

    The variance is that of the result as a function of the values, to first order: exact for
    polynomials. It says nothing about how well the function describes the noise.

    Parameters
    ----------
    factors
        Noise factors, distinct, at least as many as the function has parameters.
    values
        Expectation values without the part of the identity, shape ``(n_factors,)``.
    covariance
        Of their statistical errors, shape ``(n_factors, n_factors)``.
    kind
        The function of the noise factor.

    Raises
    ------
    ValueError
        If the values have both signs or one is 0, and the function is the exponential.
    """
    weights = intercept_weights(factors, 1 if kind == "exponential" else FEWEST_FACTORS[kind] - 1)
    if kind != "exponential":
        return float(weights @ values), float(weights @ covariance @ weights)
    sign = np.sign(values[0])
    if sign == 0 or (np.sign(values) != sign).any():
        message = f"no exponential has the values {values.tolist()} at the noise factors {factors}"
        raise ValueError(message)
    value = float(sign) * math.exp(float(weights @ np.log(np.abs(values))))
    gradient = value * weights / values
    return value, float(gradient @ covariance @ gradient)


def intercept_weights(factors: Sequence[int], degree: int) -> NDArray[float64]:
    """Return the weights of the points in the intercept of a polynomial fit, sum 1.

    Parameters
    ----------
    factors
        Abscissae, distinct, at least ``degree + 1``.
    degree
        Of the polynomial, at least 0.
    """
    powers = np.vander(np.asarray(factors, dtype=np.float64), degree + 1, increasing=True)
    weights: NDArray[float64] = np.linalg.pinv(powers)[0]
    return weights
