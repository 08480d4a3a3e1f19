from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from qiskit import QuantumCircuit
from qiskit.primitives import BackendSamplerV2
from qiskit.quantum_info import SparsePauliOp
from qiskit_aer import AerSimulator
from services import require_module

from hybrid_parsl.errors import ConfigurationError, InsufficientMemoryError
from hybrid_parsl.experiment import Quantum
from hybrid_parsl.quantum.registry import open_backend
from hybrid_parsl.stages.quantum import measure, prepare
from hybrid_parsl.testing.backend_contract import QuantumBackendContract, bell_pair, maxcut

if TYPE_CHECKING:
    from hybrid_parsl.quantum.backend import QuantumBackend

require_module("hybrid_parsl.quantum.noise_model", "qiskit_ibm_runtime", "hybrid-parsl[ibm]")


def opened(backend: str = "fake:manila", **table: Any) -> QuantumBackend:
    return open_backend(Quantum(backend=backend, **table))


class TestFakeDevice(QuantumBackendContract):
    backend = "fake:fez"
    tolerance = 0.1


@pytest.mark.usefixtures("thorough")
class TestOlderFakeDevice(QuantumBackendContract):
    backend = "fake:FakeManilaV2"
    options: ClassVar[dict[str, Any]] = {"method": "statevector", "optimization_level": 1}
    tolerance = 0.15


@pytest.mark.usefixtures("thorough")
class TestNoisyAer(QuantumBackendContract):
    backend = "aer:fez"
    options: ClassVar[dict[str, Any]] = {"method": "density_matrix", "precision": "single"}
    tolerance = 0.1


def test_the_name_says_device_and_versions() -> None:
    name = opened("aer:FakeManilaV2", method="density_matrix").name
    assert name.startswith("aer:manila (qiskit-aer ")
    assert "density_matrix; qiskit-ibm-runtime 0." in name


@pytest.mark.usefixtures("thorough")
def test_another_process_gives_the_same_counts() -> None:
    program = (
        "import json; from hybrid_parsl.experiment import Quantum\n"
        "from hybrid_parsl.quantum.registry import open_backend\n"
        "from hybrid_parsl.stages.quantum import measure\n"
        "from hybrid_parsl.testing.backend_contract import maxcut\n"
        "backend = open_backend(Quantum(backend='fake:fez', seed=0, shots=500))\n"
        "print(json.dumps(measure(maxcut(), backend)))"
    )
    there = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert json.loads(there.stdout) == measure(maxcut(), opened("fake:fez", seed=0, shots=500))


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("method", ["density_matrix", "statevector"])
def test_the_counts_are_those_of_the_whole_device(method: str) -> None:
    backend = opened(options={"method": method}, shots=4000)
    prepared = prepare(bell_pair().measure_all(inplace=False), backend)
    whole: Any = vars(backend)["_whole"]
    simulator = AerSimulator.from_backend(whole, method="density_matrix", seed_simulator=3)
    exact = BackendSamplerV2(backend=simulator).run([prepared], shots=200_000).result()[0]
    expected = exact.data.meas.get_counts()
    for bits, count in measure(bell_pair(), backend).items():
        probability = expected[bits] / 200_000
        assert abs(count / 4000 - probability) <= 5 * (probability / 4000) ** 0.5 + 0.002


def test_the_noise_is_that_of_the_device() -> None:
    counts = measure(bell_pair(), opened(shots=4000))
    assert 0.01 < (counts["01"] + counts["10"]) / 4000 < 0.2


def test_equal_circuits_of_one_call_are_drawn_independently() -> None:
    backend = opened(shots=500)
    prepared = prepare(bell_pair().measure_all(inplace=False), backend)
    first, second = backend.sampler().run([prepared, prepared]).result()
    assert first.data.meas.get_counts() != second.data.meas.get_counts()


@pytest.mark.usefixtures("thorough")
def test_the_estimator_samples_with_the_seed_and_the_precision() -> None:
    def estimate(seed: int, precision: float | None) -> Any:
        backend = opened(seed=seed, shots=400)
        circuit = backend.prepare(maxcut())
        terms = [SparsePauliOp("XIIX"), SparsePauliOp(["ZZII", "IIZI"], [1.0, 0.5])]
        observables = [[each.apply_layout(circuit.layout)] for each in terms]
        job = backend.estimator().run([(circuit, observables)], precision=precision)
        return job.result()[0].data

    coarse, again, other = estimate(1, None), estimate(1, None), estimate(2, None)
    assert coarse.evs.shape == (2, 1)
    assert coarse.evs.tolist() == again.evs.tolist() != other.evs.tolist()
    assert 0.02 < coarse.stds[0, 0] < 0.06  # 400 shots
    fine = estimate(1, 0.01)
    assert fine.stds[0, 0] < 0.011
    assert fine.evs == pytest.approx(coarse.evs, abs=0.3)


def test_an_estimate_without_sampling_is_refused() -> None:
    backend = opened()
    circuit = backend.prepare(bell_pair())
    with pytest.raises(ValueError, match="precision"):
        backend.estimator().run([(circuit, SparsePauliOp("I" * 5))], precision=0.0)


def test_qubits_without_gates_are_not_needed() -> None:
    backend = opened(shots=20)
    circuit = backend.prepare(QuantumCircuit(1))
    observable = SparsePauliOp("Z").apply_layout(circuit.layout)
    value = backend.estimator().run([(circuit, observable)]).result()[0].data.evs
    assert float(value) > 0.5


def test_too_many_qubits_for_the_device() -> None:
    with pytest.raises(ConfigurationError, match="fewer qubits") as caught:
        opened().check(lambda: QuantumCircuit(6))
    assert caught.value.found == "6 qubits"


@pytest.mark.parametrize(
    ("backend", "table", "key"),
    [
        ("fake", {}, "quantum.backend"),
        ("fake:manilla", {}, "quantum.backend"),
        ("aer:nowhere", {}, "quantum.backend"),
        ("aer:manila", {"method": "stabilizer"}, "quantum.method"),
        ("aer:manila", {"options": {"method": "stabilizer"}}, "quantum.options.method"),
        ("fake:manila", {"method": "matrix_product_state"}, "quantum.method"),
        ("fake:manila", {"options": {"device": "GPU"}}, "quantum.options.device"),
        ("fake:manila", {"options": {"initial_layout": [0]}}, "quantum.options.initial_layout"),
    ],
)
def test_what_is_refused_before_a_run(backend: str, table: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        opened(backend, **table).check(maxcut)
    assert caught.value.key == key


def test_a_density_matrix_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybrid_parsl.simulate.free_memory.available_bytes", lambda: 4000)
    monkeypatch.setattr("hybrid_parsl.simulate.free_memory._PAUSE_S", 0.0)
    backend = opened("fake:fez", options={"method": "density_matrix"}, shots=10)
    with pytest.raises(InsufficientMemoryError) as caught:
        backend.check_memory(20, "problem.nodes")
    assert caught.value.key == "quantum.options.method"
    with pytest.raises(InsufficientMemoryError):
        measure(maxcut(), backend)


@pytest.mark.usefixtures("thorough")
def test_a_large_circuit_is_simulated_by_state_vectors() -> None:
    backend: Any = opened("fake:fez")
    methods = [backend.simulator(list(range(n))).options.method for n in (10, 11)]
    assert methods == ["density_matrix", "statevector"]
