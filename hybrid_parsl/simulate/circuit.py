"""Energy and exact gradient of any circuit of rotations and Clifford gates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .circuit_program import LEAST_QUBITS, image
from .entry_points import address_of, apply_observable, run, run_back

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float64
    from numpy.typing import NDArray
    from qiskit.quantum_info import SparsePauliOp

    from .circuit_program import Program

_BLOCK = 64
_APART = 64  # numbers between real and imaginary parts, so that they use other sets of the cache


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
        self._size = 1 << max(program.n_qubits, LEAST_QUBITS)
        self._part = self._size + _APART
        self._state = np.zeros(self._part + self._size)
        self._adjoint = np.zeros_like(self._state)
        self._table = np.ascontiguousarray(program.table, np.int64)
        self._observable = _groups(observable, program)
        lanes = np.arange(min(self._size, _BLOCK))
        self._signs = 1.0 - 2.0 * (np.bitwise_count(lanes[:, None] & lanes) & 1)
        self._factors = np.zeros((2, len(lanes)))
        self._set_arguments()

    @property
    def n_parameters(self) -> int:
        """Number of parameters."""
        return self._program.n_parameters

    def energy(self, parameters: Sequence[float] | NDArray[float64]) -> float:
        """Return the expectation value of the observable.

        Parameters
        ----------
        parameters
            In radians, shape ``(n_parameters,)``.
        """
        self._forward(parameters)
        return self._product()

    def energy_and_gradient(
        self, parameters: Sequence[float] | NDArray[float64]
    ) -> tuple[float, NDArray[float64]]:
        """Return the expectation value and its gradient, shape ``(n_parameters,)``.

        Parameters
        ----------
        parameters
            In radians, shape ``(n_parameters,)``.
        """
        cosines, sines = self._forward(parameters)
        energy = self._product()
        derivatives = np.zeros(len(cosines))
        run_back.of()(*self._back, *map(address_of, (cosines, sines, derivatives)))
        return energy, self._program.gradient(derivatives)

    def _forward(
        self, parameters: Sequence[float] | NDArray[float64]
    ) -> tuple[NDArray[float64], NDArray[float64]]:
        """Prepare the state; return cosine and sine of half the angle of each rotation."""
        half = 0.5 * self._program.angles(np.asarray(parameters, np.float64))
        cosines, sines = np.cos(half), np.sin(half)
        run.of()(*self._there, address_of(cosines), address_of(sines))
        return cosines, sines

    def _product(self) -> float:
        """Make the adjoint the observable times the state; return the expectation value."""
        return apply_observable.of()(*self._applied)

    def _set_arguments(self) -> None:
        """Set those arguments of `run`, `run_back` and `apply_observable` that never change."""
        state, adjoint = address_of(self._state), address_of(self._adjoint)
        rotations = address_of(self._table), len(self._table)
        beginnings, x_parts, *terms = map(address_of, self._observable)
        n_groups = len(self._observable[1])
        sizes = self._part, self._size
        self._there = (state, *sizes, *rotations)
        self._back = (state, adjoint, *sizes, *rotations)
        self._applied = (
            state, adjoint, *sizes, beginnings, x_parts, n_groups, *terms,
            address_of(self._signs), len(self._signs), *map(address_of, self._factors),
        )  # fmt: skip


def _groups(observable: SparsePauliOp, program: Program) -> tuple[NDArray[np.generic], ...]:
    """Return the images of the terms by X part: beginnings, X and Z parts, and complex factors.

    ``i**power X**x Z**z`` takes psi[u ^ x] to u, times ``i**power (-1)**parity(z & (u ^ x))``.
    """
    images = program.x_images, program.z_images
    qubits = range(program.n_qubits)
    terms = [image(label[::-1], qubits, *images) for label in observable.paulis.to_labels()]
    powers = np.array([term.power + 2 * term.n_y for term in terms])
    factors = np.asarray(observable.coeffs, complex) * np.array([1, 1j, -1, -1j])[powers % 4]
    x_of, z_of = (
        np.array(each, np.int64) for each in zip(*[term[:2] for term in terms], strict=True)
    )
    order = np.argsort(x_of, kind="stable")
    x_of, z_of, factors = x_of[order], z_of[order], factors[order]
    x_parts, begins = np.unique(x_of, return_index=True)
    beginnings = np.append(begins, len(x_of)).astype(np.int64)
    real, imaginary = np.ascontiguousarray(factors.real), np.ascontiguousarray(factors.imag)
    return beginnings, x_parts, z_of, real, imaginary
