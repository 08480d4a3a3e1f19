"""Carries out a schedule once: one run at a time, up to its deadline, written into the history."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybrid_parsl.engine.jobs.processes import ProcessTree
from hybrid_parsl.engine.signals import TerminatedError, terminable, uninterrupted
from hybrid_parsl.errors import HybridParslError, RunOverlapError, StorageError
from hybrid_parsl.records.run_directory import RunDirectory
from hybrid_parsl.records.run_lock import Driver, driver_of, run_lock
from hybrid_parsl.report.text import duration
from hybrid_parsl.schedule import attempts
from hybrid_parsl.schedule.attempts import History
from hybrid_parsl.schedule.clock import Moment, local_zone_name, time_zone
from hybrid_parsl.schedule.definition import Schedule, make_private_folder
from hybrid_parsl.schedule.environment import run_environment
from hybrid_parsl.schedule.notification import notify
from hybrid_parsl.schedule.rotation import rotate

if TYPE_CHECKING:
    from collections.abc import Mapping

LOCK = "schedule.lock"
OUTPUT = "output.log"
GRACE_S = 90.0
"""How long a run has to cancel its jobs after a signal to end."""
_TAIL_BYTES = 4000
_EXIT_DEADLINE = 4
_EXIT_SIGNAL = 128
_INTERRUPTED = 130


@dataclass(frozen=True)
class Outcome:
    """How a scheduled run ended.

    Attributes
    ----------
    outcome
        One of the words of `Attempt.outcome`.
    exit_code
        That of the command.
    message
        What went wrong; empty if nothing did.
    """

    outcome: str
    exit_code: int
    message: str = ""

    def line(self, name: str, run: str | None) -> str:
        """Return all of it in one line."""
        first = self.message.strip().partition("\n")[0]
        where = f"; see {run}" if run else ""
        return f"hybrid-parsl schedule {name}: {self.outcome}: {first}{where}"


class ScheduledRun:
    """One attempt to carry out a schedule.

    Parameters
    ----------
    schedule
        The schedule.
    definition
        Its file.
    by_hand
        Whether somebody at a terminal asks for it.
    """

    def __init__(self, schedule: Schedule, definition: Path, *, by_hand: bool = False) -> None:
        self._schedule = schedule
        self._definition = definition
        self._by_hand = by_hand
        self._state = Path(schedule.state)
        self._history = History(self._state)
        self._zone = time_zone(schedule.timezone)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        self.id = f"{stamp}-{secrets.token_hex(3)}"

    @property
    def run(self) -> str | None:
        """The run directory, None before there is one."""
        found = [each.run for each in self._history.attempts() if each.id == self.id]
        return found[0] if found else None

    def carry_out(self) -> Outcome:
        """Run the experiment, record how that ended, and report a failure.

        Raises
        ------
        RunOverlapError
            If an earlier run of the schedule is still under way; the history says so too.
        StorageError
            If the history cannot be written.
        """
        make_private_folder(self._state)
        try:
            with run_lock(self._state / LOCK, f"schedule '{self._schedule.name}'"):
                self._begin()
                with terminable():
                    ended = self._supervise()
                with uninterrupted():
                    outcome = self._finish(ended)
                    self._rotate()
        except RunOverlapError as error:
            under_way = run_under_way(self._state)
            holder = f"{error.holder}, {under_way}" if under_way else error.holder
            refusal = RunOverlapError(error.what, holder)
            self._begin()
            self._finish(Outcome(attempts.REFUSED, error.exit_code, str(refusal)))
            raise refusal from error
        return outcome

    def _begin(self) -> None:
        """Write down that the attempt has begun."""
        self._history.append(
            "started",
            self.id,
            **Moment.now(self._zone).to_json(),
            cron=self._schedule.cron,
            timezone=self._schedule.timezone or local_zone_name(),
            by_hand=self._by_hand,
            process=str(Driver.current()),
        )

    def _supervise(self) -> Outcome:
        """Start the driver and wait for its end, which is the deadline at the latest."""
        try:
            environment = run_environment(self._schedule)
            with (self._state / OUTPUT).open("wb") as output:
                driver = subprocess.Popen(  # noqa: S603 - our own command
                    [*_DRIVE, str(self._definition), self.id],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=self._schedule.folder,
                    env=environment,
                    start_new_session=True,
                )
        except HybridParslError as error:
            return Outcome(attempts.FAILED, error.exit_code, str(error))
        except (OSError, ValueError) as error:  # a variable may be none that a program can get
            return Outcome(attempts.FAILED, StorageError.exit_code, str(error))
        try:
            code = driver.wait(self._schedule.deadline_s)
        except subprocess.TimeoutExpired:
            end(driver)
            limit = duration(self._schedule.deadline_s)
            message = f"was stopped at its deadline of {limit}"
            return Outcome(attempts.DEADLINE, _EXIT_DEADLINE, message)
        except (KeyboardInterrupt, TerminatedError) as interruption:
            end(driver)
            code = _INTERRUPTED
            if isinstance(interruption, TerminatedError):
                code = interruption.exit_code
            return Outcome(attempts.INTERRUPTED, code, "was asked to end")
        return self._outcome_of(code)

    def _outcome_of(self, code: int) -> Outcome:
        """Return what the exit code of the driver means."""
        if code == 0:
            return Outcome(attempts.COMPLETED, 0)
        if code < 0:
            name = _signal_name(-code)
            message = f"its driver was killed by {name}; hybrid-parsl resume continues the run"
            return Outcome(attempts.KILLED, _EXIT_SIGNAL - code, message)
        told = [each.message for each in self._history.attempts() if each.id == self.id]
        text = "".join(told) or f"exit code {code}: {_last_line(self._state / OUTPUT)}"
        return Outcome(attempts.FAILED, code, text)

    def _finish(self, outcome: Outcome) -> Outcome:
        """Record how the attempt ended, and report a failure."""
        ended = Moment.now(self._zone).to_json()
        self._write_end(ended, outcome)
        if outcome.exit_code and self._schedule.on_failure:
            trouble = self._notify(self._schedule.on_failure, outcome)
            if trouble:
                first, _, rest = outcome.message.partition("\n")
                message = "\n".join([f"{first} (could not be reported: {trouble})", rest]).strip()
                outcome = Outcome(outcome.outcome, outcome.exit_code, message)
                self._write_end(ended, outcome)
        return outcome

    def _write_end(self, ended: Mapping[str, Any], outcome: Outcome) -> None:
        """Write into the history how the attempt ended; the last such line counts."""
        self._history.append(
            "ended",
            self.id,
            **ended,
            outcome=outcome.outcome,
            exit_code=outcome.exit_code,
            energy=_best_energy(self.run),
            message=outcome.message,
        )

    def _notify(self, target: str, outcome: Outcome) -> str | None:
        """Tell `target` of a failure, and return what went wrong with that."""
        told: Mapping[str, Any] = {
            "schedule": self._schedule.name,
            "outcome": outcome.outcome,
            "exit_code": outcome.exit_code,
            "message": outcome.message,
            "run": self.run,
            "host": socket.gethostname(),
            "text": outcome.line(self._schedule.name, self.run),
        }
        try:
            environment = run_environment(self._schedule)
        except HybridParslError:  # of its own file of variables, which is the failure itself
            environment = {**os.environ, **self._schedule.environment}
        return notify(target, told, environment)

    def _rotate(self) -> None:
        """Remove the oldest run directories."""
        if self._schedule.keep is not None:
            runs_dir = Path(self._schedule.runs_dir).resolve()
            rotate(self._history.attempts(), runs_dir, self._schedule.keep)


def _signal_name(number: int) -> str:
    """Return the name of a signal; those of real time have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


