"""The Hamiltonian variational ansatz: evolution under parts of the cost, in turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hybrid_parsl.problems.ansatz.pauli_rotation import append_rotation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qiskit import QuantumCircuit


@dataclass(frozen=True)
class PauliTerm:
    """A weighted product of Pauli operators.

    Attributes
    ----------
    letters
        X, Y and Z, at least one.
    qubits
        The qubit of each letter.
    weight
        The coefficient.
    """

    letters: str
    qubits: tuple[int, ...]
    weight: float


Group = tuple[PauliTerm, ...]
"""Terms that commute, evolved under together with one angle a layer."""


def append_layers(
    circuit: QuantumCircuit, groups: Sequence[Group], parameters: Sequence[Any]
) -> None:
    """Append ``prod_l prod_g exp(-i theta_gl G_g)`` to a circuit, the first group first.

    G_g is the sum of the terms of group g (Wecker, Hastings & Troyer, Phys. Rev. A 92, 042303,
    2015; Wiersema et al., PRX Quantum 1, 020319, 2020).

    Parameters
    ----------
    circuit
        Prepares the initial state.
    groups
        Terms that commute; their weights say by how much an angle is multiplied.
    parameters
        All angles of the first group, layer by layer, then those of the second, and so on; in
        radians, or parameters of Qiskit's: as many for each group.
    """
    angles = list(parameters)
    layers = len(angles) // len(groups)
    for layer in range(layers):
        for index, group in enumerate(groups):
            angle = angles[index * layers + layer]
            for term in group:
                append_rotation(circuit, term.letters, term.qubits, 2 * term.weight * angle)
