from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hybrid_parsl.engine.jobs.record import TASK_RECORD, JobRecord
from hybrid_parsl.engine.jobs.waiting import (
    note_waiting,
    waiting_file,
    waiting_reason,
    words_of_wait,
)
from hybrid_parsl.tasks.folder import TaskFolder

if TYPE_CHECKING:
    from pathlib import Path


def task_record(run: Path) -> Path:
    path = run / "tasks" / "search" / TASK_RECORD
    path.parent.mkdir(parents=True)
    JobRecord.of("slurm", "a-name").with_id("12", None).write(path)
    return path


def block_record(run: Path, label: str, job_id: str) -> Path:
    path = run / "parsl" / "000" / "submit_scripts" / f"parsl.{label}.block-{job_id}.block.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    JobRecord.of("slurm", f"name-{job_id}").with_id(job_id, None).write(path)
    return path


def test_a_reason_is_there_while_a_job_waits(tmp_path: Path) -> None:
    record = task_record(tmp_path)
    assert waiting_reason(record) is None
    note_waiting(record, "Priority")
    assert waiting_file(record) == TaskFolder(record.parent).waiting
    assert waiting_reason(record) == "Priority"
    note_waiting(record, None)
    note_waiting(record, None)
    assert waiting_reason(record) is None


def test_a_folder_that_is_gone_costs_nothing_but_the_reason(tmp_path: Path) -> None:
    note_waiting(tmp_path / "gone" / TASK_RECORD, "Priority")
    assert list(tmp_path.iterdir()) == []


def test_a_job_that_is_started_again_waits_although_its_ranks_had_begun(tmp_path: Path) -> None:
    record = task_record(tmp_path)
    ranks = TaskFolder(record.parent).ranks
    ranks.write_text("[]")
    note_waiting(record, "BeginTime")
    os.utime(ranks, (1, 1))
    assert waiting_reason(record) == "BeginTime"
    os.utime(waiting_file(record), (0, 0))
    assert waiting_reason(record) is None


def test_which_job_a_stage_waits_for(tmp_path: Path) -> None:
    record = task_record(tmp_path)
    assert words_of_wait(tmp_path, "search", "mpi") is None
    note_waiting(record, "Resources")
    assert words_of_wait(tmp_path, "search", "mpi") == "job 12 waits in the queue: Resources"
    note_waiting(record, "")
    assert words_of_wait(tmp_path, "search", "mpi") == "job 12 waits in the queue"
    found = JobRecord.read(record)
    assert found is not None
    found.with_end("CANCELED").write(record)
    assert words_of_wait(tmp_path, "search", "mpi") is None


def test_which_block_a_stage_waits_for(tmp_path: Path) -> None:
    block_record(tmp_path, "mpi", "1")
    latest = block_record(tmp_path, "mpi", "2")
    note_waiting(latest, "QOSMaxJobsPerUserLimit")
    words = "its block, job 2 waits in the queue: QOSMaxJobsPerUserLimit"
    assert words_of_wait(tmp_path, "search", "mpi") == words
    assert words_of_wait(tmp_path, "sample", "quantum") is None
