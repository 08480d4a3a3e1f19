"""Finds the jobs that an earlier driver has submitted."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import psutil

from hybrid_parsl.engine.jobs.kube_context import KUBERNETES
from hybrid_parsl.engine.jobs.psij_executors import UNKNOWN_TO_PBS, known_to_pbs
from hybrid_parsl.engine.jobs.psij_loading import LOCAL, load_psij
from hybrid_parsl.engine.jobs.record import JobRecord
from hybrid_parsl.engine.jobs.scheduler_client import run_client
from hybrid_parsl.errors import BackendUnavailableError
from hybrid_parsl.process_start import process_began

if TYPE_CHECKING:
    from psij import JobExecutor

_SQUEUE = ("squeue", "--me", "--noheader", "--states=all", "--format=%i")
_QSTAT = ("qstat", "-f", "-F", "json", "-x")
UNDER_WAY = ("NEW", "QUEUED", "ACTIVE")
"""The names of PSI/J's states of a job that has not ended."""
_SAME_S = 0.05
_PSIJ_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""What PSI/J calls a job: an argument of its process, and of no other process."""
_PATIENCE_S = 60.0


def find_job(backend: str, name: str) -> str | None:
    """Return the id of the user's job `name` that waits, runs, or has just ended.

    Slurm, PBS and this host can be asked for a name; for the others it is None.

    Raises
    ------
    BackendUnavailableError
        If the scheduler does not answer.
    """
    if backend == LOCAL:
        return _find_process(name)
    if backend == "slurm":
        return next(iter(_ask(backend, *_SQUEUE, f"--name={name}").split()), None)
    if backend.startswith("pbs"):
        try:
            jobs: dict[str, dict[str, Any]] = json.loads(_ask(backend, *_QSTAT)).get("Jobs", {})
        except ValueError as error:
            message = f"{_QSTAT[0]} printed invalid JSON: {error}"
            raise BackendUnavailableError(backend, message) from error
        return next((key for key, job in jobs.items() if job.get("Job_Name") == name), None)
    return None


def can_find(backend: str) -> bool:
    """Return whether a backend can be asked for a job by its name."""
    return backend in (LOCAL, "slurm") or backend.startswith("pbs")


def job_state(executor: JobExecutor, job_id: str, begun: float | None = None) -> str | None:
    """Return PSI/J's name of the state of a job, None if its backend does not know it any more.

    Parameters
    ----------
    executor
        PSI/J's executor of its backend.
    job_id
        The backend's id of it.
    begun
        When its process began, as `process_began` gives it, if it is one of this host.

    Raises
    ------
    BackendUnavailableError
        If the scheduler does not answer, or the id is not one of the backend.
    """
    if executor.name == LOCAL:
        return "ACTIVE" if is_process(job_id, begun) else None
    if executor.name == KUBERNETES:
        psij = load_psij()
        try:
            state: str | None = executor.state(job_id)
        except (psij.SubmitException, psij.InvalidJobException) as error:
            raise BackendUnavailableError(executor.name, str(error)) from error
        return state
    command = executor.get_status_command([job_id])
    said = _ask(executor.name, *command)
    try:
        table = executor.parse_status_output(0, said)
    except Exception as error:  # PSI/J's parsers let everything through
        message = f"{command[0]} printed what cannot be read: {error!r}"
        raise BackendUnavailableError(executor.name, message) from error
    return str(table[job_id].state.name) if job_id in table else None


def job_id_of(record: JobRecord) -> str | None:
    """Return the id of the job of a record, None if the job is not known any more.

    Raises
    ------
    BackendUnavailableError
        If the scheduler does not answer, or the job is a process of another host.
    """
    if record.backend != LOCAL:
        return record.job_id or record.planned_id or find_job(record.backend, record.name)
    here = JobRecord.of(LOCAL, record.name)
    if (record.boot or here.boot) != here.boot:
        if record.host == here.host:
            return None  # this host was started anew since
        message = (
            f"job {record.job_id or record.name} is a process of {record.host}, and only that host "
            "can query it: continue there, or, if it is gone, remove the job.json of the job"
        )
        raise BackendUnavailableError(LOCAL, message)
    if record.job_id is not None and record.begun is not None:
        return record.job_id
    return find_job(LOCAL, record.name)


def is_process(job_id: str, begun: float | None) -> bool:
    """Return whether a local job still runs: its number may be another process's by now."""
    began = process_began(int(job_id))
    return began is not None and (begun is None or abs(began - begun) < _SAME_S)


def is_over(executor: JobExecutor, job_id: str, begun: float | None = None) -> bool:
    """Return whether the backend of a job says that it neither waits nor runs any more."""
    try:
        return job_state(executor, job_id, begun) not in UNDER_WAY
    except BackendUnavailableError:
        return False


def _ask(backend: str, *command: str) -> str:
    """Return what a scheduler's program prints; nothing if it does not know the job.

    Raises
    ------
    BackendUnavailableError
        If it fails.
    """
    try:
        done = run_client(command, timeout_s=_PATIENCE_S)
    except OSError as error:
        raise BackendUnavailableError(backend, f"{command[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        message = f"{command[0]} gave no answer in {_PATIENCE_S:.0f} s"
        raise BackendUnavailableError(backend, message) from error
    if done.returncode == UNKNOWN_TO_PBS and backend.startswith("pbs"):
        return known_to_pbs(done.stdout)
    if done.returncode:
        raise BackendUnavailableError(backend, (done.stderr or done.stdout).strip())
    return done.stdout


def _find_process(name: str) -> str | None:
    """Return the id of the first process of this user with the argument `name`, PSI/J's id."""
    if not _PSIJ_ID.fullmatch(name):
        return None
    found = [
        (process.info["create_time"], process.info["pid"])
        for process in psutil.process_iter(["cmdline", "create_time", "pid"])
        if name in (process.info["cmdline"] or ())
    ]
    return str(min(found)[1]) if found else None
