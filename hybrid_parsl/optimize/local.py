"""Optimisers of this package that improve one start step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hybrid_parsl.optimize.optimizer import Optimizer

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    from hybrid_parsl.optimize.start import Recorder


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
