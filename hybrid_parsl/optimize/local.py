"""Strategies that improve one start step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hybrid_parsl.optimize.start import Recorder, Start

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    from hybrid_parsl.experiment import Search
    from hybrid_parsl.optimize.objective import DifferentiableObjective, Objective

_SPSA_ALPHA = 0.602
_SPSA_GAMMA = 0.101


def seeded_point(bounds: NDArray[float64], seed: int, index: int) -> NDArray[float64]:
    """Return the point in the box `bounds` that start `index` begins at.

    It depends on (`seed`, `index`) alone, so any rank may take any start.
    """
    low, high = bounds.T
    fractions: NDArray[float64] = np.random.default_rng([seed, index]).random(len(bounds))
    point: NDArray[float64] = low + (high - low) * fractions
    return point


def multistart(
    objective: DifferentiableObjective, bounds: NDArray[float64], index: int, settings: Search
) -> Start:
    """Minimise from a seeded point with L-BFGS-B and the exact gradient.

    The box `bounds`, shape ``(n_parameters, 2)``, only draws the start: angles are periodic,
    so the search itself is free. Source of the algorithm: Byrd, Lu, Nocedal, Zhu,
    SIAM J. Sci. Comput. 16, 1190 (1995), in SciPy's implementation.
    """
    from scipy.optimize import minimize

    recorder = Recorder(objective)

    def energy_and_gradient(parameters: NDArray[float64]) -> tuple[float, NDArray[float64]]:
        energy, gradient = objective.energy_and_gradient(parameters)
        return recorder.note(parameters, energy), gradient

    minimize(
        energy_and_gradient,
        seeded_point(bounds, settings.seed, index),
        jac=True,
        method="L-BFGS-B",
        callback=recorder.mark,
        options={"maxiter": settings.iterations, "ftol": settings.tolerance, "gtol": 1e-7},
    )
    return recorder.finish(index)


def cobyla(objective: Objective, bounds: NDArray[float64], index: int, settings: Search) -> Start:
    """Minimise from a seeded point without a gradient, by linear approximation.

    Source: M. J. D. Powell, in Advances in Optimization and Numerical Analysis, 51 (1994),
    in SciPy's implementation.
    """
    from scipy.optimize import minimize

    recorder = Recorder(objective)
    reach = float(np.max(bounds[:, 1] - bounds[:, 0]))
    minimize(
        recorder.energy,
        seeded_point(bounds, settings.seed, index),
        method="COBYLA",
        callback=recorder.mark,
        tol=settings.tolerance**0.5,
        options={"maxiter": max(settings.iterations, len(bounds) + 2), "rhobeg": reach / 8},
    )
    return recorder.finish(index)


def spsa(objective: Objective, bounds: NDArray[float64], index: int, settings: Search) -> Start:
    """Minimise from a seeded point by simultaneous perturbation.

    Gains a_k = a / (k + 1 + A)^0.602 and c_k = c / (k + 1)^0.101 with A a tenth of the
    iterations; a is chosen so that the first step moves each angle by a twentieth of its box.
    Source: J. C. Spall, IEEE Trans. Aerosp. Electron. Syst. 34, 817 (1998).
    """
    recorder = Recorder(objective)
    random = np.random.default_rng([settings.seed, index, 1])
    point = seeded_point(bounds, settings.seed, index)
    width = bounds[:, 1] - bounds[:, 0]
    stability = settings.iterations / 10
    shift = 0.02 * float(np.mean(width))

    def slope(at: NDArray[float64], size: float) -> NDArray[float64]:
        sign: NDArray[float64] = random.choice((-1.0, 1.0), size=len(at))
        rise = recorder.energy(at + size * sign) - recorder.energy(at - size * sign)
        if not np.isfinite(rise):
            return np.zeros_like(at)
        return rise / (2 * size) * sign

    typical = np.mean([np.abs(slope(point, shift)).mean() for _ in range(5)])
    gain = 0.05 * float(np.mean(width)) * (1 + stability) ** _SPSA_ALPHA / max(typical, 1e-12)
    for k in range(settings.iterations):
        step = gain / (k + 1 + stability) ** _SPSA_ALPHA
        move = step * slope(point, shift / (k + 1) ** _SPSA_GAMMA)
        point = point - np.clip(move, -width / 4, width / 4)
        recorder.mark()
    recorder.energy(point)
    return recorder.finish(index)
