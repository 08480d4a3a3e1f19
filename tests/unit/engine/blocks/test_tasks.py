"""What becomes of tasks whose block has ended."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest
import rank_functions as functions
from parsl.jobs.states import JobState, JobStatus

from hybrid_parsl.engine.blocks import tasks as block_tasks
from hybrid_parsl.engine.blocks.tasks import BlockTasks
from hybrid_parsl.engine.tasks.folders import TaskFolders
from hybrid_parsl.errors import JobFailedError

if TYPE_CHECKING:
    from pathlib import Path

BLOCKS = {
    "0": JobStatus(JobState.CANCELLED),
    "1": JobStatus(JobState.RUNNING),
    "2": JobStatus(JobState.TIMEOUT),
}


def begin(tasks: BlockTasks, name: str, block: str | None) -> Future[Any]:
    answer: Future[Any] = Future()
    task = tasks._folders.open(functions.add, (name,), {})
    tasks.add(answer, task)
    if block is not None:
        task.folder.block.write_text(block)
    return answer


def lost(name: str) -> JobFailedError:
    return JobFailedError(name, "is over")


def test_only_tasks_of_blocks_that_ended_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block_tasks, "_ON_ITS_WAY_S", 0.0)
    tasks = BlockTasks(TaskFolders(tmp_path))
    first = begin(tasks, "first", "0")
    second = begin(tasks, "second", "1")
    waits = begin(tasks, "waits", None)
    nowhere = begin(tasks, "nowhere", "")
    tasks.fail_lost(lost)
    assert not first.done()
    assert tasks.note_ended(BLOCKS) == ["0", "2"]
    assert tasks.note_ended(BLOCKS) == []
    tasks.fail_lost(lost)
    with pytest.raises(JobFailedError, match="job 0: is over"):
        first.result(0)
    assert not any(each.done() for each in (second, waits, nowhere))


def test_a_result_that_is_on_its_way_is_waited_for(tmp_path: Path) -> None:
    tasks = BlockTasks(TaskFolders(tmp_path))
    answer = begin(tasks, "task", "0")
    tasks.note_ended(BLOCKS)
    tasks.fail_lost(lost)
    assert not answer.done()


def test_a_task_is_taken_once(tmp_path: Path) -> None:
    tasks = BlockTasks(TaskFolders(tmp_path))
    answer = begin(tasks, "task", "0")
    assert tasks.take(answer)
    assert not tasks.take(answer)
    assert not answer.cancel()
