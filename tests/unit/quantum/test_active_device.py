from __future__ import annotations

import numpy as np
from qiskit import ClassicalRegister, QuantumCircuit
from qiskit.circuit import Clbit, Parameter
from qiskit.primitives import BackendSamplerV2
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.transpiler import CouplingMap
from qiskit_aer import AerSimulator

from hybrid_parsl.quantum.active_device import (
    ActiveDevice,
    active_qubits,
    restrict_circuit,
    restrict_target,
)
from hybrid_parsl.quantum.transpilation import TranspilationOptions, transpile_to

DEVICE = GenericBackendV2(7, coupling_map=CouplingMap.from_line(7), seed=2, control_flow=True)


def wide() -> QuantumCircuit:
    circuit = QuantumCircuit(7)
    circuit.h(3)
    circuit.cx(3, 5)
    circuit.barrier()
    circuit.delay(100, 0)
    circuit.rz(Parameter("angle"), 5)
    return circuit


def test_barriers_and_delays_do_not_make_a_qubit_active() -> None:
    assert active_qubits(wide()) == {3, 5}


def test_a_circuit_is_restricted() -> None:
    circuit = wide()
    circuit.global_phase = 0.5
    circuit.add_bits([Clbit()])
    circuit.add_register(ClassicalRegister(2, "c"))
    circuit.measure([3, 5], circuit.cregs[0])
    small = restrict_circuit(circuit, [3, 5])
    expected = QuantumCircuit(2)
    expected.global_phase = 0.5
    expected.h(0)
    expected.cx(0, 1)
    expected.barrier()
    expected.rz(circuit.parameters[0], 1)
    expected.add_bits([circuit.clbits[0]])
    expected.add_register(circuit.cregs[0])
    expected.measure([0, 1], expected.cregs[0])
    assert small == expected


def test_a_target_keeps_its_errors() -> None:
    small, whole = restrict_target(DEVICE.target, [2, 3]), DEVICE.target
    assert small.num_qubits == 2
    assert small.dt == whole.dt
    assert set(small.operation_names) == set(whole.operation_names)
    assert set(small["cx"]) == {(0, 1), (1, 0)}
    assert small["cx"][0, 1].error == whole["cx"][2, 3].error
    assert small["measure"][1,].error == whole["measure"][3,].error
    assert small.qubit_properties[0].t1 == whole.qubit_properties[2].t1


def test_the_counts_of_the_part_are_those_of_the_whole_device() -> None:
    circuit = QuantumCircuit(3)
    circuit.h(0)
    for _ in range(6):
        circuit.cx(0, 1)
        circuit.rzz(0.4, 1, 2)
    circuit.measure_all()
    prepared = transpile_to(DEVICE.target, circuit, TranspilationOptions(optimization_level=1))
    qubits, shots = sorted(active_qubits(prepared)), 20000
    small = ActiveDevice(DEVICE, qubits)
    assert small.qubits == qubits
    distributions = []
    for device, run in ((DEVICE, prepared), (small, restrict_circuit(prepared, qubits))):
        simulator = AerSimulator.from_backend(device, method="density_matrix")
        sampler = BackendSamplerV2(backend=simulator, options={"seed_simulator": 5})
        counts = sampler.run([run], shots=shots).result()[0].data.meas.get_counts()
        distributions.append([counts.get(f"{k:03b}", 0) / shots for k in range(8)])
    whole, part = np.array(distributions)
    assert np.all(np.abs(whole - part) <= 5 * np.sqrt((whole + part + 1e-4) / shots))


def test_a_part_of_a_device_runs_circuits() -> None:
    circuit = QuantumCircuit(1)
    circuit.x(0)
    circuit.measure_all()
    device = ActiveDevice(DEVICE, [4])
    assert device.max_circuits is None
    assert device.run(circuit, shots=50).result().get_counts()["1"] > 40
