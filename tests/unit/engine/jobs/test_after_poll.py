from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from hybrid_parsl.engine.jobs.after_poll import look_after
from hybrid_parsl.engine.jobs.psij_loading import load_psij
from hybrid_parsl.engine.jobs.queue_watch import QueueWatch
from hybrid_parsl.engine.jobs.record import TASK_RECORD, JobRecord
from hybrid_parsl.engine.jobs.registry import SubmittedJob, job_status
from hybrid_parsl.engine.jobs.waiting import waiting_reason
from hybrid_parsl.tasks.folder import TaskFolder
from hybrid_parsl.tasks.serialization import write_frame

if TYPE_CHECKING:
    from pathlib import Path

    from hybrid_parsl.engine.jobs.registry import JobEnd


class OneJob:
    """A job 12 of a scheduler that answers or not."""

    def __init__(self, folder: Path) -> None:
        self.task = TaskFolder(folder)
        self.scripts = folder
        self.watch = QueueWatch("slurm")
        self.ends: list[JobEnd] = []
        record = folder / TASK_RECORD
        JobRecord.of("slurm", "a-name").with_id("12", None).write(record)
        self.submitted = SubmittedJob(load_psij().Job(), self.ends.append, record)
        self.submitted.job._native_id = "12"

    def poll(self) -> list[tuple[str, int | None]]:
        found = look_after([self.submitted], self.watch, self.scripts)
        return [(status.state.name, status.exit_code) for _, status in found]


@pytest.fixture
def job(tmp_path: Path) -> OneJob:
    return OneJob(tmp_path)


def test_why_a_job_waits_is_written_down_as_long_as_it_does(job: OneJob) -> None:
    record = job.submitted.record
    assert record is not None
    job.watch.note_answer({"12": job_status("QUEUED")}, {"12": "Resources"})
    assert job.poll() == []
    assert waiting_reason(record) == "Resources"
    job.watch.note_answer({"12": job_status("ACTIVE")}, {})
    assert job.poll() == []
    assert waiting_reason(record) is None


@pytest.mark.parametrize(
    ("text", "end"), [("0\n", [("COMPLETED", 0)]), ("3\n", [("FAILED", 3)]), ("", [])]
)
def test_without_an_answer_the_exit_code_that_a_script_has_left_counts(
    job: OneJob, text: str, end: list[Any]
) -> None:
    (job.task.path / "12.ec").write_text(text)
    job.watch.note_silence("connection refused")
    assert job.poll() == end


def test_with_an_answer_it_does_not(job: OneJob) -> None:
    (job.task.path / "12.ec").write_text("0\n")
    job.watch.note_answer({"12": job_status("ACTIVE")}, {})
    assert job.poll() == []


def test_a_result_is_taken_once_and_its_job_stays_open(
    job: OneJob, caplog: pytest.LogCaptureFixture
) -> None:
    write_frame(job.task.result, 42)
    job.watch.note_silence("connection refused")
    with caplog.at_level(logging.WARNING):
        assert (job.poll(), job.poll()) == ([], [])
    assert [(end.state, end.exit_code) for end in job.ends] == [("COMPLETED", None)]
    assert [record.getMessage() for record in caplog.records] == [
        "job 12 has left its result; that it has ended is not confirmed"
    ]
    record = JobRecord.read(job.task.path / TASK_RECORD)
    assert record is not None
    assert record.ended is None


@pytest.mark.parametrize("damage", ["result", "failure"])
def test_a_result_that_is_damaged_or_has_a_failure_beside_it_is_not(
    job: OneJob, damage: str
) -> None:
    write_frame(job.task.result, 42)
    if damage == "result":
        job.task.result.write_bytes(job.task.result.read_bytes()[:-3])
    else:
        job.task.failure(1).write_bytes(b"")
    job.watch.note_silence("connection refused")
    assert job.poll() == []
    assert job.ends == []
