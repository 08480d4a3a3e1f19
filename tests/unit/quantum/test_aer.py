from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp
from qiskit_aer.primitives import SamplerV2

from hybrid_parsl.errors import ConfigurationError, InsufficientMemoryError
from hybrid_parsl.experiment import Quantum
from hybrid_parsl.quantum.aer import AerBackend
from hybrid_parsl.stages.quantum import measure


def aer(**table: Any) -> AerBackend:
    return AerBackend(Quantum(**table))


def coin() -> QuantumCircuit:
    circuit = QuantumCircuit(1)
    circuit.h(0)
    return circuit


def test_aer_has_a_name_and_qiskits_bit_order() -> None:
    circuit = QuantumCircuit(2)
    circuit.x(0)
    backend = aer(method="statevector", shots=10)
    assert backend.name.startswith("aer 0.")
    assert backend.name.endswith("(statevector)")
    assert measure(circuit, backend) == {"01": 10}


def test_the_counts_are_those_of_aers_own_sampler() -> None:
    circuit = QuantumCircuit(3)
    for qubit, angle in enumerate((0.4, 0.9, 1.7)):
        circuit.ry(angle, qubit)
    own = SamplerV2(seed=3).run([circuit.measure_all(inplace=False)], shots=500).result()
    counts = own[0].data.meas.get_counts()
    assert measure(circuit, aer(seed=3, shots=500)) == dict(sorted(counts.items()))


def test_many_shots_are_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybrid_parsl.quantum.aer._MAX_SHOTS_PER_CALL", 100)
    backend = aer(seed=2**32 - 1, shots=1050)
    counts = measure(coin(), backend)
    assert sum(counts.values()) == 1050
    assert counts["0"] % 100 != 50  # the parts are not copies of each other
    assert counts == measure(coin(), backend)


def test_pubs_with_few_and_many_shots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybrid_parsl.quantum.aer._MAX_SHOTS_PER_CALL", 100)
    angle = Parameter("angle")
    turned = QuantumCircuit(1)
    turned.rx(angle, 0)
    turned.measure_all()
    sampler = aer(shots=30).sampler()
    pubs = [(turned, [[0.0], [3.141592653589793]], 250), (turned, [0.0], 40), (turned, [0.0])]
    many, few, default = sampler.run(pubs).result()
    assert many.data.meas.get_counts(0) == {"0": 250}
    assert many.data.meas.get_counts(1) == {"1": 250}
    assert many.metadata["shots"] == 250
    assert few.data.meas.get_counts() == {"0": 40}
    assert default.data.meas.get_counts() == {"0": 30}
    assert len(sampler.run([]).result()) == 0


def test_equal_circuits_of_one_call_are_drawn_independently() -> None:
    circuit = coin().measure_all(inplace=False)
    results = aer().sampler().run([circuit, circuit], shots=1000).result()
    first, second = (result.data.meas.get_counts() for result in results)
    assert first != second


def test_the_estimator_samples_with_the_precision_of_the_table() -> None:
    circuit = QuantumCircuit(2)
    circuit.ry(0.7, 0)
    circuit.cx(0, 1)
    observable = SparsePauliOp(["XX", "ZI"], [1.0, 0.5])
    backend = aer(shots=1000)
    pub = (backend.prepare(circuit), observable)
    first, again = (backend.estimator().run([pub]).result()[0] for _ in range(2))
    other = aer(shots=1000, seed=8).estimator().run([pub]).result()[0]
    assert (first.metadata["shots"], first.metadata["n_bases"]) == (1000, 2)
    assert float(first.data.evs) == float(again.data.evs) != float(other.data.evs)
    exact = np.sin(0.7) + 0.5 * np.cos(0.7)
    assert 0 < abs(float(first.data.evs) - exact) < 5 * float(first.data.stds)


def test_the_estimator_runs_on_many_qubits() -> None:
    circuit = QuantumCircuit(40)
    circuit.h(range(40))
    backend = aer(method="matrix_product_state")
    job = backend.estimator().run([(backend.prepare(circuit), SparsePauliOp("X" * 40))])
    assert float(job.result()[0].data.evs) == pytest.approx(1.0, abs=1e-9)


