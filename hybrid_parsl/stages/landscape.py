"""The exact energy of one alternating layer over both of its angles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hybrid_parsl.results import Landscape

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    from hybrid_parsl.problems.problem import Problem

MOST_QUBITS = 16
_MOST_AMPLITUDES = 2**25


def landscape(problem: Problem, points: int) -> Landscape | None:
    """Return the p = 1 landscape of a problem, or None where it does not apply.

    It applies to alternating circuits of at most 16 qubits. Under the mixer each Pauli Z turns
    into ``Z cos(2 beta) + Y sin(2 beta)``, so that a cost of products of at most k of them is a
    trigonometric polynomial of degree k in ``2 beta`` (Wang, Hadfield, Jiang & Rieffel, Phys.
    Rev. A 97, 022304, 2018): its values at 2 k + 1 angles give it everywhere, exactly.

    Parameters
    ----------
    problem
        Of any kind.
    points
        Points along each axis; fewer are taken where that many would take long.
    """
    cost = problem.cost_diagonal() if _applies(problem, points) else None
    if cost is None:
        return None
    from hybrid_parsl.simulate.alternating import AlternatingState

    degree = max(1, int(problem.observable().paulis.z.sum(axis=1).max()))
    n_angles = 2 * degree + 1
    points = min(points, max(4, _MOST_AMPLITUDES // (n_angles * len(cost))))
    gamma, beta = (np.linspace(low, high, points) for low, high in problem.bounds(1))
    angles = np.pi * np.arange(n_angles) / n_angles
    state = AlternatingState(cost, 1)
    values = [[state.energy(np.array([g, b])) for g in gamma] for b in angles]
    energy = interpolated(np.array(values), beta)
    return Landscape(gamma=gamma.tolist(), beta=beta.tolist(), energy=energy.tolist())


def _applies(problem: Problem, points: int) -> bool:
    """Return whether a landscape is requested and possible."""
    return points > 0 and problem.ansatz == "alternating" and problem.n_qubits <= MOST_QUBITS


def interpolated(values: NDArray[float64], beta: NDArray[float64]) -> NDArray[float64]:
    """Return a trigonometric polynomial in ``2 beta`` at other angles.

    Parameters
    ----------
    values
        Its values at ``beta = pi m / (2 k + 1)``, m = 0 to 2 k, along the first axis.
    beta
        The angles in radians, shape ``(n,)``.

    Returns
    -------
    ndarray
        Shape ``(n, ...)``.
    """
    n_angles = len(values)
    frequencies = np.fft.fftfreq(n_angles, 1 / n_angles)
    waves = np.exp(2j * np.outer(beta, frequencies)) / n_angles
    return np.asarray((waves @ np.fft.fft(values, axis=0)).real, dtype=np.float64)
