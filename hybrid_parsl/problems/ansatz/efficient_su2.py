"""The hardware-efficient circuit that Qiskit calls EfficientSU2."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float64
    from numpy.typing import NDArray
    from qiskit import QuantumCircuit


def su2_bounds(n_qubits: int, layers: int) -> NDArray[float64]:
    """Return the box of all angles, -pi to pi, shape ``(2 * n_qubits * (layers + 1), 2)``."""
    return np.tile([-np.pi, np.pi], (2 * n_qubits * (layers + 1), 1))


def su2_circuit(n_qubits: int, parameters: Sequence[Any]) -> QuantumCircuit:
    """Return layers of RY and RZ on every qubit, with a line of CX between two layers.

    Kandala et al., Nature 549, 242 (2017); Qiskit's ``efficient_su2`` with
    ``entanglement="linear"`` and the same order of the parameters.

    Parameters
    ----------
    n_qubits
        Number of qubits.
    parameters
        For each layer the angles of RY and then those of RZ, qubit 0 first, in radians, or
        parameters of Qiskit's: ``2 * n_qubits * (layers + 1)`` of them.

    Raises
    ------
    ConfigurationError
        If there is another number of them.
    """
    from qiskit import QuantumCircuit

    angles = list(parameters)
    n_rotations, rest = divmod(len(angles), 2 * n_qubits)
    if rest or n_rotations <= 1:
        message = "the circuit cannot take this number of angles"
        valid = f"{2 * n_qubits} * (layers + 1)"
        raise ConfigurationError(message, None, None, shown(len(angles)), valid)
    circuit = QuantumCircuit(n_qubits)
    for rotation in range(n_rotations):
        if rotation:
            for first, second in pairwise(range(n_qubits)):
                circuit.cx(first, second)
        start = 2 * n_qubits * rotation
        for qubit in range(n_qubits):
            circuit.ry(angles[start + qubit], qubit)
        for qubit in range(n_qubits):
            circuit.rz(angles[start + n_qubits + qubit], qubit)
    return circuit
