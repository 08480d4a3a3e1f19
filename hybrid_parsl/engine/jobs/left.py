"""The jobs of a run that are still there when its driver is not."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hybrid_parsl.engine.jobs.backend import JobBackend
from hybrid_parsl.engine.jobs.batch_scheduler import load_executor
from hybrid_parsl.engine.jobs.cluster import FOLDER
from hybrid_parsl.engine.jobs.earlier import job_id_of, job_state
from hybrid_parsl.engine.jobs.psij_loading import load_psij
from hybrid_parsl.engine.jobs.record import BLOCK_RECORD, TASK_RECORD, JobRecord
from hybrid_parsl.engine.jobs.waiting import waiting_reason
from hybrid_parsl.errors import BackendUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from psij import JobSpec


def cancel_jobs(run: Path) -> list[str]:
    """Cancel all jobs of the run in the folder `run`, and return their ids.

    Raises
    ------
    BackendUnavailableError
        A backend cannot be asked about its jobs.
    """
    return _cancel([*run.rglob(TASK_RECORD), *run.rglob(f"*{BLOCK_RECORD}")])


def cancel_blocks(run: Path) -> list[str]:
    """Cancel the blocks of the run in the folder `run`, and return their ids.

    Their workers would wait for a driver that is gone, and go on with what the next one begins
    again.

    Raises
    ------
    BackendUnavailableError
        A backend cannot be asked about its jobs.
    """
    return _cancel(run.rglob(f"*{BLOCK_RECORD}"))


def job_states(run: Path) -> list[dict[str, str | None]]:
    """Return name, id, backend and state of each job of the run in the folder `run`.

    The state is PSI/J's name of it; that of a job that nobody has seen end is the backend's
    word, None where it does not know the job, and ``UNKNOWN`` where it does not answer. Of one
    that waits there is also why, as far as its driver has heard, else None.
    """
    rows = []
    executors: dict[str, Any] = {}
    for path in sorted([*run.rglob(TASK_RECORD), *run.rglob(f"*{BLOCK_RECORD}")]):
        record = JobRecord.read(path)
        if record is not None:
            state = record.ended or _state(record, path.parent / FOLDER, executors)
            row = {"name": record.name, "id": record.job_id, "backend": record.backend}
            reason = waiting_reason(path) if state == "QUEUED" else None
            rows.append({**row, "state": state, "waits_for": reason or None})
    return rows


def _state(record: JobRecord, folder: Path, executors: dict[str, Any]) -> str | None:
    """Return what its backend says of a job; PSI/J's executors are kept in `executors`."""
    try:
        job_id = job_id_of(record)
        if job_id is None:
            return None
        if record.backend not in executors:
            executors[record.backend] = load_executor(record.backend, folder)
        return job_state(executors[record.backend], job_id, record.begun)
    except BackendUnavailableError:
        return "UNKNOWN"


def _any_job() -> JobSpec:
    """Return the description of a job of which only the id is known; it has all the time."""
    psij = load_psij()
    attributes = psij.JobAttributes(duration=timedelta(days=3650))
    spec: JobSpec = psij.JobSpec(executable="/bin/true", attributes=attributes)
    return spec


def _cancel(paths: Iterable[Path]) -> list[str]:
    """Cancel the jobs of which the files at `paths` are the records, and wait for their end."""
    backends: dict[str, JobBackend] = {}
    canceled = []
    try:
        for path in paths:
            record = JobRecord.read(path)
            if record is None or record.ended is not None:
                continue
            if record.backend not in backends:
                backends[record.backend] = JobBackend(record.backend, path.parent / ".psij")
            spec = _any_job()
            job = backends[record.backend].adopt(spec, lambda _: None, path)
            if job is not None:
                canceled.append(job.job_id)
    finally:
        for backend in backends.values():
            backend.close()
    return canceled
