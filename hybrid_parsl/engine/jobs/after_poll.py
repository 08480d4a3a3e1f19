"""What there is to do for open jobs each time their batch scheduler was asked.

While it does not answer, what the jobs leave on disk counts: the last line of a job's script writes
its exit code, and the task its result. A job whose result was taken stays open until its end is
confirmed, as it could still run.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hybrid_parsl.engine.jobs.record import TASK_RECORD
from hybrid_parsl.engine.jobs.registry import job_status
from hybrid_parsl.errors import ResultError
from hybrid_parsl.tasks.failures import read_result
from hybrid_parsl.tasks.folder import TaskFolder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from psij import Job, JobStatus

    from hybrid_parsl.engine.jobs.queue_watch import QueueWatch
    from hybrid_parsl.engine.jobs.registry import SubmittedJob

logger = logging.getLogger(__name__)


def look_after(
    jobs: Iterable[SubmittedJob], watch: QueueWatch, scripts: Path
) -> Iterator[tuple[Job, JobStatus]]:
    """Note which jobs wait; without an answer, yield those whose scripts have ended.

    Parameters
    ----------
    jobs
        The open jobs.
    watch
        What their scheduler has said last.
    scripts
        The folder of PSI/J's scripts, where each writes its exit code.
    """
    for submitted in jobs:
        if watch.silence is None:
            submitted.note_waiting(watch.entry(submitted.job_id))
        elif (exit_code := _exit_code_on_disk(scripts, submitted)) is not None:
            status = job_status("FAILED" if exit_code else "COMPLETED")
            status.exit_code = exit_code
            yield submitted.job, status
        elif not submitted.answered and _has_result(submitted):
            submitted.answered = True
            words = "job %s has left its result; that it has ended is not confirmed"
            logger.warning(words, submitted.job_id)
            try:
                submitted.on_end(submitted.end_of(job_status("COMPLETED")))
            except Exception:
                logger.exception("taking the result of job %s", submitted.job_id)


def _exit_code_on_disk(scripts: Path, submitted: SubmittedJob) -> int | None:
    """Return the exit code that the last line of a job's script has written, None before that."""
    try:
        return int((scripts / f"{submitted.job_id}.ec").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _has_result(submitted: SubmittedJob) -> bool:
    """Return whether the task of a job has left a whole result, while the job may still run."""
    if submitted.record is None or submitted.record.name != TASK_RECORD:
        return False
    folder = TaskFolder(submitted.record.parent)
    try:
        if folder.failures() or not folder.result.exists():
            return False
        read_result(folder)
    except (OSError, ResultError):
        return False
    return True
