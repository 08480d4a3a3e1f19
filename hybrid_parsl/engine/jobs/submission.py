"""Hands a job to PSI/J, and tries again as long as its scheduler does not answer."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING

from hybrid_parsl.engine.jobs.batch_scheduler import is_unreachable
from hybrid_parsl.engine.jobs.psij_loading import LOCAL, load_psij
from hybrid_parsl.engine.jobs.scheduler_client import client_environment
from hybrid_parsl.errors import (
    BackendUnavailableError,
    JobRejectedError,
    StorageError,
    SubmissionError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from psij import Job, JobExecutor

logger = logging.getLogger(__name__)

_ON_THIS_HOST = (None, "single", "multiple", "mpirun")
"""The launchers that do not start ranks in the allocation of which the driver is a part."""
PAUSES_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 30.0, 30.0)
"""Seconds between two tries: two minutes in all, with the time that the tries take."""
_SLICE_S = 0.2


def hand_over(executor: JobExecutor, job: Job) -> None:
    """Let PSI/J submit a job.

    Raises
    ------
    JobRejectedError
        If the job can never run as it is described.
    BackendUnavailableError
        If the backend did not take it this time.
    StorageError
        If PSI/J's scripts cannot be written.
    """
    psij = load_psij()
    if executor.name == LOCAL and job.spec.launcher in _ON_THIS_HOST:
        job.spec.inherit_environment = False
        job.spec.environment = {**client_environment(), **(job.spec.environment or {})}
    try:
        executor.submit(job)
    except psij.SubmitException as error:
        cause = f"{error}: {error.exception}" if error.exception else str(error).strip()
        if executor.name == LOCAL or error.transient or is_unreachable(cause):
            raise BackendUnavailableError(executor.name, cause) from error
        raise JobRejectedError(executor.name, cause) from error
    except OSError as error:
        name = str(error.filename or executor.config.work_directory)
        if isinstance(error, FileNotFoundError) and os.sep not in name:
            reason = f"there is no program {name} on PATH"
            raise JobRejectedError(executor.name, reason) from error
        raise StorageError(name, error.strerror or str(error)) from error
    except Exception as error:  # PSI/J asserts what a job has to have, besides its own error
        raise JobRejectedError(executor.name, str(error) or repr(error)) from error


def attach(executor: JobExecutor, job: Job, job_id: str) -> None:
    """Let PSI/J follow the job `job_id` of a scheduler as `job`.

    Raises
    ------
    JobRejectedError
        If the job cannot be followed.
    BackendUnavailableError
        If the backend does not answer.
    """
    psij = load_psij()
    try:
        executor.attach(job, job_id)
    except psij.SubmitException as error:
        raise BackendUnavailableError(executor.name, str(error).strip()) from error
    except psij.InvalidJobException as error:
        raise JobRejectedError(executor.name, str(error).strip()) from error


def patiently(
    attempt: Callable[[], None],
    goes_on: Callable[[], bool],
    pauses_s: Sequence[float] = PAUSES_S,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Make an attempt until it succeeds, its error is permanent, or patience is over.

    Parameters
    ----------
    attempt
        What is tried.
    goes_on
        Asked after each failure and while there is a pause; if it says no, the error counts.
    pauses_s
        Seconds between two tries, each at least 0. No try begins after two minutes: the time that
        the tries themselves take counts as well.
    clock
        Returns seconds that never go back.

    Raises
    ------
    SubmissionError
        The error of the last try.
    """
    deadline = clock() + sum(PAUSES_S)
    for pause_s in pauses_s:
        try:
            attempt()
        except SubmissionError as error:
            next_try = clock() + pause_s
            if next_try > deadline or not error.retryable or not goes_on():
                raise
            logger.warning("%s; trying again in %g s", error, pause_s)
            while goes_on() and clock() < next_try:
                time.sleep(min(_SLICE_S, pause_s))
            if not goes_on():
                raise
        else:
            return
    attempt()
