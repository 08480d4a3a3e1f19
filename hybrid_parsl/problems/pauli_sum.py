"""The cost of basis states under a sum of Pauli operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import shown
from hybrid_parsl.problems.ising_form import spins_of
from hybrid_parsl.simulate.free_memory import check_memory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import bool_, float64
    from numpy.typing import NDArray
    from qiskit.quantum_info import SparsePauliOp

_MOST_SIGNS = 2**22  # that are held at a time


def diagonal_terms(observable: SparsePauliOp) -> tuple[NDArray[bool_], NDArray[float64]]:
    """Return the terms that are products of Z alone.

    Returns
    -------
    masks
        Which qubits have a Z in each term, qubit 0 first, shape ``(n_terms, n_qubits)``.
    coefficients
        Their coefficients, shape ``(n_terms,)``.
    """
    diagonal = ~observable.paulis.x.any(axis=1)
    return observable.paulis.z[diagonal], observable.coeffs[diagonal].real


def _off_diagonal(observable: SparsePauliOp) -> NDArray[bool_]:
    """Return which terms have an X or a Y, shape ``(n_terms,)``."""
    terms: NDArray[bool_] = observable.paulis.x.any(axis=1) & (observable.coeffs != 0)
    return terms


def is_diagonal(observable: SparsePauliOp) -> bool:
    """Return whether no term has an X or a Y; terms with the coefficient 0 do not count."""
    return not _off_diagonal(observable).any()


def check_diagonal_terms(observable: SparsePauliOp) -> None:
    """Refuse an observable that measured bitstrings do not give the value of.

    Raises
    ------
    ConfigurationError
        If a term has an X or a Y.
    """
    others = _off_diagonal(observable)
    if others.any():
        first = observable.paulis[others].to_labels()[0]
        message = "its observable is not diagonal: bitstrings do not give its value"
        valid = "terms of I and Z only, or energies(bitstrings) of its own"
        raise ConfigurationError(message, None, "problem.kind", shown(first), valid)


def diagonal_energies(observable: SparsePauliOp, bitstrings: Sequence[str]) -> NDArray[float64]:
    """Return the expectation value in each basis state, shape ``(len(bitstrings),)``.

    Raises
    ------
    ResultError
        If one of them is not a bitstring of as many qubits.
    """
    masks, coefficients = diagonal_terms(observable)
    ones = (spins_of(bitstrings, observable.num_qubits) < 0).astype(np.float64)
    energies = np.empty(len(bitstrings))
    at_once = max(1, _MOST_SIGNS // max(1, len(masks)))
    for first in range(0, len(bitstrings), at_once):
        parity = ones[first : first + at_once] @ masks.T.astype(np.float64) % 2
        energies[first : first + at_once] = (1 - 2 * parity) @ coefficients
    return energies


def cost_diagonal(observable: SparsePauliOp) -> NDArray[float64] | None:
    """Return the diagonal of a diagonal observable, shape ``(2**n_qubits,)``, else None.

    Raises
    ------
    InsufficientMemoryError
        If it does not fit into the free memory.
    """
    if not is_diagonal(observable):
        return None
    n_qubits = observable.num_qubits
    check_memory(16 << n_qubits, f"the costs of {n_qubits} qubits")
    return walsh_hadamard(*diagonal_terms(observable), n_qubits)


def walsh_hadamard(
    masks: NDArray[bool_], coefficients: NDArray[Any], n_qubits: int
) -> NDArray[Any]:
    """Return the diagonal of a sum of products of Z, shape ``(2**n_qubits,)``.

    It is the Walsh-Hadamard transform of the coefficients, ordered by which qubits have a Z.

    Parameters
    ----------
    masks
        Which qubits have a Z in each term, qubit 0 first, shape ``(n_terms, n_qubits)``.
    coefficients
        Real or complex, shape ``(n_terms,)``.
    n_qubits
        Number of qubits.
    """
    costs = np.zeros(2**n_qubits, dtype=coefficients.dtype)
    np.add.at(costs, masks @ (1 << np.arange(n_qubits)), coefficients)
    for qubit in range(n_qubits):
        pairs = costs.reshape(-1, 2, 2**qubit)
        zero, one = pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]
        pairs[:, 0], pairs[:, 1] = zero, one
    return costs
