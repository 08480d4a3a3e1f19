"""What a driver leaves on the disk about a job, so that the next one finds the job again.

The record is there before the job is submitted to the backend, under a name that no other job has;
the backend's own id follows as soon as it is known, and how the job ended once that is reported.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import time
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import TypeAdapter

from hybrid_parsl.atomic_file import write_atomically
from hybrid_parsl.errors import BackendUnavailableError, StorageError
from hybrid_parsl.records.run_lock import locked
from hybrid_parsl.strict_json import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from hybrid_parsl.tasks.folder import TaskFolder

TASK_RECORD = "job.json"
"""The record of a task's job, in the task's folder."""
_PID = re.compile(r"[1-9][0-9]{0,9}")
_ID = re.compile(r"[\w\[][\w.:/+\[\]-]{0,252}")
"""Ids of schedulers and clusters: never an option of their programs, nor a server to be asked."""
BLOCK_RECORD = ".block.json"
"""How the names of the records of a provider's blocks end."""


def record_of_task(folder: TaskFolder) -> Path:
    """Return the file of the record of the job that carries out a task: its own, or its pack's."""
    return (folder.pack_folder() or folder).path / TASK_RECORD


@dataclass(frozen=True)
class JobRecord:
    """A job as its driver last knew it.

    Attributes
    ----------
    backend
        PSI/J's name of the backend.
    name
        The name that the backend knows the job by; no other job has it.
    host
        Where the driver ran.
    submitted
        When it was handed over, in seconds since the epoch.
    job_id
        The backend's own id; None until the backend has given it.
    planned_id
        The id that the job gets, where that is known before the backend has taken it.
    begun
        When a local job's process began, as `process_began` gives it: its id may be used
        again.
    cancel_asked
        When its cancellation was asked, in seconds since the epoch; None if it never was. The job
        may run on until `ended` says otherwise.
    cancel_error
        Why the backend has not taken the cancellation; None if it has.
    ended
        The state that the backend said it ended in; None until then.
    folder
        Where the record is kept.
    tries
        Name, id and end of the jobs that the task had before.
    boot
        The start of the driver's host, by the kernel's name for it; None where it has none.
    """

    backend: str
    name: str
    host: str
    submitted: float
    job_id: str | None = None
    planned_id: str | None = None
    begun: float | None = None
    cancel_asked: float | None = None
    cancel_error: str | None = None
    ended: str | None = None
    folder: str | None = None
    boot: str | None = None
    tries: tuple[dict[str, str | None], ...] = ()

    @classmethod
    def of(cls, backend: str, name: str, planned_id: str | None = None) -> Self:
        """Return the record of a job that is about to be submitted from here."""
        here = socket.gethostname()
        return cls(backend, name, here, time.time(), planned_id=planned_id, boot=_boot_id())

    @classmethod
    def read(cls, path: Path) -> JobRecord | None:
        """Return the record in the file at `path`.

        None if the file does not exist or holds an id that no backend gives, or if the job has not
        ended and is that of the folder of which this one is a copy.
        """
        try:
            record = _reader().validate_python(parse_json(path.read_bytes()))
            home = Path(record.folder or path.parent)
            valid = _PID if record.backend == "local" else _ID
            if not all(map(valid.fullmatch, filter(None, (record.job_id, record.planned_id)))):
                return None
            is_copy = record.ended is None and home.exists() and not home.samefile(path.parent)
        except (OSError, ValueError):
            return None
        return None if is_copy else record

    @classmethod
    def read_open(cls, path: Path, backend: str) -> JobRecord | None:
        """Return the record in the file at `path` of a job that is not known to have ended.

        None if there is none; the job is not being submitted any more.

        Parameters
        ----------
        path
            The file.
        backend
            PSI/J's name of the backend, for the error.

        Raises
        ------
        BackendUnavailableError
            If the job is still being submitted.
        """
        try:
            with submission_lock(path):
                record = cls.read(path)
        except TimeoutError as error:
            raise BackendUnavailableError(backend, str(error)) from error
        return None if record is None or record.ended is not None else record

    def write(self, path: Path) -> Self:
        """Write the record to the file at `path` at once, and return it.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        placed = replace(self, folder=str(path.parent.absolute()))
        write_atomically(path, json.dumps(asdict(placed), indent=2).encode())
        return placed

    def after(self, earlier: JobRecord | None) -> Self:
        """Return the record with the job `earlier` among the task's tries."""
        if earlier is None or (earlier.name == self.name and earlier.ended is None):
            return self if earlier is None else replace(self, tries=earlier.tries)
        last = {"name": earlier.name, "job_id": earlier.job_id, "ended": earlier.ended}
        return replace(self, tries=(*earlier.tries, last))

    def with_id(self, job_id: str, begun: float | None) -> Self:
        """Return the record with the backend's id of the job."""
        return replace(self, job_id=job_id, begun=begun)

    def with_cancellation(self, error: str | None) -> Self:
        """Return the record of a job that should end; `error` is why the backend refused that."""
        return replace(self, cancel_asked=self.cancel_asked or time.time(), cancel_error=error)

    def with_end(self, state: str) -> Self:
        """Return the record with the state that the job ended in."""
        return replace(self, ended=state)

    @property
    def may_run_on(self) -> bool:
        """Whether it should have ended, and its backend has not said that it has."""
        return self.cancel_asked is not None and self.ended is None

    def seconds_left(self, walltime: timedelta) -> float:
        """Return the seconds that are left of its `walltime`, less than 0 if it is over."""
        return self.submitted + walltime.total_seconds() - time.time()


def note_end(path: Path, state: str) -> JobRecord | None:
    """Write down how a job ended, and return its record; None if that was known already.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    record = JobRecord.read(path)
    if record is None or record.ended is not None:
        return None
    return record.with_end(state).write(path)


@cache
def _reader() -> TypeAdapter[JobRecord]:
    """Return what checks the content of a file: it takes longer to make than to use."""
    return TypeAdapter(JobRecord)


def _boot_id() -> str | None:
    """Return what the kernel calls this start of the host, None if it does not say (random(4))."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip() or None
    except (OSError, ValueError):
        return None


@contextlib.contextmanager
def submission_lock(record: Path, patience_s: float = 60.0) -> Iterator[int]:
    """Hold the lock of one job's submission, and yield its file descriptor.

    The program that hands the job over inherits the descriptor, and with it the lock. So who
    gets the lock after a driver was killed knows that no submission is still on its way (where
    the file system has locks that are inherited: flock(2), which NFS has not).

    Parameters
    ----------
    record
        The file of the job's record; the lock lies beside it.
    patience_s
        Seconds to wait for it, at least 0.

    Raises
    ------
    TimeoutError
        If another process held it all the time.
    StorageError
        If the folder cannot be written, or its file system has no locks.
    """
    path = record.with_suffix(".lock")
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StorageError(str(path), error.strerror or str(error)) from error
    try:
        if not locked(descriptor, path, patience_s):
            message = f"a submission of {record} is still under way"
            raise TimeoutError(message)
        yield descriptor
    finally:
        os.close(descriptor)
