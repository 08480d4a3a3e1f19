from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from quantum_server import API_KEY, CRN
from services import require_module

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import Quantum
from hybrid_parsl.quantum.ibm_account import open_service, without_secrets
from hybrid_parsl.quantum.qrmi import QrmiBackend
from hybrid_parsl.quantum.registry import open_backend
from hybrid_parsl.stages.quantum import measure
from hybrid_parsl.testing.backend_contract import bell_pair

if TYPE_CHECKING:
    from quantum_service import QuantumService

require_module("hybrid_parsl.quantum.qrmi", "qiskit_ibm_runtime", "hybrid-parsl[ibm]")
NAME = "loop_manila"


@pytest.fixture
def granted(quantum_service: QuantumService, monkeypatch: pytest.MonkeyPatch) -> QuantumService:
    """The service, which this process knows by the variables of a granted QPU alone."""
    for name in ("HOME", "IAM_URL"):
        monkeypatch.delenv(name)
    for name, value in quantum_service.granted.items():
        monkeypatch.setenv(f"{NAME}_{name}", value)
    for name, value in quantum_service.proxy.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("IAM_URL", "http://127.0.0.1:9")  # what the resource names counts
    return quantum_service


def opened(**table: Any) -> QrmiBackend:
    found = open_backend(Quantum(backend=f"qrmi:{NAME}", **table))
    assert isinstance(found, QrmiBackend)
    return found


@pytest.mark.usefixtures("thorough")
def test_a_granted_qpu_counts(granted: QuantumService) -> None:
    backend = opened(shots=400, max_qpu_seconds=7)
    assert backend.is_reachable
    backend.check(bell_pair)
    counts = measure(bell_pair(), backend)
    assert sum(counts.values()) == 400
    assert counts["00"] + counts["11"] > 320
    (job,) = granted.jobs()
    assert backend.usage is not None
    assert backend.usage.job_id == job["id"]
    assert backend.jobs[0].record.account == {"qrmi": NAME}
    assert backend.name.startswith(f"qrmi:{NAME} (qiskit-ibm-runtime 0.")
    assert API_KEY not in without_secrets(f"key {API_KEY}")


@pytest.mark.usefixtures("thorough")
def test_jobs_run_in_the_session_that_was_granted(
    granted: QuantumService, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qiskit_ibm_runtime import Session

    device = open_service({"qrmi": NAME}, f"qrmi:{NAME}").backend(NAME)
    session = Session(backend=device)
    monkeypatch.setenv(f"{NAME}_QRMI_JOB_ACQUISITION_TOKEN", session.session_id)
    measure(bell_pair(), opened(shots=100))
    (job,) = granted.jobs()
    assert job["session_id"] == session.session_id


def test_a_qpu_that_was_not_granted() -> None:
    backend = opened()
    assert not backend.is_reachable
    assert backend.required_qpu == NAME
    with pytest.raises(ConfigurationError, match="from a job that was granted the QPU"):
        measure(bell_pair(), backend)


@pytest.mark.parametrize("key", ["account", "channel", "instance"])
def test_there_is_no_choice_of_an_account(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        opened(options={key: CRN})
    assert caught.value.key == f"quantum.options.{key}"
