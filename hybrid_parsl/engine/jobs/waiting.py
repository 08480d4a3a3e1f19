"""Why the jobs of a run wait, in files beside their records that any process can read."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from hybrid_parsl.atomic_file import write_atomically
from hybrid_parsl.engine.jobs.kube_context import KUBERNETES
from hybrid_parsl.engine.jobs.record import BLOCK_RECORD, TASK_RECORD, JobRecord, record_of_task
from hybrid_parsl.errors import StorageError
from hybrid_parsl.tasks.folder import TaskFolder

if TYPE_CHECKING:
    from pathlib import Path


def waiting_file(record: Path) -> Path:
    """Return the file that says why the job of a record waits."""
    if record.name == TASK_RECORD:
        return TaskFolder(record.parent).waiting
    return record.with_suffix(".waiting")


def note_waiting(record: Path, reason: str | None) -> None:
    """Write down why the job of a record waits; None if it does not.

    A disk that is full costs nothing but the reason.
    """
    path = waiting_file(record)
    with contextlib.suppress(OSError, StorageError):
        if reason is None:
            path.unlink(missing_ok=True)
        elif not path.exists() or path.read_text(encoding="utf-8") != reason:
            write_atomically(path, reason.encode())


def waiting_reason(record: Path) -> str | None:
    """Return why the job of a record waits, None if it does not, as far as its driver knows.

    The ranks of a job that is started again have begun before it waits again.
    """
    path = waiting_file(record)
    try:
        reason = path.read_text(encoding="utf-8").strip()
        ranks = TaskFolder(path.parent).ranks
        began = ranks.exists() and ranks.stat().st_mtime > path.stat().st_mtime
    except OSError:
        return None
    return None if began and record.name == TASK_RECORD else reason


def words_of_wait(run: Path, task: str, label: str) -> str | None:
    """Return which job a stage waits for and why, None if none is known to wait.

    Parameters
    ----------
    run
        The folder of the run.
    task
        The name of the stage's function, after which its task is named.
    label
        The label of the executor, after which Parsl names its blocks.
    """
    blocks = sorted(run.glob(f"parsl/*/submit_scripts/parsl.{label}.block-*{BLOCK_RECORD}"))
    for path in [record_of_task(TaskFolder(run / "tasks" / task)), *reversed(blocks)]:
        record = JobRecord.read(path)
        if record is None or record.ended is not None:
            continue
        reason = waiting_reason(path)
        if reason is not None:
            what = "its block, job" if path.name.endswith(BLOCK_RECORD) else "job"
            waits = "waits" if record.backend == KUBERNETES else "waits in the queue"
            words = f"{what} {record.job_id or record.name} {waits}"
            return f"{words}: {reason}" if reason else words
    return None
