"""Energy and exact gradient of any circuit of rotations and Clifford gates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .circuit_kernels import apply_observable, run, run_back

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float64, int64
    from numpy.typing import NDArray
    from qiskit.quantum_info import SparsePauliOp

_LEAST_QUBITS = 3  # two vectors of the processor
_BLOCK = 64
_APART = 64  # numbers between real and imaginary parts, so that they use other sets of the cache


@dataclass(frozen=True)
class Program:
    """A circuit as a table of operations.

    Attributes
    ----------
    n_qubits
        Number of qubits, 1 to 30.
    n_parameters
        Number of parameters, at least 0.
    table
        Kind, X part, Z part and number of Y of each operation, shape ``(n_operations, 4)``; for CX,
        CZ and SWAP, the masks of their two qubits.
    offsets
        The constant part of the angle of each operation in radians, shape ``(n_operations,)``.
    rows, columns, slopes
        Operation, parameter and factor of what is linear in parameters.
    """

    n_qubits: int
    n_parameters: int
    table: NDArray[int64]
    offsets: NDArray[float64]
    rows: NDArray[int64]
    columns: NDArray[int64]
    slopes: NDArray[float64]

    def angles(self, parameters: NDArray[float64]) -> NDArray[float64]:
        """Return the angle of each operation in radians, shape ``(n_operations,)``."""
        linear = self.slopes * parameters[self.columns]
        return self.offsets + np.bincount(self.rows, linear, len(self.offsets))

    def gradient(self, derivatives: NDArray[float64]) -> NDArray[float64]:
        """Return the derivatives by the parameters, from those by the angles."""
        linear = self.slopes * derivatives[self.rows]
        return np.bincount(self.columns, linear, self.n_parameters)


class CircuitState:
    """The energy of a circuit and its gradient, on one thread.

    Parameters
    ----------
    program
        The circuit.
    observable
        A Hermitian operator on as many qubits.
    """

    def __init__(self, program: Program, observable: SparsePauliOp) -> None:
        self._program = program
        self._size = 1 << max(program.n_qubits, _LEAST_QUBITS)
        self._part = self._size + _APART
        self._state = np.zeros(self._part + self._size)
        self._adjoint = np.zeros_like(self._state)
        self._observable = _groups(observable)
        block = min(self._size, _BLOCK)
        lanes = np.arange(block)
        self._signs = 1.0 - 2.0 * (np.bitwise_count(lanes[:, None] & lanes) & 1)

    @property
    def n_parameters(self) -> int:
        """Number of parameters."""
        return self._program.n_parameters

    def energy(self, parameters: Sequence[float] | NDArray[float64]) -> float:
        """Return the expectation value of the observable."""
        self._evolve(parameters)
        return self._apply()

    def energy_and_gradient(
        self, parameters: Sequence[float] | NDArray[float64]
    ) -> tuple[float, NDArray[float64]]:
        """Return the expectation value and its gradient, shape ``(n_parameters,)``."""
        cosines, sines = self._evolve(parameters)
        energy = self._apply()
        derivatives = np.zeros(len(cosines))
        run_back(
            self._state, self._adjoint, self._part, self._size, self._program.table, cosines,
            sines, derivatives,
        )  # fmt: skip
        return energy, self._program.gradient(derivatives)

    def _evolve(
        self, parameters: Sequence[float] | NDArray[float64]
    ) -> tuple[NDArray[float64], NDArray[float64]]:
        """Compute the state; return cosine and sine of half the angles."""
        half = 0.5 * self._program.angles(np.asarray(parameters, np.float64))
        cosines, sines = np.cos(half), np.sin(half)
        run(self._state, self._part, self._size, self._program.table, cosines, sines)
        return cosines, sines

    def _apply(self) -> float:
        """Compute H psi; return the energy."""
        return float(
            apply_observable(
                self._state, self._adjoint, self._part, self._size, *self._observable, self._signs
            )
        )


def _groups(observable: SparsePauliOp) -> tuple[NDArray[np.generic], ...]:
    """Return the terms by X part: beginnings, X parts, Z parts, real and imaginary factors."""
    weights = 1 << np.arange(observable.num_qubits, dtype=np.int64)
    x_of, z_of = (np.asarray(each) @ weights for each in (observable.paulis.x, observable.paulis.z))
    n_y = np.bitwise_count(x_of & z_of).astype(np.int64)
    factors = np.asarray(observable.coeffs, complex) * (-1j) ** n_y  # of psi[u ^ x] at u
    order = np.argsort(x_of, kind="stable")
    x_of, z_of, factors = x_of[order], z_of[order], factors[order]
    x_parts, begins = np.unique(x_of, return_index=True)
    beginnings = np.append(begins, len(x_of)).astype(np.int64)
    real, imaginary = np.ascontiguousarray(factors.real), np.ascontiguousarray(factors.imag)
    return beginnings, x_parts, z_of, real, imaginary
