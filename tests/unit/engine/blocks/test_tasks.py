"""What becomes of tasks whose block has ended."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest
from parsl.jobs.states import JobState, JobStatus

from hybrid_parsl.engine.blocks import tasks as block_tasks
from hybrid_parsl.engine.blocks.tasks import BlockTasks
from hybrid_parsl.errors import JobFailedError
from hybrid_parsl.mpi.task import TaskFolder

if TYPE_CHECKING:
    from pathlib import Path

BLOCKS = {
    "0": JobStatus(JobState.CANCELLED),
    "1": JobStatus(JobState.RUNNING),
    "2": JobStatus(JobState.TIMEOUT),
}


def begin(tasks: BlockTasks, path: Path, block: str | None) -> Future[Any]:
    answer: Future[Any] = Future()
    path.mkdir()
    tasks.add(answer, TaskFolder(path))
    if block is not None:
        TaskFolder(path).block.write_text(block)
    return answer


def lost(name: str) -> JobFailedError:
    return JobFailedError(name, "is over")


def test_only_tasks_of_blocks_that_ended_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block_tasks, "_ON_ITS_WAY_S", 0.0)
    tasks = BlockTasks()
    first = begin(tasks, tmp_path / "first", "0")
    second = begin(tasks, tmp_path / "second", "1")
    waits = begin(tasks, tmp_path / "waits", None)
    nowhere = begin(tasks, tmp_path / "nowhere", "")
    tasks.fail_lost(lost)
    assert not first.done()
    assert tasks.note_ended(BLOCKS) == ["0", "2"]
    assert tasks.note_ended(BLOCKS) == []
    tasks.fail_lost(lost)
    with pytest.raises(JobFailedError, match="job 0: is over"):
        first.result(0)
    assert not any(each.done() for each in (second, waits, nowhere))


def test_a_result_that_is_on_its_way_is_waited_for(tmp_path: Path) -> None:
    tasks = BlockTasks()
    answer = begin(tasks, tmp_path / "task", "0")
    tasks.note_ended(BLOCKS)
    tasks.fail_lost(lost)
    assert not answer.done()


def test_a_task_is_taken_once(tmp_path: Path) -> None:
    tasks = BlockTasks()
    answer = begin(tasks, tmp_path / "task", "0")
    assert tasks.take(answer)
    assert not tasks.take(answer)
    assert not answer.cancel()
