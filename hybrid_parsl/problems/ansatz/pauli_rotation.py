"""The gates of a rotation about any product of Pauli operators."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qiskit import QuantumCircuit


def append_rotation(
    circuit: QuantumCircuit, letters: str, qubits: Sequence[int], angle: Any
) -> None:
    """Append ``exp(-i angle / 2 P)`` to a circuit.

    One or two equal letters are one gate; other products are turned to products of Z by H and S,
    whose parity is gathered on the last qubit by CX (Nielsen & Chuang, Quantum Computation and
    Quantum Information, section 4.7.3).

    Parameters
    ----------
    circuit
        The circuit.
    letters
        The Pauli operators of P, X, Y and Z, at least one.
    qubits
        The qubit of each letter.
    angle
        In radians, or a parameter of Qiskit's.
    """
    gates = {
        "X": circuit.rx,
        "Y": circuit.ry,
        "Z": circuit.rz,
        "XX": circuit.rxx,
        "YY": circuit.ryy,
        "ZZ": circuit.rzz,
    }
    if letters in gates:
        gates[letters](angle, *qubits)
        return
    for letter, qubit in zip(letters, qubits, strict=True):
        if letter == "Y":
            circuit.sdg(qubit)
        if letter != "Z":
            circuit.h(qubit)
    steps = list(pairwise(qubits))
    for first, second in steps:
        circuit.cx(first, second)
    circuit.rz(angle, qubits[-1])
    for first, second in reversed(steps):
        circuit.cx(first, second)
    for letter, qubit in zip(letters, qubits, strict=True):
        if letter != "Z":
            circuit.h(qubit)
        if letter == "Y":
            circuit.s(qubit)
