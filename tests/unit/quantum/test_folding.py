from __future__ import annotations

import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import CZGate, Measure, RZGate, RZZGate, SXGate, XGate, iSwapGate
from qiskit.quantum_info import Operator
from qiskit.transpiler import InstructionProperties, Target, generate_preset_pass_manager

from hybrid_parsl.quantum.folding import fold


def every_kind() -> QuantumCircuit:
    """Return a circuit with gates on one, two and three qubits; iswap is not its own inverse."""
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.rzz(0.7, 1, 2)
    circuit.iswap(0, 2)
    circuit.t(1)
    circuit.ccx(0, 1, 2)
    return circuit


@pytest.mark.parametrize("factor", [1, 3, 5, 9])
def test_the_unitary_stays(factor: int) -> None:
    folded = fold(every_kind(), factor)
    assert Operator(folded) == Operator(every_kind())
    assert folded.num_nonlocal_gates() == 4 * factor
    assert folded.count_ops()["h"] == factor


def test_the_gates_of_a_device_are_folded_but_for_those_without_errors() -> None:
    target = Target(num_qubits=1)
    target.add_instruction(SXGate(), {(0,): InstructionProperties(error=1e-3)})
    target.add_instruction(RZGate(Parameter("angle")), {(0,): InstructionProperties(error=0.0)})
    circuit = QuantumCircuit(1)
    circuit.sx(0)
    circuit.rz(0.4, 0)
    folded = fold(circuit, 5, target)
    assert Operator(folded).equiv(Operator(circuit))
    assert folded.count_ops()["sx"] == 5
    assert folded.count_ops()["rz"] == 1 + 2 * 2  # two around each inverse of SX


def test_measurements_and_the_layout_stay() -> None:
    circuit = every_kind().measure_all(inplace=False)
    prepared = generate_preset_pass_manager(1, basis_gates=["cz", "rz", "sx"]).run(circuit)
    folded = fold(prepared, 3)
    assert folded.count_ops()["measure"] == 3
    assert folded.layout == prepared.layout
    assert folded.count_ops()["cz"] == 3 * prepared.count_ops()["cz"]


def test_a_transpiler_does_not_undo_it() -> None:
    manager = generate_preset_pass_manager(3, basis_gates=["cz", "rz", "sx"], seed_transpiler=1)
    prepared = manager.run(every_kind())
    folded = manager.run(fold(prepared, 3))
    assert folded.count_ops()["cz"] == 3 * prepared.count_ops()["cz"]


def limited(gate: object) -> Target:
    """Return the target of two qubits with a gate on both."""
    target = Target(num_qubits=2)
    target.add_instruction(XGate(), {(0,): None, (1,): None})
    target.add_instruction(Measure(), {(0,): None, (1,): None})
    target.add_instruction(gate, {(0, 1): None})
    return target


def test_the_inverse_of_a_gate_with_limited_angles() -> None:
    target = limited(RZZGate(Parameter("angle")))
    fractional = Target(num_qubits=2)
    fractional.add_instruction(XGate(), {(0,): None, (1,): None})
    fractional.add_instruction(
        RZZGate(Parameter("angle")), {(0, 1): None}, angle_bounds=[(0.0, 1.5707963267948966)]
    )
    circuit = QuantumCircuit(2)
    circuit.rzz(0.4, 0, 1)
    for each, flips in ((target, 0), (fractional, 2)):
        folded = fold(circuit, 3, each)
        assert Operator(folded) == Operator(circuit)
        assert folded.count_ops()["rzz"] == 3
        assert folded.count_ops().get("x", 0) == flips


def test_a_gate_without_an_inverse() -> None:
    circuit = QuantumCircuit(2)
    circuit.iswap(0, 1)
    with pytest.raises(ValueError, match="inverse of its gate iswap"):
        fold(circuit, 3, limited(iSwapGate()))
    assert fold(QuantumCircuit(2), 3, limited(CZGate())) == QuantumCircuit(2)
