"""The loopback stand-in answers the unmodified client as IBM's service does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qiskit import QuantumCircuit
from qiskit.transpiler import generate_preset_pass_manager
from quantum_service import SUBMISSION

if TYPE_CHECKING:
    from typing import Any

    from quantum_service import QuantumService


def client() -> Any:
    from qiskit_ibm_runtime import QiskitRuntimeService

    return QiskitRuntimeService()


def submit(service: Any, tag: str = "a") -> Any:
    from qiskit_ibm_runtime.executor_sampler import Sampler

    backend = service.backend("loop_manila")
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    sampler = Sampler(mode=backend)
    sampler.options.environment.job_tags = [tag]
    manager = generate_preset_pass_manager(1, backend=backend, seed_transpiler=0)
    return sampler.run([manager.run(circuit)], shots=500)


@pytest.mark.usefixtures("thorough", "quantum_service")
def test_a_job_runs_with_the_noise_of_the_device() -> None:
    service = client()
    assert {each.name for each in service.backends()} == {
        "loop_fez",
        "loop_fractional",
        "loop_manila",
    }
    job = submit(service)
    counts = job.result()[0].data.meas.get_counts()
    assert sum(counts.values()) == 500
    assert counts["00"] + counts["11"] > 400
    assert job.usage() > 0
    assert [each.job_id() for each in service.jobs(job_tags=["a"])] == [job.job_id()]


@pytest.mark.usefixtures("thorough")
def test_a_job_survives_a_restart_of_the_server(quantum_service: QuantumService) -> None:
    quantum_service.wait_in_queue(60)
    job = submit(client())
    assert job.metrics()["position_in_queue"] == 1
    quantum_service.end()
    quantum_service.begin()
    assert client().job(job.job_id()).result()[0].data.meas.num_shots == 500


@pytest.mark.usefixtures("thorough")
def test_a_waiting_job_can_be_cancelled(quantum_service: QuantumService) -> None:
    quantum_service.wait_in_queue(60)
    job = submit(client())
    job.cancel()
    assert job.status() == "CANCELLED"
    assert quantum_service.jobs()[0]["status"] == "Cancelled"


def test_a_lost_reply_makes_the_client_submit_again(quantum_service: QuantumService) -> None:
    service = client()
    quantum_service.fail(SUBMISSION, 504, when="after")
    submit(service, "twice")
    assert len(quantum_service.jobs("twice")) == 2


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("status", [401, 429])
def test_a_fault_before_acceptance_leaves_no_job(
    quantum_service: QuantumService, status: int
) -> None:
    from qiskit_ibm_runtime.exceptions import IBMError

    service = client()
    quantum_service.fail(SUBMISSION, status)
    with pytest.raises(IBMError):
        submit(service)
    assert quantum_service.jobs() == []
