"""A job on a QPU of IBM's Quantum service, followed to its end through failures of the network."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import time
from typing import TYPE_CHECKING, Any

from hybrid_parsl.errors import QuantumJobError, QuantumServiceUnavailableError, StorageError
from hybrid_parsl.progress import report_progress
from hybrid_parsl.quantum.ibm_account import client_errors, is_lasting, without_secrets
from hybrid_parsl.quantum.qpu_record import (
    CANCELLED,
    DONE,
    ERROR,
    FINAL,
    QUEUED,
    SUBMITTING,
    QpuRecord,
    read_records,
)
from hybrid_parsl.quantum.submit_once import jobs_of, keep_one, submit_once

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0
_OUTAGE_S = 900.0
_USAGE_TRIES = 10
_USAGE_PAUSE_S = 1.0


def tag_of(task: str, number: int, circuits: Sequence[str], settings: dict[str, Any]) -> str:
    """Return the tag of a job: equal work of the same task has the same.

    Circuits count as OpenQASM 3 before their transpilation. QPY holds automatic names and random
    identities of parameters, and a transpiled circuit changes with each calibration.

    Parameters
    ----------
    task
        What identifies the task: the names of its run and of itself.
    number
        How many jobs the task has submitted before.
    circuits
        OpenQASM 3.
    settings
        Shots or precision, observables, and options.
    """
    parts = [task, number, list(circuits), settings]
    text = json.dumps(parts, sort_keys=True, default=str)
    return f"hybrid-parsl-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


class QpuJob:
    """A job on a QPU, shaped like Qiskit's ``BasePrimitiveJob``.

    Parameters
    ----------
    service
        The client.
    record
        What is known of the job; its tag has to be that of the job.
    folder
        The folder of the task, which holds the record; None outside a task.
    """

    def __init__(self, service: Any, record: QpuRecord, folder: Path | None) -> None:
        self._service = service
        self._folder = folder
        known = read_records(folder).get(record.tag) if folder is not None else None
        if known is not None and known.state in (CANCELLED, ERROR):  # another job is needed
            known = known.changed(job_id=None, state=SUBMITTING, usage_s=None)
        self.record = record if known is None else known.changed(cancel_error=None)

    def submit(self, submit: Callable[[], Any]) -> None:
        """Submit the job unless the service has it; the record is written before.

        Raises
        ------
        StorageError
            If the record cannot be written: nothing is submitted then.
        QuantumJobError
            If the service refuses the job.
        QuantumServiceUnavailableError
            If it does not answer.
        """
        if self._folder is not None:
            self.record.append(self._folder)
        self._job, others = submit_once(self._service, self.record, submit)
        extra = tuple(each.job_id() for each in others)
        state = str(self._patiently(self._job.status))
        self._note(job_id=self.job_id(), state=state, extra_jobs=extra)

    def job_id(self) -> str:
        """Return the service's id of the job."""
        return str(self._job.job_id())

    def result(self) -> Any:
        """Wait for the end of the job, and return what the primitive gives.

        Raises
        ------
        QuantumJobError
            If the job failed or was cancelled.
        QuantumServiceUnavailableError
            If the service does not answer for a quarter of an hour.
        """
        state = self._wait()
        if state != DONE:
            self._settle(state)
            reason = self._patiently(self._job.error_message) if state == ERROR else None
            words = f": {without_secrets(reason)}" if reason else ""
            raise QuantumJobError(
                self.record.backend, f"job {self.job_id()} ended as {state}{words}"
            )
        result = self._patiently(self._job.result)
        self._settle(DONE)
        return result

    def _wait(self) -> str:
        """Return the final state of the job."""
        pause_s = _FIRST_PAUSE_S
        while True:
            state = str(self._patiently(self._job.status))
            if state in FINAL:
                return state
            position = self._position() if state == QUEUED else None
            self._note(state=state, position=position)
            where = f", position {position} in the queue" if position else ""
            report_progress(f"QPU job {self.job_id()}: {state.lower()}{where}")
            time.sleep(pause_s)
            pause_s = min(1.3 * pause_s, _LONGEST_PAUSE_S)

    def _position(self) -> int | None:
        """Return the place of the job in the queue, None if the service does not report it."""
        with contextlib.suppress(*client_errors()):
            return position_of(self._job)
        return None

    def _settle(self, state: str) -> None:
        """Record the end, the QPU seconds of all jobs of the tag, and cancel late repetitions."""
        jobs = self._patiently(lambda: jobs_of(self._service, self.record))
        _, others = self._patiently(lambda: keep_one(jobs, self.job_id()))
        extra = tuple(each.job_id() for each in others if each.job_id() != self.job_id())
        spent = [self._patiently(functools.partial(usage_of, each)) for each in jobs]
        self._note(state=state, position=None, extra_jobs=extra, usage_s=round(sum(spent), 3))

    def _patiently(self, ask: Callable[[], Any]) -> Any:
        """Return what a request gives, repeated while the service does not answer."""
        deadline, pause_s = time.monotonic() + _OUTAGE_S, _FIRST_PAUSE_S
        while True:
            try:
                return ask()
            except client_errors() as error:
                words = without_secrets(str(error))
                if is_lasting(error):
                    raise QuantumJobError(self.record.backend, words) from None
                if time.monotonic() > deadline:
                    message = f"no answer about job {self.job_id()}, which goes on: {words}"
                    raise QuantumServiceUnavailableError(self.record.backend, message) from None
            time.sleep(pause_s)
            pause_s = min(1.5 * pause_s, _LONGEST_PAUSE_S)

    def _note(self, **changes: Any) -> None:
        """Record what has changed; a disk that is full is no reason to lose a paid job."""
        changed = self.record.changed(**changes)
        if changed == self.record.changed(at=changed.at):
            return
        self.record = changed
        if self._folder is not None:
            with contextlib.suppress(StorageError):
                self.record.append(self._folder)


def position_of(job: Any) -> int | None:
    """Return the place of a job in the queue, counted from 1; None if it is not reported.

    Raises
    ------
    IBMError
        If the service does not answer.
    """
    position = job.metrics().get("position_in_queue")
    return int(position) if isinstance(position, int | float) and position > 0 else None


def usage_of(
    job: Any, sleep: Callable[[float], None] = time.sleep, *, tries: int = _USAGE_TRIES
) -> float:
    """Return the QPU seconds of a job that has ended; 0 if the service does not report them.

    They are asked for up to `tries` times, a second apart: the service knows them later than
    the result.

    Raises
    ------
    IBMError
        If the service does not answer.
    """
    for attempt in range(tries):
        usage = job.metrics().get("usage", {})
        seconds = usage.get("qpu_charge_time_seconds")
        if usage.get("status", "pending") != "pending" or job.status() != DONE:
            return float(seconds or 0.0)
        if attempt + 1 < tries:
            sleep(_USAGE_PAUSE_S)
    return float(seconds or 0.0)
