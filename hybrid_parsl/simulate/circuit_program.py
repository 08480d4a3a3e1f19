"""A circuit as a table of Pauli rotations, followed by a Clifford circuit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float64, int64
    from numpy.typing import NDArray

# Columns of the table of rotations.
X, Z, N_Y = range(3)
ROTATION = 3

LEAST_QUBITS = 3
"""The kernels work on two vectors of the processor, or more."""


class Pauli(NamedTuple):
    """The operator ``i**power X**x Z**z``; bit q of x and z belongs to qubit q.

    A product of the letters X, Y and Z has as its power the number of Y, or 2 more with a minus.
    """

    x: int
    z: int
    power: int

    def __mul__(self, other: Pauli) -> Pauli:  # type: ignore[override] # not a repetition
        """Return the product of two operators."""
        exchanged = 2 * (self.z & other.x).bit_count()
        return Pauli(self.x ^ other.x, self.z ^ other.z, self.power + other.power + exchanged & 3)

    def anticommutes(self, other: Pauli) -> bool:
        """Return whether two operators anticommute."""
        return bool(((self.x & other.z).bit_count() + (self.z & other.x).bit_count()) & 1)

    @property
    def n_y(self) -> int:
        """Number of letters Y."""
        return (self.x & self.z).bit_count()

    @property
    def sign(self) -> int:
        """1 or -1, of a product of letters."""
        return 1 - (self.power - self.n_y & 3)


@dataclass(frozen=True)
class Program:
    """A circuit: Pauli rotations of the state 0, and what becomes of observables after them.

    Attributes
    ----------
    n_qubits
        Number of qubits, 1 to 30.
    n_parameters
        Number of parameters, at least 0.
    table
        X part, Z part and number of Y of each rotation, shape ``(n_rotations, 3)``.
    offsets
        The constant part of the angle of each rotation in radians, shape ``(n_rotations,)``.
    rows, columns, slopes
        Rotation, parameter and factor of what is linear in parameters.
    x_images, z_images
        What the Clifford circuit C after the rotations makes of X and Z of each qubit,
        ``C^dagger X C``.
    """

    n_qubits: int
    n_parameters: int
    table: NDArray[int64]
    offsets: NDArray[float64]
    rows: NDArray[int64]
    columns: NDArray[int64]
    slopes: NDArray[float64]
    x_images: tuple[Pauli, ...]
    z_images: tuple[Pauli, ...]

    def angles(self, parameters: NDArray[float64]) -> NDArray[float64]:
        """Return the angle of each rotation in radians, shape ``(n_rotations,)``."""
        linear = self.slopes * parameters[self.columns]
        return self.offsets + np.bincount(self.rows, linear, len(self.offsets))

    def gradient(self, derivatives: NDArray[float64]) -> NDArray[float64]:
        """Return the derivatives by the parameters, from those by the angles."""
        gradient = np.zeros(self.n_parameters)
        np.add.at(gradient, self.columns, self.slopes * derivatives[self.rows])
        return gradient


def image(
    letters: str, qubits: Sequence[int], x_images: Sequence[Pauli], z_images: Sequence[Pauli]
) -> Pauli:
    """Return what a Clifford circuit makes of a product of Pauli operators.

    Parameters
    ----------
    letters, qubits
        ``letters[k]``, one of I, X, Y and Z, acts on ``qubits[k]``.
    x_images, z_images
        What it makes of X and Z of each qubit.
    """
    found = Pauli(0, 0, letters.count("Y") & 3)
    for letter, qubit in zip(letters, qubits, strict=True):
        if letter in "XY":
            found = found * x_images[qubit]
        if letter in "YZ":
            found = found * z_images[qubit]
    return found


def circuit_bytes(n_qubits: int) -> int:
    """Return the bytes of the state vector of a circuit and of its adjoint."""
    return 32 << max(n_qubits, LEAST_QUBITS)
