"""One used job, whatever happens to requests and drivers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from quantum_service import SUBMISSION
from services import require_module

from hybrid_parsl.errors import BackendUnavailableError, QuantumJobError
from hybrid_parsl.experiment import Quantum
from hybrid_parsl.quantum import qpu_control
from hybrid_parsl.quantum.qpu_job import tag_of
from hybrid_parsl.quantum.qpu_record import QpuRecord, read_records
from hybrid_parsl.quantum.registry import open_backend
from hybrid_parsl.quantum.submit_once import keep_one, submit_once
from hybrid_parsl.tasks.folder import TASK_FOLDER_VARIABLE
from hybrid_parsl.testing.backend_contract import bell_pair

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from quantum_service import QuantumService


require_module("hybrid_parsl.quantum.ibm", "qiskit_ibm_runtime", "hybrid-parsl[ibm]")


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


@pytest.mark.usefixtures("thorough", "task")
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


@pytest.mark.usefixtures("thorough")
def test_another_driver_takes_the_same_job(quantum_service: QuantumService, task: Path) -> None:
    quantum_service.wait_in_queue(3600)
    first = submitted()
    (task / "qpu-0.jsonl").unlink()  # not even the record is needed
    assert submitted().job_id() == first.job_id()
    assert len(quantum_service.jobs()) == 1
    assert submitted(shots=101).job_id() != first.job_id()


@pytest.mark.usefixtures("thorough")
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


@pytest.mark.usefixtures("thorough")
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


@pytest.mark.usefixtures("thorough")
def test_a_job_without_a_known_id_is_cancelled(quantum_service: QuantumService, task: Path) -> None:
    quantum_service.wait_in_queue(3600)
    submitted()
    path = task / "qpu-0.jsonl"
    path.write_text(path.read_text().partition("\n")[0] + "\n")
    assert qpu_control.cancel_qpu_jobs(task.parents[1]) == [quantum_service.jobs()[0]["id"]]


@pytest.mark.usefixtures("thorough")
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


class Job:
    def __init__(self, name: str, state: str = "QUEUED") -> None:
        self.name, self.state = name, state

    def job_id(self) -> str:
        return self.name

    def status(self) -> str:
        return self.state

    def cancel(self) -> None:
        self.state = "CANCELLED"


class Listing:
    """A service that lists jobs only after it was asked for some times."""

    def __init__(self, lag: int) -> None:
        self.accepted: list[Job] = []
        self._lag = lag

    def jobs(self, **_: Any) -> list[Job]:
        self._lag -= 1
        return list(self.accepted) if self._lag < 0 else []

    def submit(self) -> Job:
        self.accepted.append(Job(f"j{len(self.accepted)}"))
        return self.accepted[-1]


RECORD = QpuRecord("t", "ibm:x", "x", {}, 100)


@pytest.mark.parametrize("lag", [0, 1, 4, 1000])
def test_an_accepted_job_that_is_not_listed_yet_is_not_submitted_again(lag: int) -> None:
    service = Listing(lag)
    job, others = submit_once(service, RECORD, service.submit, lambda _: None)
    assert (job.job_id(), others) == ("j0", [])
    assert len(service.accepted) == 1


def test_the_job_of_the_record_counts_before_an_older_one() -> None:
    older, own, failed = Job("j0"), Job("j1"), Job("j2", "ERROR")
    assert keep_one([older, own, failed], "j1") == (own, [older, failed])
    assert older.state == "CANCELLED"
    assert keep_one([failed]) == (None, [failed])


@pytest.mark.parametrize(
    ("text", "error"),
    [("500 Server Error", BackendUnavailableError), ("400 Client Error", QuantumJobError)],
)
def test_a_service_that_never_accepts(text: str, error: type[Exception]) -> None:
    from qiskit_ibm_runtime.exceptions import IBMRuntimeError

    asked = []

    def submit() -> None:
        asked.append(1)
        raise IBMRuntimeError(text)

    with pytest.raises(error, match=text):
        submit_once(Listing(0), RECORD, submit, lambda _: None)
    assert len(asked) == (5 if error is BackendUnavailableError else 1)


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
