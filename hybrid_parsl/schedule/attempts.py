"""The history of a schedule: each time it was due, and what came of it."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from hybrid_parsl.errors import StorageError
from hybrid_parsl.schedule.clock import Moment
from hybrid_parsl.strict_json import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

HISTORY = "history.jsonl"
COMPLETED, FAILED, REFUSED = "completed", "failed", "refused"
DEADLINE, KILLED, INTERRUPTED = "deadline", "killed", "interrupted"
RUNNING, LOST = "running", "lost"
_LONGEST_LINE = 2**20
_APPEND = os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW


@dataclass(frozen=True)
class Attempt:
    """One time that a schedule was carried out.

    Attributes
    ----------
    id
        Its name in the history.
    started, ended
        When; `ended` is None while it runs, and if its process was lost.
    cron, timezone
        When the schedule was planned at that time.
    by_hand
        Whether somebody at a terminal asked for it.
    process
        The process and its host.
    run
        The run directory, None if it came to none.
    outcome
        ``completed``, ``failed``, ``deadline`` (stopped there), ``killed``, ``interrupted``,
        ``refused`` (another run held the lock), ``running``, or ``lost`` (its process ended
        before it could tell).
    exit_code
        That of the command, None where there is none.
    duration_s
        Seconds it took, by the monotonic clock.
    energy
        The best energy of its search, None if it found none.
    message
        What went wrong, and what came of telling so.
    """

    id: str
    started: Moment
    cron: str
    timezone: str | None
    by_hand: bool
    process: str
    ended: Moment | None = None
    run: str | None = None
    outcome: str = RUNNING
    exit_code: int | None = None
    duration_s: float | None = None
    energy: float | None = None
    message: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the same as JSON values."""
        return {
            "id": self.id,
            "started": self.started.local.isoformat(timespec="seconds"),
            "outcome": self.outcome,
            "exit_code": self.exit_code,
            "duration_s": self.duration_s,
            "energy": self.energy,
            "run": self.run,
            "message": self.message,
            "by_hand": self.by_hand,
        }


class History:
    """The file ``history.jsonl`` of a schedule: one line for each thing that happened.

    Parameters
    ----------
    folder
        The state folder of the schedule.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / HISTORY

    def append(self, event: str, attempt: str, **values: Any) -> None:
        """Add a line at once; half a line that a dying process has left is ended first.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        line = json.dumps({"event": event, "attempt": attempt, **values}, allow_nan=False)
        try:
            descriptor = os.open(self.path, _APPEND, 0o600)
            try:
                size = os.fstat(descriptor).st_size
                broken = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
                data = f"{chr(10) if broken else ''}{line}\n".encode()
                if os.write(descriptor, data) != len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise StorageError(str(self.path), error.strerror or str(error)) from error

    def attempts(self, running: str | None = None) -> list[Attempt]:
        """Return all attempts in the order in which they began.

        Parameters
        ----------
        running
            The process that holds the schedule's lock; another one that has not recorded its end is
            lost.
        """
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
        found: dict[str, Attempt] = {}
        for line in lines:
            _read_line(line, found)
        return list(_settled(found.values(), running))


class _Event(BaseModel):
    """A line of the history; which of the keys it has depends on the event."""

    model_config = ConfigDict(strict=True)

    event: str
    attempt: str
    local: str = ""
    boot_id: str = ""
    boot_s: float = Field(default=0.0, ge=0, le=1e10)
    cron: str = ""
    timezone: str | None = None
    by_hand: bool = False
    process: str = ""
    run: str = ""
    message: str = ""
    outcome: str = ""
    exit_code: int | None = None
    energy: float | None = None


def _read_line(line: str, found: dict[str, Attempt]) -> None:
    """Add a line's content to `found`; an unreadable line adds nothing."""
    try:
        event = parse_json(line, _LONGEST_LINE)
        _Event.model_validate(event)
        name = event["attempt"]
        if event["event"] == "started":
            found[name] = Attempt(
                name,
                Moment.from_json(event),
                event["cron"],
                event["timezone"],
                event["by_hand"],
                event["process"],
            )
        elif event["event"] == "run":
            found[name] = replace(found[name], run=event["run"])
        elif event["event"] == "error":
            found[name] = replace(found[name], message=event["message"])
        elif event["event"] == "ended":
            found[name] = _ended(found[name], event)
    except (KeyError, ValueError):
        return


def _ended(attempt: Attempt, event: dict[str, Any]) -> Attempt:
    """Return `attempt` with its end."""
    ended = Moment.from_json(event)
    return replace(
        attempt,
        ended=ended,
        outcome=event["outcome"],
        exit_code=event["exit_code"],
        duration_s=round(ended.since(attempt.started), 3),
        energy=event["energy"],
        message=event["message"],
    )


def _settled(attempts: Iterable[Attempt], running: str | None) -> Iterable[Attempt]:
    """Yield the attempts; those that have no end and no living process are lost."""
    for attempt in attempts:
        if attempt.outcome == RUNNING and attempt.process != running:
            yield replace(attempt, outcome=LOST)
        else:
            yield attempt
