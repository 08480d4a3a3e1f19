from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import ProblemTable
from hybrid_parsl.problems.registry import build_problem
from hybrid_parsl.simulate.aer import CircuitEnergy
from hybrid_parsl.simulate.alternating import AlternatingState


@pytest.mark.parametrize("nodes", [8, 12])
def test_it_agrees_with_the_kernels(nodes: int) -> None:
    problem = build_problem(ProblemTable(kind="maxcut", nodes=nodes, weights="uniform"))
    energy = CircuitEnergy(problem.circuit, problem.observable(), 4)
    angles = np.array([0.3, 0.9, 1.1, 0.2])
    diagonal = problem.cost_diagonal()
    assert diagonal is not None
    exact = AlternatingState(diagonal, 2).energy(angles)
    assert energy.energy(angles) == pytest.approx(exact, abs=1e-10)
    assert energy.energy(angles) == energy.energy(angles.tolist())
    assert energy.n_parameters == 4


@pytest.mark.parametrize("few", [0, 10])
def test_an_observable_that_is_not_diagonal(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybrid_parsl.simulate.aer._FEW_QUBITS", few)

    def turned(parameters: object) -> QuantumCircuit:
        circuit = QuantumCircuit(3)
        circuit.ry(parameters[0], 2)  # type: ignore[index]
        return circuit

    energy = CircuitEnergy(turned, SparsePauliOp(["XII", "IZI"], [2.0, 0.5]), 1)
    assert energy.energy([0.4]) == pytest.approx(2 * np.sin(0.4) + 0.5)


@pytest.mark.parametrize("few", [0, 10])
def test_a_circuit_without_a_state(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybrid_parsl.simulate.aer._FEW_QUBITS", few)

    def reset(parameters: object) -> QuantumCircuit:  # noqa: ARG001
        circuit = QuantumCircuit(2, 1)
        circuit.measure(0, 0)
        return circuit

    energy = CircuitEnergy(reset, SparsePauliOp("ZZ"), 0)
    with pytest.raises(ConfigurationError, match="state of the circuit"):
        energy.energy([])


def test_too_many_qubits() -> None:
    energy = CircuitEnergy(lambda _: QuantumCircuit(50), SparsePauliOp("Z" * 50), 0)
    with pytest.raises(ConfigurationError, match="state of the circuit"):
        energy.energy([])
