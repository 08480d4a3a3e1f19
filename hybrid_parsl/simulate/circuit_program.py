"""A circuit as a table of Pauli rotations and permutations of basis states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy import float64, int64
    from numpy.typing import NDArray

# Columns of the table of operations.
KIND, X, Z, N_Y = range(4)
ROTATION, CX, CZ, SWAP = range(4)

LEAST_QUBITS = 3
"""The kernels work on two vectors of the processor, or more."""


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
        gradient = np.zeros(self.n_parameters)
        np.add.at(gradient, self.columns, self.slopes * derivatives[self.rows])
        return gradient


def circuit_bytes(n_qubits: int) -> int:
    """Return the bytes of the state vector of a circuit and of its adjoint."""
    return 32 << max(n_qubits, LEAST_QUBITS)
