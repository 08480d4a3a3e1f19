from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from quantum_server import API_KEY
from services import require_module

from hybrid_parsl.errors import BackendUnavailableError, ConfigurationError, QuantumJobError
from hybrid_parsl.experiment import Quantum
from hybrid_parsl.quantum import ibm_account
from hybrid_parsl.quantum.ibm import IbmBackend
from hybrid_parsl.quantum.registry import open_backend
from hybrid_parsl.stages.quantum import expectation, measure
from hybrid_parsl.tasks.folder import TASK_FOLDER_VARIABLE
from hybrid_parsl.testing.backend_contract import bell_pair

if TYPE_CHECKING:
    from quantum_service import QuantumService

require_module("hybrid_parsl.quantum.ibm", "qiskit_ibm_runtime", "hybrid-parsl[ibm]")


def opened(backend: str = "ibm:loop_manila", **table: Any) -> IbmBackend:
    found = open_backend(Quantum(backend=backend, **table))
    assert isinstance(found, IbmBackend)
    return found


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "run" / "tasks" / "quantum"
    folder.mkdir(parents=True)
    monkeypatch.setenv(TASK_FOLDER_VARIABLE, str(folder))
    return folder


def test_a_device_has_to_be_specified() -> None:
    with pytest.raises(ConfigurationError, match="specify a device") as caught:
        open_backend(Quantum(backend="ibm"))
    assert caught.value.valid == "ibm:NAME, ibm:least_busy"


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"token": "secret"}, "quantum.options.token"),
        ({"url": "http://elsewhere"}, "quantum.options.url"),
        ({"channel": "ibm_quantum"}, "quantum.options.channel"),
        ({"mode": "session"}, "quantum.options.mode"),
        ({"resilience_level": 3}, "quantum.options.resilience_level"),
        ({"dynamical_decoupling": "YY"}, "quantum.options.dynamical_decoupling"),
        ({"twirling": "yes"}, "quantum.options.twirling"),
        ({"optimization_level": 4}, "quantum.options.optimization_level"),
    ],
)
def test_options_are_validated_without_a_service(options: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        opened(options=options)
    assert caught.value.key == key


def test_a_name_and_a_fingerprint_need_no_service() -> None:
    assert opened("ibm:nowhere").name.startswith("ibm:nowhere (qiskit-ibm-runtime 0.")
    assert opened().fingerprint == opened().fingerprint


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("mode", ["job", "batch"])
def test_counts_are_those_of_the_circuit(
    quantum_service: QuantumService, task: Path, mode: str
) -> None:
    backend = opened(shots=400, max_qpu_seconds=7, options={"mode": mode})
    counts = measure(bell_pair(), backend)
    assert sum(counts.values()) == 400
    assert counts["00"] + counts["11"] > 320
    (job,) = quantum_service.jobs()
    assert backend.usage is not None
    assert backend.usage.job_id == job["id"]
    assert backend.usage.usage_s == pytest.approx(0.1, rel=0.3)
    assert backend.usage.estimated_usage_s == pytest.approx(2.1, rel=0.1)
    assert job["cost"] == 7
    assert (job["session_id"] is not None) == (mode == "batch")
    assert API_KEY not in (task / "qpu-0.jsonl").read_text()


@pytest.mark.usefixtures("thorough", "quantum_service")
def test_an_observable_is_one_job_for_all_bases() -> None:
    backend = opened(shots=1000)
    observable = SparsePauliOp.from_list([("XX", 1.0), ("ZZ", 1.0), ("II", 0.5)])
    found = expectation(bell_pair(), observable, backend)
    assert found.energy == pytest.approx(2.5, abs=0.6)
    assert found.n_bases == 2
    assert len(backend.jobs) == 1


@pytest.mark.parametrize("sequence", ["XX", "XpXm", "XY4"])
@pytest.mark.usefixtures("thorough", "quantum_service")
def test_errors_may_be_suppressed(sequence: str) -> None:
    options = {"dynamical_decoupling": sequence, "twirling": True}
    backend = opened(shots=500, options=options)
    counts = measure(bell_pair(), backend)
    assert sum(counts.values()) >= 500
    assert counts["00"] + counts["11"] > 0.8 * sum(counts.values())
    assert backend.jobs[0].record.estimated_s > 2
    observable = SparsePauliOp.from_list([("XX", 1.0), ("ZZ", 1.0)])
    assert expectation(bell_pair(), observable, backend).energy == pytest.approx(2, abs=0.6)


@pytest.mark.usefixtures("quantum_service")
def test_bound_angles_are_folded_for_fractional_gates() -> None:
    circuit = QuantumCircuit(2)
    circuit.rzz(2.9, 0, 1)
    backend = opened("ibm:loop_fractional", options={"fractional_gates": True})
    prepared = backend.prepare(circuit)
    angles = [
        float(each.operation.params[0]) for each in prepared.data if each.operation.name == "rzz"
    ]
    assert angles
    assert all(0 <= angle <= 1.5708 for angle in angles)


@pytest.mark.usefixtures("quantum_service")
def test_more_qpu_time_than_allowed_is_not_submitted() -> None:
    with pytest.raises(QuantumJobError, match=r"2\.00 s of quantum\.max_qpu_seconds = 2 are left"):
        measure(bell_pair(), opened(shots=4000, max_qpu_seconds=2))


@pytest.mark.usefixtures("thorough", "quantum_service")
def test_the_least_busy_device_has_enough_qubits() -> None:
    six = QuantumCircuit(6)
    backend = opened("ibm:least_busy")
    backend.check(lambda: six)
    assert backend.qpu.name == "loop_fez"


@pytest.mark.usefixtures("thorough", "quantum_service")
@pytest.mark.parametrize(
    ("table", "key", "valid"),
    [
        ({"backend": "ibm:loop_manilla"}, "quantum.backend", "ibm:loop_fez"),
        ({"options": {"account": "x"}}, "quantum.options.account", "default-ibm-quantum-platform"),
        ({"options": {"instance": "x"}}, "quantum.options.instance", "loopback"),
        ({"options": {"fractional_gates": True}}, "quantum.options.fractional_gates", "false"),
    ],
)
def test_what_the_account_does_not_have(table: dict[str, Any], key: str, valid: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        opened(**table).check(bell_pair)
    assert caught.value.key == key
    assert valid in str(caught.value.valid)


def test_an_invalid_token_is_not_shown(quantum_service: QuantumService) -> None:
    quantum_service.save_account(token="not-the-right-key")
    with pytest.raises(ConfigurationError, match="does not accept the token") as caught:
        opened().check(bell_pair)
    assert "not-the-right-key" not in str(caught.value)
    assert ibm_account.without_secrets("bad not-the-right-key") == "bad <token>"


def test_the_token_may_come_from_the_environment(
    quantum_service: QuantumService, monkeypatch: pytest.MonkeyPatch
) -> None:
    quantum_service.save_account(token="not-the-right-key")
    monkeypatch.setenv("QISKIT_IBM_TOKEN", "neither")
    with pytest.raises(ConfigurationError, match="does not accept the token"):
        opened().check(bell_pair)
    assert ibm_account.without_secrets("a neither b") == "a <token> b"


def test_no_account(quantum_service: QuantumService) -> None:
    saved = Path(os.environ["HOME"], ".qiskit", "qiskit-ibm.json")
    saved.unlink()
    with pytest.raises(ConfigurationError, match="has no account") as caught:
        opened().check(bell_pair)
    assert "save_account" in str(caught.value.valid)
    quantum_service.save_account()


def test_a_damaged_file_of_accounts(quantum_service: QuantumService) -> None:
    path = quantum_service.folder / "home/.qiskit/qiskit-ibm.json"
    path.write_text(path.read_text()[:60])
    ibm_account._service.cache_clear()
    with pytest.raises(ConfigurationError, match="cannot be read") as caught:
        opened().check(bell_pair)
    assert "qiskit-ibm.json" in str(caught.value.source)
    quantum_service.save_account()


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "does not accept the token"), (403, "has no access to the instance")],
)
def test_an_account_without_access(
    quantum_service: QuantumService, status: int, words: str
) -> None:
    quantum_service.fail("GET /api/v1/(backends|instances)", status, times=20)
    with pytest.raises(ConfigurationError, match=words):
        opened().check(bell_pair)


@pytest.mark.usefixtures("thorough")
def test_a_service_that_does_not_answer(quantum_service: QuantumService) -> None:
    quantum_service.fail("GET /api/v1/(backends|instances)", 0, times=100)
    with pytest.raises(BackendUnavailableError, match="does not answer"):
        opened().check(bell_pair)


@pytest.mark.usefixtures("thorough")
def test_a_job_that_fails(quantum_service: QuantumService, task: Path) -> None:
    quantum_service.wait_in_queue(3600)
    backend = opened()
    prepared = backend.prepare(bell_pair().measure_all(inplace=False))
    job = backend.sampler().run([prepared], shots=10)
    quantum_service.cancel(job.job_id())
    with pytest.raises(QuantumJobError, match="ended as CANCELLED"):
        job.result()
    assert '"state": "CANCELLED"' in (task / "qpu-0.jsonl").read_text()
