"""The spectrum of the transverse-field Ising chain, which free fermions describe."""

from __future__ import annotations

import numpy as np


def ising_chain_spectrum(
    sites: int, coupling: float, field: float, *, periodic: bool
) -> tuple[float, float]:
    """Return the lowest and the highest energy of a chain in a transverse field, exactly.

    ``H = -coupling sum Z_i Z_(i+1) - field sum X_i``. After the Jordan-Wigner transformation, the
    energies are sums of plus or minus the singular values of a matrix with the field on its
    diagonal and minus the coupling above it (Lieb, Schultz & Mattis, Ann. Phys. 16, 407, 1961;
    Pfeuty, Ann. Phys. 57, 79, 1970). On an open chain every choice of signs is an energy. On a
    ring, the parity, which is the product of all X, decides on the sign of the element that closes
    the matrix, and only the choices of signs with that parity are energies.

    Parameters
    ----------
    sites
        Number of spins, at least 2.
    coupling, field
        In the unit of the energy.
    periodic
        Whether the last spin is coupled to the first one.

    Returns
    -------
    tuple of float
        In the unit of the energy.
    """
    matrix = field * np.eye(sites) - coupling * np.eye(sites, k=1)
    if not periodic:
        total = float(np.linalg.svd(matrix, compute_uv=False).sum())
        return -total, total
    lowest, highest = [], []
    for parity in (1, -1):
        closed = matrix.copy()
        closed[-1, 0] += parity * coupling
        modes = np.linalg.svd(closed, compute_uv=False)
        total, least = float(modes.sum()), float(modes[-1])
        empty = np.linalg.slogdet(closed).sign
        full = empty * (-1) ** sites
        lowest.append(-total if empty == parity else -total + 2 * least)
        highest.append(total if full == parity else total - 2 * least)
    return min(lowest), max(highest)
