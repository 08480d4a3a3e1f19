"""Submit a job to IBM's Quantum service so that exactly one is used, whatever fails.

A request may reach the service although its reply is lost, and the client itself repeats a POST
that was answered with 500, 502, 503, 504 or 52x. So a job carries a tag that follows from what it
computes: the service is asked for the tag before each submission and after each failure. Of
several jobs the oldest is kept and the others are cancelled.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from hybrid_parsl.errors import QuantumJobError, QuantumServiceUnavailableError
from hybrid_parsl.quantum.ibm_account import client_errors, is_lasting, without_secrets
from hybrid_parsl.quantum.qpu_record import CANCELLED, ERROR, FINAL, QpuRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_TRIES = 5
_PAUSE_S = 1.0
_LISTING_TRIES = 6


def jobs_of(service: Any, record: QpuRecord) -> list[Any]:
    """Return all jobs with the tag of a record, the oldest first.

    Raises
    ------
    IBMError
        If the service does not answer.
    """
    tags, instance = [record.tag], record.instance
    return list(service.jobs(job_tags=tags, instance=instance, limit=None, descending=False))


def counting_job(jobs: Sequence[Any], preferred: str | None = None) -> Any | None:
    """Return the job that counts, None if all have failed.

    Parameters
    ----------
    jobs
        All jobs of a tag, the oldest first.
    preferred
        Id of the job that counts if it did not fail; else it is the oldest that did not.
    """
    usable = [job for job in jobs if job.status() not in (CANCELLED, ERROR)]
    return next((job for job in usable if job.job_id() == preferred), next(iter(usable), None))


def keep_one(jobs: Sequence[Any], preferred: str | None = None) -> tuple[Any | None, list[Any]]:
    """Return the job that counts, and the others; those that have not ended are cancelled.

    Parameters
    ----------
    jobs, preferred
        As for `counting_job`.
    """
    kept = counting_job(jobs, preferred)
    others = [job for job in jobs if job is not kept]
    for job in others:
        if job.status() not in FINAL:
            cancel(job)
    return kept, others


def cancel(job: Any) -> bool:
    """Cancel a job; return False if it had ended already.

    Raises
    ------
    IBMError
        If the service has not taken the cancellation.
    """
    from qiskit_ibm_runtime.exceptions import RuntimeInvalidStateError

    with contextlib.suppress(RuntimeInvalidStateError):
        job.cancel()
        return True
    return False


def submit_once(
    service: Any,
    record: QpuRecord,
    submit: Callable[[], Any],
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Any, list[Any]]:
    """Return the only job of a tag that counts, submitted if there is none, and the others.

    Parameters
    ----------
    service
        The client.
    record
        What is known of the job. One with its id counts before others.
    submit
        Submits a job with the tag of the record, and returns it.
    sleep
        Waits for some seconds.

    Raises
    ------
    QuantumJobError
        If the service refuses the job.
    QuantumServiceUnavailableError
        If it does not answer.
    """
    for attempt in range(_TRIES):
        try:
            kept, others = keep_one(jobs_of(service, record), record.job_id)
            if kept is not None:
                return kept, others
            job = submit()
        except client_errors() as error:
            last = without_secrets(str(error))
            if is_lasting(error):
                raise QuantumJobError(record.backend, last) from None
        else:
            return _await_listing(service, record, sleep) or (job, [])
        if attempt + 1 < _TRIES:
            sleep(_PAUSE_S * 2**attempt)  # the list of jobs may lag behind
    raise QuantumServiceUnavailableError(record.backend, last)


def _await_listing(
    service: Any, record: QpuRecord, sleep: Callable[[float], None]
) -> tuple[Any, list[Any]] | None:
    """Return the accepted job once the service lists it; None if that takes too long.

    It is taken from the list, so that repeated requests of the client are noticed.
    """
    for attempt in range(_LISTING_TRIES):
        with contextlib.suppress(*client_errors()):
            kept, others = keep_one(jobs_of(service, record), record.job_id)
            if kept is not None:
                return kept, others
        sleep(_PAUSE_S * 2**attempt / 4)
    return None
