"""The outcome of a task in a block, once Parsl reports its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybrid_parsl.engine.blocks.block_executor import lost_block
from hybrid_parsl.errors import HybridParslError, JobFailedError, WalltimeExceededError
from hybrid_parsl.mpi.pilot import TIMED_OUT
from hybrid_parsl.tasks.failures import await_result, explain_failure, log_of
from hybrid_parsl.tasks.serialization import write_frame

if TYPE_CHECKING:
    from concurrent.futures import Future

    from hybrid_parsl.engine.blocks.block_executor import BlockExecutor
    from hybrid_parsl.engine.tasks.folders import Task
    from hybrid_parsl.tasks.folder import TaskFolder


def keep_result(
    executor: BlockExecutor, answer: Future[Any], task: Task, done: Future[Any]
) -> None:
    """Keep the result of a task of one process for a later driver, and give it to `answer`."""
    from parsl.executors.high_throughput.errors import ManagerLost

    if not executor.open_tasks.take(answer):
        return
    try:
        result = done.result()
        write_frame(task.folder.result, result)
    except Exception as error:  # noqa: BLE001 - a future that never resolves is worse
        cause = lost_block(error)
        if isinstance(cause, ManagerLost):
            cause = _not_run(executor, task.folder, cause)
        executor.open_tasks.fail(answer, task, cause)
    else:
        answer.set_result(result)


def read_outcome(
    executor: BlockExecutor, answer: Future[Any], task: Task, done: Future[Any]
) -> None:
    """Give `answer` what the ranks of a task have left in its folder."""
    if not executor.open_tasks.take(answer):
        return
    folder = task.folder
    job_id = executor.job_of_block(folder.block_name()) or folder.path.name
    try:
        code = int(done.result())
        if code == 0:
            answer.set_result(await_result(folder, job_id))
            return
        cause: BaseException
        if code == TIMED_OUT:
            details = log_of(folder)
            cause = WalltimeExceededError(job_id, "walltime exceeded", *details)
        else:
            cause = explain_failure(folder, job_id, code)
    except Exception as error:  # noqa: BLE001 - whatever Parsl reports about the block
        cause = lost_block(error)
        if not isinstance(cause, HybridParslError):
            cause = _not_run(executor, folder, cause)
    executor.open_tasks.fail(answer, task, cause)


def _not_run(executor: BlockExecutor, folder: TaskFolder, error: BaseException) -> BaseException:
    """Return the error of a task that its block did not run to the end; it names the block."""
    job_id = executor.job_of_block(folder.block_name()) or folder.path.name
    reason = f"its block did not run it: {type(error).__name__}: {error}"
    failure = JobFailedError(job_id, reason, *log_of(folder))
    failure.__cause__ = error
    return failure
