"""The defaults of the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Gate
from qiskit.primitives import BackendEstimatorV2, BackendSamplerV2
from qiskit.providers.fake_provider import GenericBackendV2

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import Quantum
from hybrid_parsl.quantum import BackendOptions, QuantumBackend

if TYPE_CHECKING:
    from qiskit.transpiler import Target


class Line(QuantumBackend):
    """A device of 3 qubits in a line."""

    class Options(BackendOptions):
        level: int = 1

    device_of_all = GenericBackendV2(3, coupling_map=[[0, 1], [1, 2]], noise_info=False)

    @property
    def target(self) -> Target:
        return self.device_of_all.target

    def sampler(self) -> BackendSamplerV2:
        return BackendSamplerV2(backend=self.device_of_all)

    def estimator(self) -> BackendEstimatorV2:
        return BackendEstimatorV2(backend=self.device_of_all)


class Anywhere(Line):
    target = None  # type: ignore[assignment]


def line(**options: int) -> Line:
    return Line(Quantum(backend="lab:Line", options=options))


def far() -> QuantumCircuit:
    circuit = QuantumCircuit(3)
    for k in range(3):
        circuit.rzz(0.3, k, (k + 1) % 3)
    return circuit


def test_a_circuit_is_transpiled_to_the_target() -> None:
    prepared = line().prepare(far())
    assert set(prepared.count_ops()) <= set(line().target.operation_names)
    assert prepared == line().prepare(far())


def test_without_a_target_a_circuit_stays_as_it_is() -> None:
    circuit = far()
    backend = Anywhere(Quantum())
    assert backend.prepare(circuit) is circuit
    backend.check(lambda: pytest.fail("makes a circuit that it does not need"))


def test_the_check_compares_qubits() -> None:
    line().check(far)
    with pytest.raises(ConfigurationError, match="fewer qubits") as caught:
        line().check(lambda: QuantumCircuit(4))
    assert caught.value.key == "quantum.backend"
    assert caught.value.found == "4 qubits"


def test_the_check_transpiles() -> None:
    circuit = QuantumCircuit(1)
    circuit.append(Gate("no_such_gate", 1, []), [0])
    with pytest.raises(ConfigurationError, match="no_such_gate") as caught:
        line().check(lambda: circuit)
    assert caught.value.key == "quantum.backend"


def test_a_fingerprint_changes_with_class_options_and_name() -> None:
    assert line().fingerprint == line().fingerprint == line(level=1).fingerprint
    others = [
        line(level=2),
        Anywhere(Quantum(backend="lab:Line")),
        Line(Quantum(backend="other:Line")),
        Line(Quantum(backend="lab:Line"), "second"),
    ]
    assert len({line().fingerprint, *(other.fingerprint for other in others)}) == 5


def test_without_a_model_there_are_no_options() -> None:
    class Plain(Line):
        Options = BackendOptions  # type: ignore[assignment, misc]

    with pytest.raises(ConfigurationError) as caught:
        Plain(Quantum(options={"level": 1}))
    assert caught.value.key == "quantum.options.level"
    assert caught.value.valid == "no keys"