_DRIVE = (sys.executable, "-P", "-m", "hybrid_parsl", "schedule", "drive")


def end(driver: subprocess.Popen[bytes]) -> None:
    """End a driver: it has `GRACE_S` for cancelling its jobs, and is killed then."""
    driver.terminate()
    with contextlib.suppress(KeyboardInterrupt, TerminatedError, subprocess.TimeoutExpired):
        driver.wait(GRACE_S)
    if driver.poll() is None:
        ProcessTree.of(
            driver.pid
        ).end()  # its jobs on this computer have process groups of their own
        driver.wait()


def current_attempts(state: Path) -> list[attempts.Attempt]:
    """Return the history in the folder `state`, with what is under way now."""
    driver = driver_of(state / LOCK)
    return History(state).attempts(str(driver) if driver else None)


def run_under_way(state: Path) -> str:
    """Return which run is under way in the folder `state`, empty if there is none."""
    found = [each for each in current_attempts(state) if each.outcome == attempts.RUNNING]
    if not found:
        return ""
    begun = found[-1].started.local.isoformat(sep=" ", timespec="seconds")
    return f"run {Path(found[-1].run).name} begun {begun}" if found[-1].run else f"begun {begun}"


def _best_energy(run: str | None) -> float | None:
    """Return the best energy in the results of a run, None if there is none."""
    if run is None:
        return None
    try:
        document = RunDirectory.own(Path(run)).read_results()
        return float(document["search"]["energy"])
    except (HybridParslError, KeyError, TypeError, ValueError):
        return None


def _last_line(path: Path) -> str:
    """Return the last line of a log, empty if there is none."""
    try:
        lines = path.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
