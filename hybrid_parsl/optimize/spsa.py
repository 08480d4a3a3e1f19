"""SPSA, simultaneous perturbation: in a search, and step by step for energies measured outside.

Gains a_k = a / (k + 1 + A)^0.602 and c_k = c / (k + 1)^0.101, where a sets how far the first
step goes. Source: J. C. Spall, IEEE Trans. Aerosp. Electron. Syst. 34, 817 (1998).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hybrid_parsl.optimize.optimizer import Optimizer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float64
    from numpy.typing import NDArray

    from hybrid_parsl.optimize.start import Recorder

_ALPHA, _GAMMA = 0.602, 0.101


class Spsa(Optimizer):
    """Simultaneous perturbation.

    The first step moves each angle by about a twentieth of its box; A is a tenth of the iterations.
    """

    def minimize(
        self,
        objective: Recorder,
        point: NDArray[float64],
        bounds: NDArray[float64],
        random: np.random.Generator,
    ) -> None:
        """Minimise the energy from a point."""
        width = bounds[:, 1] - bounds[:, 0]
        stability = self.search.iterations / 10
        shift = 0.02 * float(np.mean(width))

        def slope(at: NDArray[float64], size: float) -> NDArray[float64]:
            sign: NDArray[float64] = random.choice((-1.0, 1.0), size=len(at))
            rise = objective.energy(at + size * sign) - objective.energy(at - size * sign)
            if not np.isfinite(rise):
                return np.zeros_like(at)
            return rise / (2 * size) * sign

        typical = np.mean([np.abs(slope(point, shift)).mean() for _ in range(5)])
        gain = 0.05 * float(np.mean(width)) * (1 + stability) ** _ALPHA / max(typical, 1e-12)
        for k in range(self.search.iterations):
            step = gain / (k + 1 + stability) ** _ALPHA
            move = step * slope(point, shift / (k + 1) ** _GAMMA)
            point = point - np.clip(move, -width / 4, width / 4)
            objective.mark()
        objective.energy(point)


class SpsaSteps:
    """Simultaneous perturbation: two measured energies give each step of all angles.

    The first step moves each angle by `first_step`; A is a tenth of the steps.

    Parameters
    ----------
    point
        The angles to begin with in radians, shape ``(n_parameters,)``.
    bounds
        Lowest and highest value of each angle, shape ``(n_parameters, 2)``.
    n_steps
        How many steps there are to be, at least 1.
    first_step, shift
        By how much the first step moves each angle, and how far from the first angles is measured,
        as fractions of its range, above 0.
    seed
        Step k draws its signs from (seed, k).

    Attributes
    ----------
    point
        The angles after the steps so far.
    """

    def __init__(
        self,
        point: Sequence[float],
        bounds: NDArray[float64],
        n_steps: int,
        first_step: float,
        shift: float,
        seed: int,
    ) -> None:
        self.point: NDArray[float64] = np.asarray(point, dtype=np.float64)
        self._width: NDArray[float64] = bounds[:, 1] - bounds[:, 0]
        self._stability = n_steps / 10
        self._first_step = first_step
        self._shift = shift
        self._seed = seed
        self._k = 0
        self._gain: float | None = None

    def pair(self) -> tuple[list[float], list[float]]:
        """Return the two points at which the energy is to be measured for the next step."""
        offset = self._size() * self._width * self._signs()
        return (self.point + offset).tolist(), (self.point - offset).tolist()

    def move(self, rise: float, error: float) -> None:
        """Make a step.

        Parameters
        ----------
        rise
            Energy at the first point of `pair` minus that at the second.
        error
            Standard error of `rise`: a first rise that is smaller counts as that large when the
            steps are scaled.
        """
        slope = rise / (2 * self._size())
        if self._gain is None:
            typical = max(abs(rise), error, 1e-12) / (2 * self._size())
            self._gain = self._first_step * (1 + self._stability) ** _ALPHA / typical
        step = self._gain / (self._k + 1 + self._stability) ** _ALPHA * slope
        most = 2 * self._first_step
        self.point = self.point - np.clip(step, -most, most) * self._width * self._signs()
        self._k += 1

    def _size(self) -> float:
        """Return how far from the angles the next energies are measured, in ranges."""
        return self._shift / float((self._k + 1) ** _GAMMA)

    def _signs(self) -> NDArray[float64]:
        """Return the direction of the next step."""
        random = np.random.default_rng((self._seed, self._k))
        signs: NDArray[float64] = random.choice((-1.0, 1.0), size=len(self.point))
        return signs
