"""Optimisers of this package that improve one start step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hybrid_parsl.optimize.optimizer import Optimizer

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    from hybrid_parsl.optimize.start import Recorder

_SPSA_ALPHA = 0.602
_SPSA_GAMMA = 0.101


class Multistart(Optimizer):
    """L-BFGS-B with the exact gradient.

    The box only draws the start: angles are periodic, so the search itself is free. Source of
    the algorithm: Byrd, Lu, Nocedal, Zhu, SIAM J. Sci. Comput. 16, 1190 (1995), in SciPy's
    implementation.
    """

    gradient = "required"

    def minimize(
        self,
        objective: Recorder,
        point: NDArray[float64],
        bounds: NDArray[float64],  # noqa: ARG002 - the search is free
        random: np.random.Generator,  # noqa: ARG002 - nothing is drawn
    ) -> None:
        """Minimise the energy from a point."""
        from scipy.optimize import minimize

        limits = {"maxiter": self.search.iterations, "ftol": self.search.tolerance, "gtol": 1e-7}
        minimize(
            objective.energy_and_gradient,
            point,
            jac=True,
            method="L-BFGS-B",
            callback=objective.mark,
            options=limits,
        )


class Cobyla(Optimizer):
    """Linear approximation, without a gradient, with a first step of an eighth of the box.

    Source: M. J. D. Powell, in Advances in Optimization and Numerical Analysis, 51 (1994),
    in SciPy's implementation.
    """

    def minimize(
        self,
        objective: Recorder,
        point: NDArray[float64],
        bounds: NDArray[float64],
        random: np.random.Generator,  # noqa: ARG002 - nothing is drawn
    ) -> None:
        """Minimise the energy from a point."""
        from scipy.optimize import minimize

        reach = float(np.max(bounds[:, 1] - bounds[:, 0]))
        iterations = max(self.search.iterations, len(bounds) + 2)
        minimize(
            objective.energy,
            point,
            method="COBYLA",
            callback=objective.mark,
            tol=self.search.tolerance**0.5,
            options={"maxiter": iterations, "rhobeg": reach / 8},
        )


class Spsa(Optimizer):
    """Simultaneous perturbation.

    Gains a_k = a / (k + 1 + A)^0.602 and c_k = c / (k + 1)^0.101 with A a tenth of the
    iterations; a is chosen so that the first step moves each angle by a twentieth of its box.
    Source: J. C. Spall, IEEE Trans. Aerosp. Electron. Syst. 34, 817 (1998).
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
        gain = 0.05 * float(np.mean(width)) * (1 + stability) ** _SPSA_ALPHA / max(typical, 1e-12)
        for k in range(self.search.iterations):
            step = gain / (k + 1 + stability) ** _SPSA_ALPHA
            move = step * slope(point, shift / (k + 1) ** _SPSA_GAMMA)
            point = point - np.clip(move, -width / 4, width / 4)
            objective.mark()
        objective.energy(point)
