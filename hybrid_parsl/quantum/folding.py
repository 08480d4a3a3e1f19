"""Circuits with more noise: each gate that has errors is applied, undone and applied again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.circuit import CircuitInstruction
    from qiskit.transpiler import Target


def fold(circuit: QuantumCircuit, factor: int, target: Target | None = None) -> QuantumCircuit:
    """Return a circuit whose gates are there `factor` times.

    Each gate G becomes ``G (G^dagger G)^k`` with ``factor = 2 k + 1``, which leaves what the
    circuit computes unchanged and multiplies the errors of the gates (Giurgica-Tiron, Hindy,
    LaRose, Mari & Zeng, "Digital zero noise extrapolation for quantum error mitigation", QCE
    2020, section II.B). A gate without errors, such as a virtual RZ, stays as it is. Barriers
    keep a transpiler from cancelling the others.

    Parameters
    ----------
    circuit
        Transpiled: nothing may change its gates afterwards.
    factor
        Odd, at least 1; 1 returns the circuit as it is.
    target
        The gates of the device and their errors, if there is one.

    Raises
    ------
    ValueError
        If the inverse of a gate is none of the target.
    """
    if factor == 1:
        return circuit
    folded = circuit.copy_empty_like()
    for instruction in circuit.data:
        folded.append(instruction)
        places = tuple(circuit.find_bit(qubit).index for qubit in instruction.qubits)
        if not _has_errors(instruction, places, target):
            continue
        inverse = _inverse(instruction, places, target)
        for _ in range(factor // 2):
            for part in (inverse, [instruction]):
                folded.barrier(instruction.qubits)
                for each in part:
                    folded.append(each)
    return folded


def _has_errors(
    instruction: CircuitInstruction, places: tuple[int, ...], target: Target | None
) -> bool:
    """Return whether an instruction is a gate that the target does not call free of errors."""
    from qiskit.circuit import Gate

    if not isinstance(instruction.operation, Gate):
        return False
    of_gate = None if target is None else (target[instruction.operation.name] or {}).get(places)
    return of_gate is None or of_gate.error != 0


def _inverse(
    instruction: CircuitInstruction, places: tuple[int, ...], target: Target | None
) -> list[CircuitInstruction]:
    """Return instructions of the target that undo one on these of its qubits."""
    from qiskit.circuit.library import RZGate, XGate

    inverse = instruction.replace(operation=instruction.operation.inverse())
    name, parameters = inverse.operation.name, inverse.operation.params
    if target is None or target.instruction_supported(name, places, parameters=parameters):
        return [inverse]
    if name == "rzz":  # its angles are limited to one sign: X changes that of ZZ
        flip = instruction.replace(operation=XGate(), qubits=instruction.qubits[:1])
        return [flip, instruction, flip]
    if name == "sxdg" and target.instruction_supported("rz", places):  # Z changes the sign of X
        turn = instruction.replace(operation=RZGate(math.pi))
        return [turn, instruction, turn]
    message = f"the inverse of its gate {instruction.operation.name} is none of its gates"
    raise ValueError(message)
