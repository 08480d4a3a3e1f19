"""Strategies that evaluate one given point a start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.optimize.start import Recorder, Start

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    from hybrid_parsl.experiment import Search
    from hybrid_parsl.optimize.objective import Objective


def grid(objective: Objective, bounds: NDArray[float64], index: int, settings: Search) -> Start:
    """Evaluate point `index` of the grid of cell centres that fills the box `bounds`.

    The grid has k points along each axis, with k the largest number for which all points are
    at most ``settings.starts``; a start beyond the last point evaluates the last point.

    Raises
    ------
    ConfigurationError
        There are too few starts for 2 points along each axis.
    """
    n_axes = len(bounds)
    per_axis = points_per_axis(n_axes, settings.starts)
    place = np.unravel_index(min(index, per_axis**n_axes - 1), (per_axis,) * n_axes)
    low, high = bounds.T
    return _evaluate(objective, low + (high - low) * (np.array(place) + 0.5) / per_axis, index)


def points_per_axis(n_axes: int, starts: int) -> int:
    """Return how many points a grid has along each of `n_axes` axes.

    Raises
    ------
    ConfigurationError
        There are too few starts for 2 points along each axis.
    """
    per_axis = int(starts ** (1 / n_axes) + 1e-9)
    if (per_axis + 1) ** n_axes <= starts:
        per_axis += 1
    if per_axis < 2:  # noqa: PLR2004 - a grid has at least 2 points along an axis
        message = f"a grid over {n_axes} parameters needs more points"
        valid = f"at least {2**n_axes}"
        raise ConfigurationError(message, None, "search.starts", str(starts), valid)
    return per_axis


def sobol(objective: Objective, bounds: NDArray[float64], index: int, settings: Search) -> Start:
    """Evaluate point `index` of a scrambled Sobol sequence in the box `bounds`.

    Source: Joe and Kuo, SIAM J. Sci. Comput. 30, 2635 (2008), in SciPy's implementation.
    """
    from scipy.stats.qmc import Sobol

    sequence = Sobol(len(bounds), scramble=True, rng=np.random.default_rng(settings.seed))
    if index:  # SciPy cannot go forward by nothing
        sequence.fast_forward(index)
    low, high = bounds.T
    return _evaluate(objective, low + (high - low) * sequence.random(1)[0], index)


def draw(objective: Objective, bounds: NDArray[float64], index: int, settings: Search) -> Start:
    """Draw each parameter once from a generator of its own, and evaluate there.

    Parameter k of start i is ``low + (high - low) * RandomState(seed + i n + k).random_sample()``
    with n the number of parameters: with seed 0, rank r of the original two-angle design drew
    ``np.random.seed(r); np.random.random() * pi``.
    """
    first = settings.seed + index * len(bounds)
    fractions = [
        np.random.RandomState((first + k) % 2**32).random_sample() for k in range(len(bounds))
    ]
    low, high = bounds.T
    return _evaluate(objective, low + (high - low) * np.array(fractions), index)


def _evaluate(objective: Objective, point: NDArray[float64], index: int) -> Start:
    """Return the start that consists of one evaluation at `point`."""
    recorder = Recorder(objective)
    recorder.energy(point)
    return recorder.finish(index)
