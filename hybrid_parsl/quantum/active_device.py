"""A device cut down to the qubits that a circuit uses.

A circuit is transpiled to the whole device first, so that layout, routing and errors are those
of the device. Then device and circuit are restricted to the active qubits, which
makes the cost of a simulation depend on the circuit instead of the device.
"""

from __future__ import annotations

from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit import Barrier, Delay
from qiskit.providers import BackendV2, Options
from qiskit.transpiler import Target

_IDLE = (Barrier, Delay)


class ActiveDevice(BackendV2):  # type: ignore[misc] # not typed
    """The part of a device that a few of its qubits make up, with their gates and errors.

    Parameters
    ----------
    device
        The whole device.
    qubits
        Physical qubits to keep, ascending; qubit *i* of this device is ``qubits[i]``.
    """

    def __init__(self, device: BackendV2, qubits: list[int]) -> None:
        super().__init__(name=f"{device.name}_active", description=f"qubits {qubits}")
        self.qubits = list(qubits)
        self._target = restrict_target(device.target, self.qubits)

    @property
    def target(self) -> Target:
        """The gates among the active qubits."""
        return self._target

    @property
    def max_circuits(self) -> None:
        """The number of circuits in a job is unlimited."""
        return

    @classmethod
    def _default_options(cls) -> Options:
        return Options()

    def run(self, run_input: Any, **options: Any) -> Any:
        """Simulate circuits on Aer, with the noise of these qubits."""
        from qiskit_aer import AerSimulator

        return AerSimulator.from_backend(self).run(run_input, **options)


def active_qubits(circuit: QuantumCircuit) -> set[int]:
    """Return the qubits of a circuit that a gate or a measurement acts on."""
    return {
        circuit.find_bit(qubit).index
        for instruction in circuit.data
        if not isinstance(instruction.operation, _IDLE)
        for qubit in instruction.qubits
    }


def restrict_target(target: Target, qubits: list[int]) -> Target:
    """Return the instructions of a target that act on some of its qubits alone.

    Parameters
    ----------
    target
        Of the whole device.
    qubits
        Physical qubits to keep; qubit *i* of the result is ``qubits[i]``.
    """
    place = {qubit: index for index, qubit in enumerate(qubits)}
    properties = target.qubit_properties
    restricted = Target(
        num_qubits=len(qubits),
        dt=target.dt,
        granularity=target.granularity,
        min_length=target.min_length,
        pulse_alignment=target.pulse_alignment,
        acquire_alignment=target.acquire_alignment,
        qubit_properties=[properties[qubit] for qubit in qubits] if properties else None,
    )
    for name in target.operation_names:
        operation, entries = target.operation_from_name(name), target[name]
        if entries is None or None in entries:  # control flow, and what acts on any qubits
            restricted.add_instruction(operation, name=name)
            continue
        kept = {
            tuple(place[qubit] for qubit in acted_on): entry
            for acted_on, entry in entries.items()
            if all(qubit in place for qubit in acted_on)
        }
        if kept:
            restricted.add_instruction(operation, kept, name=name)
    return restricted


def restrict_circuit(circuit: QuantumCircuit, qubits: list[int]) -> QuantumCircuit:
    """Return a circuit over some of its qubits, with its classical bits and parameters.

    Parameters
    ----------
    circuit
        All of its gates and measurements act on `qubits`.
    qubits
        Qubits to keep; qubit *i* of the result is ``qubits[i]``.
    """
    place = {qubit: index for index, qubit in enumerate(qubits)}
    restricted = QuantumCircuit(
        len(qubits),
        name=circuit.name,
        global_phase=circuit.global_phase,
        metadata=circuit.metadata,
    )
    restricted.add_bits([bit for bit in circuit.clbits if not circuit.find_bit(bit).registers])
    restricted.add_register(*circuit.cregs)
    for instruction in circuit.data:
        acted_on = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        operation = instruction.operation
        if isinstance(operation, _IDLE):
            acted_on = [qubit for qubit in acted_on if qubit in place]
        if isinstance(operation, Barrier):
            operation = Barrier(len(acted_on))
        if acted_on:
            restricted.append(operation, [place[qubit] for qubit in acted_on], instruction.clbits)
    return restricted
