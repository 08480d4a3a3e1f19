"""What a task in a block answers."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest
import rank_functions as functions
from parsl.executors.high_throughput.errors import ManagerLost

from hybrid_parsl.engine.blocks.pilot import PilotMPIExecutor
from hybrid_parsl.engine.blocks.results import keep_result, read_outcome
from hybrid_parsl.engine.psij_provider import PsiJProvider
from hybrid_parsl.errors import JobFailedError, RankFailedError, WalltimeExceededError
from hybrid_parsl.mpi.pilot import TIMED_OUT
from hybrid_parsl.tasks.failures import read_result
from hybrid_parsl.tasks.folder import Failure
from hybrid_parsl.tasks.serialization import write_frame

if TYPE_CHECKING:
    from pathlib import Path

    from hybrid_parsl.engine.tasks.folders import Task

LOST = ManagerLost(b"manager", "n1")


@pytest.fixture
def executor(tmp_path: Path) -> Any:
    executor = PilotMPIExecutor("mpi", tmp_path, PsiJProvider("local"))
    executor.blocks_to_job_id["0"] = "77"
    return executor


@pytest.fixture
def task(executor: Any) -> Task:
    task = executor._folders.open(functions.add, (1,), {})
    task.folder.block.write_text("0")
    return task


@pytest.fixture
def answer(executor: Any, task: Task) -> Future[Any]:
    answer: Future[Any] = Future()
    executor.open_tasks.add(answer, task)
    return answer


def ended(outcome: Any) -> Future[Any]:
    done: Future[Any] = Future()
    if isinstance(outcome, Exception):
        done.set_exception(outcome)
    else:
        done.set_result(outcome)
    return done


def test_a_result_is_kept_for_a_later_driver(executor: Any, task: Task, answer: Any) -> None:
    keep_result(executor, answer, task, ended(5))
    assert answer.result(0) == read_result(task.folder) == 5
    keep_result(executor, answer, task, ended(6))
    assert answer.result(0) == 5


def test_an_error_of_the_call_is_left_as_it_is(executor: Any, task: Task, answer: Any) -> None:
    keep_result(executor, answer, task, ended(KeyError("x")))
    with pytest.raises(KeyError, match="x"):
        answer.result(0)
    assert executor._folders.open(functions.add, (1,), {}).folder == task.folder


def test_a_lost_worker_is_told_as_a_failed_job(executor: Any, task: Task, answer: Any) -> None:
    task.folder.stderr.touch()
    keep_result(executor, answer, task, ended(LOST))
    with pytest.raises(JobFailedError, match="its block did not run it: ManagerLost") as caught:
        answer.result(0)
    assert (caught.value.job_id, caught.value.stderr_path) == ("77", str(task.folder.stderr))


def test_what_rank_0_returned(executor: Any, task: Task, answer: Any) -> None:
    write_frame(task.folder.result, 7)
    read_outcome(executor, answer, task, ended(0))
    assert answer.result(0) == 7


def test_a_failure_that_a_rank_reported_counts_whatever_its_launcher_says(
    executor: Any, task: Task, answer: Any
) -> None:
    failure = Failure(1.0, 1, "n1", 7, "Traceback\nValueError: no", ValueError("no"))
    write_frame(task.folder.failure(1), failure)
    read_outcome(executor, answer, task, ended(0))
    with pytest.raises(RankFailedError, match="rank 1 on n1 raised ValueError: no"):
        answer.result(0)


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (TIMED_OUT, WalltimeExceededError),
        (1, JobFailedError),
        (LOST, JobFailedError),
        (FileNotFoundError("srun"), JobFailedError),
    ],
)
def test_an_error_names_the_job_of_the_block(
    executor: Any, task: Task, answer: Any, outcome: Any, kind: type
) -> None:
    read_outcome(executor, answer, task, ended(outcome))
    with pytest.raises(kind) as caught:
        answer.result(0)
    assert caught.value.job_id == "77"
    again = executor._folders.open(functions.add, (1,), {})
    assert again.folder == task.folder  # with what is finished there


def test_a_task_that_never_came_to_a_block_goes_by_its_name(
    executor: Any, task: Task, answer: Any
) -> None:
    task.folder.block.unlink()
    read_outcome(executor, answer, task, ended(LOST))
    with pytest.raises(JobFailedError, match="job add: its block did not run it"):
        answer.result(0)