def test_a_classical_register_of_the_circuits_own_is_not_read() -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.x([0, 1])
    assert measure(circuit, aer(shots=10)) == {"11": 10}


@pytest.mark.parametrize(
    "table", [{"method": "statevector"}, {"options": {"method": "statevector"}}]
)
def test_the_method_is_also_an_option(table: dict[str, Any]) -> None:
    assert aer(**table).options.method == "statevector"


@pytest.mark.parametrize(
    ("table", "key", "suggestion"),
    [
        ({"method": "statevectr"}, "quantum.method", "statevector"),
        ({"options": {"method": "statevectr"}}, "quantum.options.method", "statevector"),
        ({"options": {"shotz": 1}}, "quantum.options.shotz", None),
        ({"method": "stabilizer", "options": {"shotz": 1}}, "quantum.options.shotz", None),
        ({"method": "stabilizer", "options": {"method": "x"}}, "quantum.options.method", None),
        ({"options": {"max_parallel_threads": -1}}, "quantum.options.max_parallel_threads", None),
        ({"options": {"precision": "half"}}, "quantum.options.precision", None),
    ],
)
def test_invalid_options(table: dict[str, Any], key: str, suggestion: str | None) -> None:
    with pytest.raises(ConfigurationError) as caught:
        aer(**table)
    assert caught.value.key == key
    assert caught.value.suggestion == suggestion


def test_options_reach_the_simulator() -> None:
    options = {"method": "matrix_product_state", "matrix_product_state_max_bond_dimension": 1}
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    counts = measure(circuit, aer(options=options, shots=100))
    assert len(counts) == 1  # without entanglement, a Bell pair is a product state


def test_a_device_that_aer_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qiskit_aer.AerSimulator.available_devices", lambda _: ("CPU",))
    with pytest.raises(ConfigurationError) as caught:
        aer(options={"device": "GPU"}).check(coin)
    assert caught.value.key == "quantum.options.device"
    assert (caught.value.found, caught.value.valid) == ("GPU", "CPU")


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"method": "stabilizer"}, "quantum.method"),
        ({"options": {"method": "extended_stabilizer"}}, "quantum.options.method"),
    ],
)
def test_a_method_without_the_circuits_gates(table: dict[str, Any], key: str) -> None:
    backend = aer(**table)
    backend.check(coin)
    circuit = QuantumCircuit(2)
    circuit.rzz(0.3, 0, 1)
    with pytest.raises(ConfigurationError, match="rzz") as caught:
        backend.check(lambda: circuit)
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("table", "n_qubits", "key"),
    [
        ({}, 30, "problem.nodes"),
        ({"method": "density_matrix"}, 15, "quantum.method"),
        ({"options": {"method": "density_matrix"}}, 15, "quantum.options.method"),
        ({"method": "matrix_product_state", "shots": 100_000_000}, 60, "quantum.shots"),
        ({"options": {"precision": "single"}}, 28, "problem.nodes"),
    ],
)
def test_what_does_not_fit_into_the_memory(
    monkeypatch: pytest.MonkeyPatch, table: dict[str, Any], n_qubits: int, key: str
) -> None:
    monkeypatch.setattr("hybrid_parsl.simulate.free_memory.available_bytes", lambda: 1 << 30)
    monkeypatch.setattr("hybrid_parsl.simulate.free_memory._PAUSE_S", 0.0)
    with pytest.raises(InsufficientMemoryError) as caught:
        aer(**table).check_memory(n_qubits, "problem.nodes")
    assert caught.value.key == key


def test_what_fits_into_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybrid_parsl.simulate.free_memory.available_bytes", lambda: 1 << 30)
    for table, n_qubits in (
        ({}, 26),
        ({"method": "density_matrix"}, 13),
        ({"options": {"precision": "single"}}, 27),
        ({"options": {"device": "GPU"}}, 40),
        ({"method": "matrix_product_state"}, 100),
    ):
        aer(**table).check_memory(n_qubits, "problem.nodes")
