from __future__ import annotations

import math
from typing import Any

import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import CZGate, Measure, RXGate, RZGate, RZZGate, XGate
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.transpiler import CouplingMap, InstructionProperties, Target

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import Quantum
from hybrid_parsl.quantum import QuantumBackend
from hybrid_parsl.quantum.transpilation import (
    TranspilationOptions,
    describe_transpiled,
    estimated_duration_s,
    transpile_to,
)

LINE = GenericBackendV2(6, coupling_map=CouplingMap.from_line(6), seed=1).target


def ring() -> QuantumCircuit:
    circuit = QuantumCircuit(4)
    circuit.h(range(4))
    for k in range(4):
        circuit.rzz(0.3, k, (k + 1) % 4)
    circuit.measure_all()
    return circuit


def test_options_reach_the_pass_manager() -> None:
    options = TranspilationOptions(initial_layout=[5, 4, 3, 2], seed_transpiler=3)
    prepared = transpile_to(LINE, ring(), options)
    assert prepared == transpile_to(LINE, ring(), options)
    assert prepared.layout.initial_index_layout(filter_ancillas=True) == [5, 4, 3, 2]
    sizes = [
        transpile_to(LINE, ring(), TranspilationOptions(optimization_level=level)).size()
        for level in (0, 2)
    ]
    assert sizes[0] != sizes[1]


@pytest.mark.parametrize("layout", [[0, 1, 2], [0, 1, 2, 2], [0, 1, 2, 6]])
def test_a_layout_that_does_not_fit(layout: list[int]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        transpile_to(LINE, ring(), TranspilationOptions(initial_layout=layout))
    assert caught.value.key == "quantum.options.initial_layout"
    assert caught.value.valid


def test_the_record_of_a_transpilation() -> None:
    options = TranspilationOptions(initial_layout=[0, 1, 2, 3])
    prepared = transpile_to(LINE, ring(), options)
    record = describe_transpiled(ring(), prepared, LINE)
    assert (record.size_before, record.two_qubit_gates_before) == (12, 4)
    assert record.two_qubit_gates == prepared.num_nonlocal_gates() > 8  # a ring on a line
    assert record.depth == prepared.depth() > record.depth_before
    assert sorted(record.physical_qubits) == [0, 1, 2, 3]
    assert record.duration_s is not None
    assert 1e-8 < record.duration_s < 1e-3


def test_an_unknown_duration() -> None:
    target = Target(num_qubits=2)
    target.add_instruction(XGate(), {(0,): None, (1,): None})
    circuit = QuantumCircuit(2)
    circuit.x(0)
    assert estimated_duration_s(circuit, target) is None


def test_a_bound_rzz_angle_is_folded_into_its_range() -> None:
    pytest.importorskip("qiskit_ibm_runtime.utils")  # knows how to fold an RZZ
    target = Target(num_qubits=2)
    ones: dict[Any, Any] = {(0,): None, (1,): None}
    for gate in (RZGate(Parameter("z")), RXGate(Parameter("x")), XGate(), Measure()):
        target.add_instruction(gate, dict(ones))
    pair = {(0, 1): InstructionProperties()}
    target.add_instruction(RZZGate(Parameter("t")), pair, angle_bounds=[(0, math.pi / 2)])
    target.add_instruction(CZGate(), {(0, 1): None})
    circuit = QuantumCircuit(2)
    circuit.h([0, 1])
    circuit.rzz(2.9, 0, 1)
    folded = transpile_to(target, circuit, TranspilationOptions(initial_layout=[0, 1]))
    angles = [item.operation.params[0] for item in folded.data if item.operation.name == "rzz"]
    assert angles
    assert all(0 <= angle <= math.pi / 2 for angle in angles)


class OnLine(QuantumBackend):
    Options = TranspilationOptions
    target = LINE  # type: ignore[assignment]

    def sampler(self) -> Any:
        raise NotImplementedError

    def estimator(self) -> Any:
        raise NotImplementedError


def test_a_backend_of_any_device_takes_the_options() -> None:
    backend = OnLine(Quantum(options={"initial_layout": [3, 2, 1, 0]}))
    prepared = backend.prepare(ring())
    record = backend.transpiled(ring(), prepared)
    assert record is not None
    assert prepared.layout.initial_index_layout(filter_ancillas=True) == [3, 2, 1, 0]
    with pytest.raises(ConfigurationError):
        OnLine(Quantum(options={"optimization_level": 4}))
