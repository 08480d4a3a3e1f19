"""The jobs on QPUs of a run, asked for and cancelled from outside the tasks that submitted them."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from hybrid_parsl.errors import HybridParslError, JobsLeftError
from hybrid_parsl.quantum.ibm_account import account_error, load_client, open_service
from hybrid_parsl.quantum.qpu_job import position_of, usage_of
from hybrid_parsl.quantum.qpu_record import (
    CANCELLED,
    DONE,
    ERROR,
    FINAL,
    QUEUED,
    RUNNING,
    SUBMITTING,
    QpuRecord,
    records_of_run,
)
from hybrid_parsl.quantum.submit_once import cancel, counting_job, jobs_of, keep_one

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_STATUS_ANSWER_S = 6.0
_CANCEL_ANSWER_S = 30.0
_LATE_S = 2.0
UNKNOWN = "UNKNOWN"
_NAMES = {
    SUBMITTING: "NEW",
    QUEUED: "QUEUED",
    RUNNING: "ACTIVE",
    DONE: "COMPLETED",
    CANCELLED: "CANCELED",
    ERROR: "FAILED",
}
"""The names of the same states for jobs of schedulers."""


def qpu_job_states(run: Path, patience_s: float = _STATUS_ANSWER_S) -> list[dict[str, Any]]:
    """Return name, id, backend, state, queue position and usage of each QPU job of a run.

    Jobs that have not ended are asked for at the service, with the account of this host.

    Parameters
    ----------
    run
        The folder of the run.
    patience_s
        Seconds to wait for the service, for all jobs together; after that the state is
        ``UNKNOWN``.
    """
    rows = []
    records = [record for _, record in records_of_run(run)]
    if any(record.is_open for record in records):
        load_client()
    deadline = time.monotonic() + patience_s
    for record in records:
        known, state = record, _NAMES.get(record.state, record.state)
        reason = None
        if record.is_open:
            left_s = max(0.0, deadline - time.monotonic())
            asked, error = _within(left_s, record, _look_up)
            known = asked or record
            state = UNKNOWN if asked is None else _NAMES.get(known.state, known.state)
            last = f"last known as {record.state.lower()}"
            reason = f"{last}; {error}" if error else None
        if known.position and reason is None:
            reason = f"position {known.position} in the queue"
        rows.append(
            {
                "name": known.tag,
                "id": known.job_id,
                "backend": f"{known.backend}, {known.device}",
                "state": state,
                "waits_for": reason,
                "cancel_asked": known.is_open and known.cancel_error is not None,
                "cancel_error": known.cancel_error if known.is_open else None,
                "usage_s": known.usage_s,
                "estimated_usage_s": known.estimated_s,
            }
        )
    return rows


def cancel_qpu_jobs(run: Path, patience_s: float = _CANCEL_ANSWER_S) -> list[str]:
    """Cancel the QPU jobs of a run that have not ended, and return their ids.

    The tasks that follow them must have ended. A job is looked up by its tag, so one whose id
    no driver has learned is cancelled too. What could not be cancelled is in its record.

    Parameters
    ----------
    run
        The folder of the run.
    patience_s
        Seconds to wait for the service, for each job.
    """
    cancelled: list[str] = []
    for folder, record in records_of_run(run):
        if not record.is_open:
            continue
        load_client()
        ended, error = _within(patience_s, record, _cancel)
        known = ended or record.changed(cancel_error=error)
        known.append(folder)
        if known.state == CANCELLED and known.job_id:
            cancelled.append(known.job_id)
    return cancelled


def qpu_jobs_left(run: Path) -> list[str]:
    """Return a sentence for each QPU job of a run that could not be cancelled."""
    return [
        f"{record.label} could not be cancelled and may still run: {record.cancel_error}"
        for _, record in records_of_run(run)
        if record.is_open and record.cancel_error is not None
    ]


def check_no_qpu_job_is_left(run: Path) -> None:
    """Check that every QPU job of a run that was to be cancelled has ended.

    Raises
    ------
    JobsLeftError
        If one may still run.
    """
    left = qpu_jobs_left(run)
    if left:
        raise JobsLeftError(tuple(left))


def open_qpu_jobs(run: Path) -> list[str]:
    """Return what identifies each QPU job of a run that is not known to have ended."""
    return [record.label for _, record in records_of_run(run) if record.is_open]


def _look_up(record: QpuRecord) -> QpuRecord:
    """Return the record of a job as the service knows it now."""
    service = open_service(record.account, record.backend)
    kept, _ = _kept(service, record)
    if kept is None:
        return record
    state = str(kept.status())
    position = position_of(kept) if state == QUEUED else None
    usage_s = usage_of(kept, tries=1) if state in FINAL else None
    return record.changed(job_id=kept.job_id(), state=state, position=position, usage_s=usage_s)


def _kept(service: Any, record: QpuRecord) -> tuple[Any, list[Any]]:
    """Return the job of a record that counts, else its last one; and all of its jobs."""
    jobs = jobs_of(service, record)
    last = jobs[-1] if jobs else None
    return counting_job(jobs, record.job_id) or last, jobs


def _cancel(record: QpuRecord) -> QpuRecord:
    """Cancel all jobs of a tag, and return the record of the one that counts."""
    service = open_service(record.account, record.backend)
    kept, jobs = _kept(service, record)
    if kept is None:  # a request of a task that was just killed may be on its way
        time.sleep(_LATE_S)
        kept, jobs = _kept(service, record)
    for job in jobs:
        if job.status() not in FINAL:
            cancel(job)
    if kept is None:  # it never reached the service
        return record.changed(state=CANCELLED, cancel_error=None)
    counting, _ = keep_one(jobs_of(service, record), record.job_id)
    state = CANCELLED if counting is None else str(counting.status())
    spent = round(sum(usage_of(job) for job in jobs), 3)
    return record.changed(
        job_id=kept.job_id(), state=state, position=None, usage_s=spent, cancel_error=None
    )


def _within(
    seconds: float, record: QpuRecord, ask: Callable[[QpuRecord], QpuRecord]
) -> tuple[QpuRecord | None, str | None]:
    """Return what a request about a job gives within some seconds, or why it gave nothing."""
    answer: Future[QpuRecord] = Future()

    def work() -> None:
        try:
            answer.set_result(ask(record))
        except BaseException as error:  # noqa: BLE001 - it is the caller's
            answer.set_exception(error)

    threading.Thread(target=work, name="asking for a QPU job", daemon=True).start()
    try:
        return answer.result(seconds), None
    except TimeoutError:
        return None, f"no answer in {seconds:.0f} s"
    except HybridParslError as error:
        return None, " ".join(str(error).split())
    except Exception as error:  # noqa: BLE001 - the client raises errors of four libraries
        return None, " ".join(str(account_error(error, record.backend)).split())
