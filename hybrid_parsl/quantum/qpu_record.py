"""What a task knows of its jobs on a QPU, so that another driver finds them again.

The file ``qpu-0.jsonl`` in the task's folder gets a line before a job is submitted, and another
whenever something changes; the last line of a tag counts. Lines travel from pods through their
log, and survive another try of the task: see `hybrid_parsl.tasks.folder.KEPT_LINES`.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from pydantic import TypeAdapter

from hybrid_parsl.errors import StorageError
from hybrid_parsl.mpi.live_lines import LiveLines
from hybrid_parsl.strict_json import parse_json

if TYPE_CHECKING:
    from pathlib import Path

FILE = "qpu-0.jsonl"
_FILES = "qpu-*.jsonl"
SUBMITTING, QUEUED, RUNNING = "SUBMITTING", "QUEUED", "RUNNING"
DONE, CANCELLED, ERROR = "DONE", "CANCELLED", "ERROR"
FINAL = (DONE, CANCELLED, ERROR)
_MODE = 0o600


@dataclass(frozen=True)
class QpuRecord:
    """A job on a QPU as it was last known.

    Attributes
    ----------
    tag
        The tag of the job at the service; the task has no other job with it that counts.
    backend
        ``quantum.backend`` of the experiment.
    device
        The name of the device at the service.
    account
        Name, channel and instance of the account, as the experiment specifies them.
    shots
        Shots of each circuit.
    instance
        CRN of the instance that the device is used through; None for the client's active one.
    estimated_s
        QPU seconds, as estimated before the submission.
    job_id
        The service's id of the job; None until it is known.
    state
        ``SUBMITTING``, ``QUEUED``, ``RUNNING``, ``DONE``, ``CANCELLED`` or ``ERROR``.
    position
        Its place in the queue, counted from 1, where the service reports it.
    usage_s
        QPU seconds that were charged, those of `extra_jobs` included; None until it is known.
    extra_jobs
        Ids of further jobs that a repeated request made; each was cancelled, or was never used.
    cancel_error
        Why the service has not cancelled the job although that was requested; None otherwise.
    at
        When this was known, in seconds since the epoch.
    """

    tag: str
    backend: str
    device: str
    account: dict[str, str | None]
    shots: int
    instance: str | None = None
    estimated_s: float | None = None
    job_id: str | None = None
    state: str = SUBMITTING
    position: int | None = None
    usage_s: float | None = None
    extra_jobs: tuple[str, ...] = ()
    cancel_error: str | None = None
    at: float = field(default_factory=time.time)

    @property
    def is_open(self) -> bool:
        """Whether the job is not known to have ended."""
        return self.state not in FINAL

    @property
    def label(self) -> str:
        """What identifies the job in a message."""
        return f"QPU job {self.job_id or self.tag} ({self.backend})"

    def changed(self, **changes: Any) -> Self:
        """Return the record with some attributes changed now."""
        return replace(self, **{"at": time.time(), **changes})

    def append(self, folder: Path) -> Self:
        """Add the record to the file in a task's folder, and return it.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        path, line = folder / FILE, json.dumps(asdict(self))
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, _MODE)
            with os.fdopen(descriptor, "ab") as file:
                file.write(f"{line}\n".encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StorageError(str(path), error.strerror or str(error)) from error
        LiveLines(1).tell(FILE, line)
        return self


def read_records(folder: Path) -> dict[str, QpuRecord]:
    """Return the latest record of each tag in a task's folder; damaged lines are passed over."""
    found: dict[str, QpuRecord] = {}
    reader = TypeAdapter(QpuRecord)
    for path in sorted(folder.glob(_FILES)):
        with contextlib.suppress(OSError):
            for line in path.read_bytes().splitlines():
                with contextlib.suppress(ValueError):
                    record = reader.validate_python(parse_json(line))
                    known = found.get(record.tag)
                    if known is None or known.at <= record.at:
                        found[record.tag] = record
    return found


def records_of_run(run: Path) -> list[tuple[Path, QpuRecord]]:
    """Return the latest records of all tasks in a run's folder, each with its task's folder."""
    folders = sorted({path.parent for path in run.glob(f"tasks/*/{_FILES}")})
    return [(folder, each) for folder in folders for each in read_records(folder).values()]
