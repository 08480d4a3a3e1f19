"""One used job, whatever happens to requests and drivers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from quantum_service import SUBMISSION

from hybrid_parsl.errors import QuantumJobError
from hybrid_parsl.experiment import Quantum
from hybrid_parsl.quantum import qpu_control
from hybrid_parsl.quantum.qpu_job import tag_of
from hybrid_parsl.quantum.qpu_record import read_records
from hybrid_parsl.quantum.registry import open_backend
from hybrid_parsl.tasks.folder import TASK_FOLDER_VARIABLE
from hybrid_parsl.testing.backend_contract import bell_pair

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from quantum_service import QuantumService


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "run" / "tasks" / "quantum"
    folder.mkdir(parents=True)
    monkeypatch.setenv(TASK_FOLDER_VARIABLE, str(folder))
    return folder


def submitted(shots: int = 100) -> Any:
    backend = open_backend(Quantum(backend="ibm:loop_manila", shots=shots))
    prepared = backend.prepare(bell_pair().measure_all(inplace=False))
    return backend.sampler().run([prepared], shots=shots)


def alive(service: QuantumService) -> list[str]:
    return [job["id"] for job in service.jobs() if job["status"] not in ("Cancelled", "Failed")]


@pytest.mark.usefixtures("task")
@pytest.mark.parametrize(
    ("status", "when", "times"),
    [
        (0, "after", 1),
        (504, "after", 2),
        (504, "after", 7),
        (500, "before", 1),
        (429, "before", 1),
    ],
)
def test_one_job_counts(
    quantum_service: QuantumService, status: int, when: str, times: int
) -> None:
    quantum_service.wait_in_queue(3600)
    quantum_service.fail(SUBMISSION, status, when=when, times=times)
    job = submitted()
    assert alive(quantum_service) == [job.job_id()]
    assert job.job_id() == quantum_service.jobs()[0]["id"]
    assert set(job.record.extra_jobs) == {each["id"] for each in quantum_service.jobs()[1:]}


def test_another_driver_takes_the_same_job(quantum_service: QuantumService, task: Path) -> None:
    quantum_service.wait_in_queue(3600)
    first = submitted()
    (task / "qpu-0.jsonl").unlink()  # not even the record is needed
    assert submitted().job_id() == first.job_id()
    assert len(quantum_service.jobs()) == 1
    assert submitted(shots=101).job_id() != first.job_id()


def test_a_refused_job_is_not_tried_again(quantum_service: QuantumService, task: Path) -> None:
    quantum_service.fail(SUBMISSION, 401, times=9)
    with pytest.raises(QuantumJobError, match="401"):
        submitted()
    assert quantum_service.jobs() == []
    (record,) = read_records(task).values()
    assert record.state == "SUBMITTING"
    quantum_service.forget_jobs()
    submitted()
    assert len(quantum_service.jobs()) == 1


def test_a_job_is_followed_and_cancelled_from_outside(
    quantum_service: QuantumService, task: Path
) -> None:
    quantum_service.wait_in_queue(3600)
    job, run = submitted(), task.parents[1]
    (row,) = qpu_control.qpu_job_states(run)
    assert (row["id"], row["state"]) == (job.job_id(), "QUEUED")
    assert row["waits_for"] == "position 1 in the queue"
    assert qpu_control.cancel_qpu_jobs(run) == [job.job_id()]
    assert quantum_service.jobs()[0]["status"] == "Cancelled"
    assert qpu_control.open_qpu_jobs(run) == []
    (row,) = qpu_control.qpu_job_states(run)
    assert row["state"] == "CANCELED"
    assert submitted().job_id() != job.job_id()


def test_a_job_without_a_known_id_is_cancelled(quantum_service: QuantumService, task: Path) -> None:
    quantum_service.wait_in_queue(3600)
    submitted()
    path = task / "qpu-0.jsonl"
    path.write_text(path.read_text().partition("\n")[0] + "\n")
    assert qpu_control.cancel_qpu_jobs(task.parents[1]) == [quantum_service.jobs()[0]["id"]]


def test_a_cancellation_without_a_service_is_recorded(
    quantum_service: QuantumService, task: Path
) -> None:
    quantum_service.wait_in_queue(3600)
    job, run = submitted(), task.parents[1]
    quantum_service.fail("/api/v1/jobs", 403, times=50)
    assert qpu_control.cancel_qpu_jobs(run) == []
    (sentence,) = qpu_control.qpu_jobs_left(run)
    assert f"QPU job {job.job_id()} (ibm:loop_manila) could not be cancelled" in sentence
    (row,) = qpu_control.qpu_job_states(run)
    assert row["state"] == "UNKNOWN"


def test_a_tag_changes_with_task_number_circuit_and_settings() -> None:
    tags = {
        tag_of("a", 0, ["c"], {"shots": 1}),
        tag_of("b", 0, ["c"], {"shots": 1}),
        tag_of("a", 1, ["c"], {"shots": 1}),
        tag_of("a", 0, ["d"], {"shots": 1}),
        tag_of("a", 0, ["c"], {"shots": 2}),
    }
    assert len(tags) == 5
    assert tag_of("a", 0, ["c"], {"shots": 1}) in tags
