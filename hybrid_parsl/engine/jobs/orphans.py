"""Orphaned jobs: those of a run whose driver has ended."""

from __future__ import annotations

import contextlib
import os
import threading
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybrid_parsl.engine.jobs.backend import JobBackend
from hybrid_parsl.engine.jobs.batch_scheduler import load_executor
from hybrid_parsl.engine.jobs.kube_context import FOLDER, KUBERNETES, KubeContext
from hybrid_parsl.engine.jobs.lookup import job_id_of, job_state
from hybrid_parsl.engine.jobs.psij_loading import LOCAL, check_backend, load_psij
from hybrid_parsl.engine.jobs.queue_watch import QueueEntry, QueueWatch
from hybrid_parsl.engine.jobs.record import BLOCK_RECORD, TASK_RECORD, JobRecord
from hybrid_parsl.engine.jobs.waiting import waiting_reason
from hybrid_parsl.errors import (
    BackendUnavailableError,
    ConfigurationError,
    JobsLeftError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from psij import JobSpec

UNKNOWN = "UNKNOWN"
"""The state of a job whose backend does not answer."""
_NO_ANSWER = QueueEntry(UNKNOWN, "")
_ANSWER_S = 5.0
_CANCELING_S = 20.0
_SETTLING_S = 60.0


def cancel_jobs(run: Path) -> list[str]:
    """Cancel all jobs of the run in the folder `run`, and return the ids of those that were left.

    Raises
    ------
    JobsLeftError
        If a backend has not taken a cancellation; the others are cancelled.
    """
    cancelled = _cancel(run, _records(run), _CANCELING_S)
    check_none_is_left(run)
    return cancelled


def cancel_blocks(run: Path) -> list[str]:
    """Cancel the blocks of the run in the folder `run`, and return their ids.

    Their workers would wait for a driver that is gone, and continue with what the next one begins
    again.

    Raises
    ------
    JobsLeftError
        If one may still run.
    """
    paths = [path for path in _records(run) if path.name.endswith(BLOCK_RECORD)]
    cancelled = _cancel(run, paths, _SETTLING_S)
    left = [record for path in paths if (record := JobRecord.read(path)) and record.may_run_on]
    if left:
        raise JobsLeftError(tuple(map(words_for, left)))
    return cancelled


def jobs_left(run: Path) -> list[JobRecord]:
    """Return the records of jobs that were cancelled and may still run."""
    return [record for record in _known(run).values() if record.may_run_on]


def jobs_left_alone(run: Path) -> list[JobRecord]:
    """Return the records of unfinished jobs of schedulers and clusters that were not cancelled."""
    return [
        record
        for record in _known(run).values()
        if record.backend != LOCAL and record.ended is None and not record.may_run_on
    ]


def has_taken_jobs(run: Path) -> bool:
    """Return whether a backend has accepted a job of the run, or may have."""
    known = _known(run).values()
    return len(known) < len(_records(run)) or any(
        record.job_id or record.ended is None for record in known
    )


def taken_jobs(run: Path) -> dict[str, bool]:
    """Return the names of the jobs with an id of their backend, and whether each has ended."""
    known = _known(run).values()
    return {each.name: each.ended is not None for each in known if each.job_id is not None}


def check_none_is_left(run: Path) -> None:
    """Check that no backend has refused to cancel a job of the run in the folder `run`.

    Raises
    ------
    JobsLeftError
        If one has.
    """
    refused = [record for record in jobs_left(run) if record.cancel_error is not None]
    if refused:
        raise JobsLeftError(tuple(map(words_for, refused)))


def words_for(record: JobRecord) -> str:
    """Describe a job whose cancellation was requested."""
    job = f"job {record.job_id or record.planned_id or record.name} ({record.backend})"
    if record.cancel_error is None:
        return f"{job} is being cancelled and has not ended yet"
    return f"{job} could not be cancelled and may still run: {record.cancel_error}"


def job_states(run: Path, patience_s: float = _ANSWER_S) -> list[dict[str, Any]]:
    """Return name, id, backend and state of each job of the run in the folder `run`.

    The state is PSI/J's name of it; that of a job whose end was not seen is the backend's
    word, None where it does not know the job, and `UNKNOWN` where it does not answer in
    `patience_s` seconds or must not be asked. Of one that waits there is also why, by the
    scheduler's or its driver's latest word, and of one that is unknown, why it is; else None. For
    one whose cancellation was requested, there is what its backend said.
    """
    known = _known(run)
    asked = {path: record for path, record in known.items() if record.ended is None}
    found = _ask(run, asked, patience_s)
    rows = []
    for path, record in known.items():
        entry = None if record.ended else found.get(path, _NO_ANSWER)
        reason = None
        if entry is not None and entry.state == "QUEUED":
            reason = entry.reason or waiting_reason(path)
        elif entry is not None and entry.state == UNKNOWN:
            reason = entry.reason
        rows.append(
            {
                "name": record.name,
                "id": record.job_id or record.planned_id,
                "backend": record.backend,
                "state": record.ended or (entry.state if entry is not None else None),
                "waits_for": reason or None,
                "cancel_asked": record.may_run_on,
                "cancel_error": record.cancel_error if record.may_run_on else None,
            }
        )
    return rows


def _records(run: Path) -> list[Path]:
    """Return the files of the records of all jobs of a run.

    Its driver may be preparing a task just then: a folder that is renamed meanwhile is passed over.
    """
    return sorted(
        Path(folder, name)
        for folder, _, names in os.walk(run)
        for name in names
        if name == TASK_RECORD or name.endswith(BLOCK_RECORD)
    )


def _known(run: Path) -> dict[Path, JobRecord]:
    """Return the readable job records of a run, by file."""
    records = {path: JobRecord.read(path) for path in _records(run)}
    return {path: record for path, record in records.items() if record is not None}


def _ask(
    run: Path, records: Mapping[Path, JobRecord], patience_s: float
) -> dict[Path, QueueEntry | None]:
    """Return what the backends have said of a run's jobs, after `patience_s` seconds at most."""
    found: dict[Path, QueueEntry | None] = {}
    if not records:
        return found
    load_psij()  # on the main thread
    answer: Future[None] = Future()

    def ask() -> None:
        executors: dict[str, tuple[Any, QueueWatch]] = {}
        silent: dict[str, QueueEntry] = {}
        try:
            for path, record in records.items():
                found[path] = silent.get(record.backend, _NO_ANSWER)
                if record.backend in silent:
                    continue
                found[path] = entry = _entry(run, record, path.parent / FOLDER, executors)
                if entry is not None and entry.state == UNKNOWN:
                    silent[record.backend] = entry
            answer.set_result(None)
        except BaseException as error:  # noqa: BLE001 - it is the caller's
            answer.set_exception(error)

    threading.Thread(target=ask, name="asking for jobs", daemon=True).start()
    with contextlib.suppress(TimeoutError):
        answer.result(patience_s)
    return dict(found)


def _entry(
    run: Path, record: JobRecord, folder: Path, executors: dict[str, tuple[Any, QueueWatch]]
) -> QueueEntry | None:
    """Return what its backend says of a job of a run, None if it does not know the job.

    PSI/J's executors are kept in `executors`. An answer of Slurm has all jobs of the user.
    """
    try:
        job_id = job_id_of(record)
        if job_id is None:
            return None
        is_new = record.backend not in executors
        if is_new:
            check_backend(record.backend)
            _check_cluster(run, record.backend, folder)
            watch = QueueWatch(record.backend)
            executors[record.backend] = load_executor(record.backend, folder, watch), watch
        executor, watch = executors[record.backend]
        if is_new or record.backend != "slurm":
            state = job_state(executor, job_id, record.begun)
            return watch.entry(job_id) or (QueueEntry(state, "") if state else None)
        return watch.entry(job_id)
    except BackendUnavailableError as error:
        return QueueEntry(UNKNOWN, " ".join(error.reason.split()))
    except ConfigurationError as error:
        return QueueEntry(UNKNOWN, str(error).partition("\n")[0])


def _check_cluster(run: Path, backend: str, folder: Path) -> None:
    """Check that the cluster of a backend, if it has one, is not known by files of the run alone.

    Raises
    ------
    UntrustedFileError
        If it is.
    """
    if backend == KUBERNETES:
        KubeContext.read(folder).check(run.parent)


def _any_job() -> JobSpec:
    """Return the description of a job of which only the id is known; it has all the time."""
    psij = load_psij()
    attributes = psij.JobAttributes(duration=timedelta(days=3650))
    spec: JobSpec = psij.JobSpec(executable="/bin/true", attributes=attributes)
    return spec


def _cancel(run: Path, paths: Iterable[Path], patience_s: float) -> list[str]:
    """Cancel the jobs of a run whose records are the files at `paths`, and wait for their end.

    Returns the ids of those that were left; what their backends said is in the records.
    """
    backends: dict[str, JobBackend] = {}
    silent: dict[str, str] = {}
    cancelled = []
    try:
        for path in paths:
            record = JobRecord.read(path)
            if record is None or record.ended is not None:
                continue
            name = record.backend
            if name not in backends:
                _check_cluster(run, name, path.parent / FOLDER)
                backends[name] = JobBackend(name, path.parent / FOLDER, patience_s=patience_s)
            record.with_cancellation(record.cancel_error).write(path)
            try:
                if name not in silent:
                    job = backends[name].follow(_any_job(), lambda _: None, path)
                    cancelled += [job.job_id] if job is not None else []
            except BackendUnavailableError as error:
                silent[name] = error.reason
            if name in silent:
                record.with_cancellation(silent[name]).write(path)
    finally:
        for backend in backends.values():
            backend.close(patience_s=patience_s)
    return cancelled
