"""Optimisers of this package that evaluate one given point a start."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.optimize.optimizer import Optimizer
from hybrid_parsl.optimize.start import Recorder

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    from hybrid_parsl.optimize.objective import Objective
    from hybrid_parsl.optimize.start import Start


class OnePoint(Optimizer):
    """Evaluates the first point of each start, and no other."""

    moves = False
    portion = 64

    @abstractmethod
    def first_point(self, bounds: NDArray[float64], index: int) -> NDArray[float64]:
        """Return the point of start `index`, shape ``(n_parameters,)``."""

    def minimize(
        self,
        objective: Recorder,
        point: NDArray[float64],
        bounds: NDArray[float64],  # noqa: ARG002
        random: np.random.Generator,  # noqa: ARG002
    ) -> None:
        """Evaluate the point."""
        objective.energy(point)

    def run(self, objective: Objective, bounds: NDArray[float64], index: int) -> Start:
        """Carry out start `index` without a generator, which takes longer than many an energy."""
        recorder = Recorder(objective)
        recorder.energy(self.begin_at(bounds, index))
        return recorder.finish(index)


class Grid(OnePoint):
    """The grid of cell centres that fills the box.

    The grid has k points along each axis, with k the largest number for which all points are
    at most ``search.starts``; a start beyond the last point evaluates the last point.
    """

    def check(self, n_parameters: int) -> None:
        """Check that there are 2 points along each axis.

        Raises
        ------
        ConfigurationError
            If there are too few starts for that.
        """
        points_per_axis(n_parameters, self.search.starts)

    def first_point(self, bounds: NDArray[float64], index: int) -> NDArray[float64]:
        """Return the point of start `index`, shape ``(n_parameters,)``.

        Raises
        ------
        ConfigurationError
            If there are too few starts for 2 points along each axis.
        """
        n_axes = len(bounds)
        per_axis = points_per_axis(n_axes, self.search.starts)
        place = np.unravel_index(min(index, per_axis**n_axes - 1), (per_axis,) * n_axes)
        low, high = bounds.T
        point: NDArray[float64] = low + (high - low) * (np.array(place) + 0.5) / per_axis
        return point


class SobolPoints(OnePoint):
    """A scrambled Sobol sequence in the box.

    Source: Joe and Kuo, SIAM J. Sci. Comput. 30, 2635 (2008), in SciPy's implementation.
    """

    def first_point(self, bounds: NDArray[float64], index: int) -> NDArray[float64]:
        """Return the point of start `index`, shape ``(n_parameters,)``."""
        from scipy.stats.qmc import Sobol

        generator = np.random.default_rng(self.search.seed)
        sequence = Sobol(len(bounds), scramble=True, rng=generator)
        if index:  # SciPy cannot go forward by nothing
            sequence.fast_forward(index)
        low, high = bounds.T
        point: NDArray[float64] = low + (high - low) * sequence.random(1)[0]
        return point


class Draw(OnePoint):
    """Each parameter drawn once from a generator of its own.

    Parameter k of start i is ``low + (high - low) * RandomState(seed + i n + k).random_sample()``
    with n the number of parameters: with seed 0, rank r of the original two-angle design drew
    ``np.random.seed(r); np.random.random() * pi``.
    """

    def first_point(self, bounds: NDArray[float64], index: int) -> NDArray[float64]:
        """Return the point of start `index`, shape ``(n_parameters,)``."""
        first = self.search.seed + index * len(bounds)
        fractions = [
            np.random.RandomState((first + k) % 2**32).random_sample() for k in range(len(bounds))
        ]
        low, high = bounds.T
        point: NDArray[float64] = low + (high - low) * np.array(fractions)
        return point


def points_per_axis(n_axes: int, starts: int) -> int:
    """Return how many points a grid has along each of `n_axes` axes.

    Raises
    ------
    ConfigurationError
        If there are too few starts for 2 points along each axis.
    """
    per_axis = int(starts ** (1 / n_axes) + 1e-9)
    if (per_axis + 1) ** n_axes <= starts:
        per_axis += 1
    if per_axis < 2:  # noqa: PLR2004 - a grid has at least 2 points along an axis
        message = f"a grid over {n_axes} parameters needs more points"
        valid = f"at least {2**n_axes}"
        raise ConfigurationError(message, None, "search.starts", str(starts), valid)
    return per_axis
