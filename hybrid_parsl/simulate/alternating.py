"""First version, in numpy; the numba one replaces it."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray


class AlternatingState:
    """prod_l exp(-i beta_l B) exp(-i gamma_l C) |+>."""

    def __init__(
        self,
        cost: NDArray[np.float64],
        layers: int,
        *,
        precision: Literal["double", "single"] = "double",
        threads: int = 1,
    ) -> None:
        self._cost = np.ascontiguousarray(cost, dtype=np.float64)
        self._layers = layers
        self._n = int(np.log2(len(cost)))

    @property
    def n_qubits(self) -> int:
        """Number of qubits."""
        return self._n

    @property
    def n_parameters(self) -> int:
        """Number of angles."""
        return 2 * self._layers

    def _mix(self, psi: NDArray[np.complex128], beta: float) -> NDArray[np.complex128]:
        c, s = np.cos(beta), np.sin(beta)
        for j in range(self._n):
            view = psi.reshape(-1, 2, 2**j)
            psi = c * psi - 1j * s * view[:, ::-1].reshape(-1)
        return psi

    def statevector(self, parameters: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Return the state."""
        parameters = np.asarray(parameters, dtype=np.float64)
        psi = np.full(2**self._n, 2 ** (-self._n / 2), dtype=np.complex128)
        for gamma, beta in zip(parameters[: self._layers], parameters[self._layers :], strict=True):
            psi = self._mix(psi * np.exp(-1j * gamma * self._cost), beta)
        return psi

    def probabilities(self, parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return |psi|^2."""
        return np.asarray(np.abs(self.statevector(parameters)) ** 2)

    def energy(self, parameters: NDArray[np.float64]) -> float:
        """Return <psi|C|psi>."""
        return float(self.probabilities(parameters) @ self._cost)

    def energy_and_gradient(
        self, parameters: NDArray[np.float64]
    ) -> tuple[float, NDArray[np.float64]]:
        """Return energy and gradient."""
        parameters = np.asarray(parameters, dtype=np.float64)
        p = self._layers
        psi = self.statevector(parameters)
        lam = self._cost * psi
        energy = float(np.vdot(psi, lam).real)
        grad = np.zeros(2 * p)
        for l in range(p - 1, -1, -1):
            bpsi = sum(psi.reshape(-1, 2, 2**j)[:, ::-1].reshape(-1) for j in range(self._n))
            grad[p + l] = 2 * np.vdot(lam, bpsi).imag
            psi, lam = self._mix(psi, -parameters[p + l]), self._mix(lam, -parameters[p + l])
            grad[l] = 2 * np.vdot(lam, self._cost * psi).imag
            phase = np.exp(1j * parameters[l] * self._cost)
            psi, lam = psi * phase, lam * phase
        return energy, grad


def ising_diagonal(
    n_qubits: int,
    linear: NDArray[np.float64],
    pairs: NDArray[np.int64],
    couplings: NDArray[np.float64],
    offset: float,
) -> NDArray[np.float64]:
    """Return sum h_j z_j + sum J_ij z_i z_j + offset."""
    x = np.arange(2**n_qubits)
    z = [1.0 - 2 * ((x >> j) & 1) for j in range(n_qubits)]
    out = np.full(2**n_qubits, float(offset))
    for j, h in enumerate(linear):
        out += h * z[j]
    for (i, j), w in zip(pairs, couplings, strict=True):
        out += w * z[i] * z[j]
    return out


def compile_kernels(precision: Literal["double", "single"] = "double") -> float:
    """Compile."""
    return 0.0


def required_bytes(n_qubits: int) -> int:
    """Return bytes."""
    return 48 * 2**n_qubits
