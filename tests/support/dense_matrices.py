"""Dense matrices of Pauli operators by numpy alone, to compare with."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PAULIS = {
    "I": np.eye(2),
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]),
}


def pauli_matrix(n_qubits: int, letters: Mapping[int, str]) -> Any:
    """Return the matrix of a product; qubit 0 is the rightmost factor."""
    factors = [PAULIS[letters.get(qubit, "I")] for qubit in reversed(range(n_qubits))]
    return reduce(np.kron, factors)


def two_site_sum(n_qubits: int, kinds: Mapping[str, float], bonds: Iterable[Any]) -> Any:
    """Return the sum of ``weight * P_i P_j`` over bonds (i, j) and letters P."""
    total = np.zeros((2**n_qubits, 2**n_qubits), dtype=complex)
    for first, second in bonds:
        for letter, weight in kinds.items():
            left = pauli_matrix(n_qubits, {first: letter})
            total += weight * left @ pauli_matrix(n_qubits, {second: letter})
    return total


def field_sum(n_qubits: int, letter: str) -> Any:
    """Return the sum of a Pauli operator over all qubits."""
    return sum(pauli_matrix(n_qubits, {qubit: letter}) for qubit in range(n_qubits))


def chain(sites: int, *, periodic: bool) -> list[tuple[int, int]]:
    """Return the bonds (i, i + 1) of a chain or ring."""
    return [(i, (i + 1) % sites) for i in range(sites if periodic else sites - 1)]
