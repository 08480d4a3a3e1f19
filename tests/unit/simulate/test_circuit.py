"""Energies and gradients of circuits, compared with Qiskit's state vectors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.circuit.library import PauliEvolutionGate
from qiskit.quantum_info import Operator, SparsePauliOp, Statevector

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.simulate.circuit import CircuitState
from hybrid_parsl.simulate.circuit_translation import program_of

ONE = ["rx", "ry", "rz", "p"]
TWO = ["rxx", "ryy", "rzz", "cp", "crx", "cry", "crz"]
FIXED = ["x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "sxdg"]
PAIRS = ["cx", "cz", "swap", "cy", "ecr", "iswap", "ch"]


def random_circuit(rng, n_qubits, n_gates):
    """Return a circuit of all kinds of gates, its parameters, and their number."""
    circuit = QuantumCircuit(n_qubits)
    vector = ParameterVector("t", n_gates)
    for number in range(n_gates):
        qubits = [int(q) for q in rng.permutation(n_qubits)]
        angle = float(rng.normal()) * vector[number] + float(rng.normal())
        if number % 3 == 0:
            angle = angle - 0.5 * vector[int(rng.integers(n_gates))]
        kinds = [ONE, FIXED] + ([TWO, PAIRS] if n_qubits > 1 else [])
        kind = kinds[rng.integers(len(kinds))]
        name = str(rng.choice(kind))
        angles = [angle] if kind in (ONE, TWO) else []
        getattr(circuit, name)(*angles, *qubits[: 2 if kind in (TWO, PAIRS) else 1])
    return circuit, list(vector)


def random_observable(rng, n_qubits):
    labels = {"".join(rng.choice(list("IXYZ"), n_qubits)) for _ in range(12)}
    return SparsePauliOp(sorted(labels), rng.normal(size=len(labels)))


def energy_of(circuit, vector, observable, values):
    bound = circuit.assign_parameters(
        {each: values[k] for k, each in enumerate(vector) if each in circuit.parameters}
    )
    return Statevector(bound).expectation_value(observable).real


@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_energy_and_gradient_are_those_of_the_state_vector(seed, n_qubits):
    rng = np.random.default_rng(seed)
    circuit, vector = random_circuit(rng, n_qubits, 12)
    observable = random_observable(rng, n_qubits)
    state = CircuitState(program_of(circuit, vector), observable)
    values = rng.normal(size=len(vector))
    energy, gradient = state.energy_and_gradient(values)
    assert energy == pytest.approx(energy_of(circuit, vector, observable, values), abs=1e-10)
    assert energy == state.energy(values)
    for number in rng.choice(len(vector), 3):
        step = 1e-5 * np.eye(len(vector))[number]
        ends = [energy_of(circuit, vector, observable, values + s * step) for s in (1, -1)]
        assert gradient[number] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-6)


def test_an_evolution_under_a_pauli_sum_is_one_rotation_a_term():
    (angle,) = vector = ParameterVector("t", 1)
    circuit = QuantumCircuit(3)
    operator = SparsePauliOp(["XYZ", "IZZ"], [0.5, 2.0])
    circuit.append(PauliEvolutionGate(operator, angle), range(3))
    program = program_of(circuit, list(vector))
    assert len(program.table) == 2
    observable = SparsePauliOp(["ZXI", "XXX"])
    found = CircuitState(program, observable).energy([0.3])
    assert found == pytest.approx(energy_of(circuit.decompose(), vector, observable, [0.3]))


def test_gates_of_three_angles_and_matrices_have_the_same_energy():
    vector = ParameterVector("t", 3)
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.u(vector[0], 2 * vector[1], vector[2], 0)
    circuit.cu(0.3, vector[0], 0.7, vector[2], 0, 1)
    circuit.unitary(Operator(QuantumCircuit(2)).data, [0, 1])
    circuit.rzx(vector[1], 1, 0)
    observable = SparsePauliOp(["XY", "ZI", "YX"], [1.0, 0.5, -0.3])
    values = [0.4, 1.1, -0.8]
    found = CircuitState(program_of(circuit, list(vector)), observable).energy(values)
    assert found == pytest.approx(energy_of(circuit, vector, observable, values), abs=1e-12)


def test_clifford_gates_and_quarter_turns_become_no_rotations():
    (angle,) = vector = ParameterVector("t", 1)
    circuit = QuantumCircuit(3)
    circuit.h(range(3))
    circuit.cx(0, 1)
    circuit.rz(math.pi / 2, 1)
    circuit.rx(-math.pi, 2)
    circuit.swap(1, 2)
    circuit.ryy(angle, 0, 2)
    circuit.cz(0, 1)
    circuit.iswap(1, 2)
    program = program_of(circuit, list(vector))
    assert len(program.table) == 1
    observable = SparsePauliOp(["XYZ", "ZZI", "YIX"], [0.5, 2.0, -1.0])
    found = CircuitState(program, observable).energy([0.3])
    assert found == pytest.approx(energy_of(circuit, vector, observable, [0.3]), abs=1e-12)


def test_an_angle_that_is_not_linear_is_refused():
    (angle,) = vector = ParameterVector("t", 1)
    circuit = QuantumCircuit(1)
    circuit.rx(angle**2, 0)
    with pytest.raises(ConfigurationError, match="not linear"):
        program_of(circuit, list(vector))


def test_a_circuit_that_measures_is_refused():
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    with pytest.raises(ConfigurationError, match="measure"):
        program_of(circuit, [])


def test_the_transverse_field_of_one_spin():
    (angle,) = vector = ParameterVector("t", 1)
    circuit = QuantumCircuit(1)
    circuit.ry(angle, 0)
    state = CircuitState(program_of(circuit, list(vector)), SparsePauliOp(["Z", "X"], [1.0, 2.0]))
    energy, gradient = state.energy_and_gradient([0.4])
    assert energy == pytest.approx(math.cos(0.4) + 2 * math.sin(0.4))
    assert gradient[0] == pytest.approx(-math.sin(0.4) + 2 * math.cos(0.4))
