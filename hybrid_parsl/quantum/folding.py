"""Circuits with more noise: each gate on several qubits is applied, undone and applied again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.circuit import CircuitInstruction
    from qiskit.transpiler import Target


def fold(circuit: QuantumCircuit, factor: int, target: Target | None = None) -> QuantumCircuit:
    """Return a circuit whose gates on two or more qubits are there `factor` times.

    Each such gate G becomes ``G (G^dagger G)^k`` with ``factor = 2 k + 1``, which leaves what
    the circuit computes unchanged and multiplies the errors of these gates (Giurgica-Tiron,
    Hindy, LaRose, Mari & Zeng, "Digital zero noise extrapolation for quantum error mitigation",
    QCE 2020, section II.B, restricted to the gates that cause most of the errors). Barriers
    keep a transpiler from cancelling them.

    Parameters
    ----------
    circuit
        Transpiled: nothing may change its gates afterwards.
    factor
        Odd, at least 1; 1 returns the circuit as it is.
    target
        The gates of the device, if there is one.

    Raises
    ------
    ValueError
        If the inverse of a gate is none of the target.
    """
    if factor == 1:
        return circuit
    from qiskit.circuit import Gate

    folded = circuit.copy_empty_like()
    for instruction in circuit.data:
        folded.append(instruction)
        if len(instruction.qubits) == 1 or not isinstance(instruction.operation, Gate):
            continue
        inverse = _inverse(instruction, circuit, target)
        for _ in range(factor // 2):
            for each in (*inverse, instruction):
                folded.barrier(instruction.qubits)
                folded.append(each)
    return folded


def _inverse(
    instruction: CircuitInstruction, circuit: QuantumCircuit, target: Target | None
) -> list[CircuitInstruction]:
    """Return instructions of the target that undo one."""
    from qiskit.circuit.library import XGate

    inverse = instruction.replace(operation=instruction.operation.inverse())
    places = tuple(circuit.find_bit(qubit).index for qubit in instruction.qubits)
    name, parameters = inverse.operation.name, inverse.operation.params
    if target is None or target.instruction_supported(name, places, parameters=parameters):
        return [inverse]
    if name == "rzz":  # its angles are limited to one sign: X changes that of ZZ
        flip = instruction.replace(operation=XGate(), qubits=instruction.qubits[:1])
        return [flip, instruction, flip]
    message = f"the inverse of its gate {instruction.operation.name} is none of its gates"
    raise ValueError(message)
