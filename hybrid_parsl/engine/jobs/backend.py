"""PSI/J behind one door: submit a job, be told once how it ended, leave nothing behind.

What PSI/J 0.9.11 does not do is done here: a job's first final state stands (a late cancellation
would overwrite it), the local backend keeps to walltimes and leaves no process; a batch job failed
only if its scheduler says so. The next driver can follow a job with a record.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from hybrid_parsl.engine.jobs.after_poll import look_after
from hybrid_parsl.engine.jobs.batch_scheduler import (
    LOCAL,
    executor_config,
    is_poll_failure,
    put_right,
)
from hybrid_parsl.engine.jobs.earlier import (
    UNDER_WAY,
    find_job,
    is_over,
    is_process,
    job_id_of,
    job_state,
)
from hybrid_parsl.engine.jobs.open_jobs import OpenJobs, SubmittedJob, job_status
from hybrid_parsl.engine.jobs.processes import ProcessTree
from hybrid_parsl.engine.jobs.psij_loading import check_backend, load_psij
from hybrid_parsl.engine.jobs.queue_watch import QueueWatch
from hybrid_parsl.engine.jobs.record import JobRecord, submission_lock
from hybrid_parsl.engine.jobs.submission import attach, hand_over, patiently
from hybrid_parsl.errors import HybridParslError, JobRejectedError
from hybrid_parsl.process_start import process_began

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from psij import Job, JobSpec, JobStatus

    from hybrid_parsl.engine.jobs.open_jobs import JobEnd

logger = logging.getLogger(__name__)

_PATIENCE_S = 5.0
_PAUSE_S = 0.01
_HEARING_S = 1.0
_POLLED = "the scheduler was asked"


class JobBackend:
    """One PSI/J executor and one thread that tells how jobs ended.

    Parameters
    ----------
    name
        PSI/J's name of the backend, for example ``"local"``.
    work_directory
        Where PSI/J keeps its scripts; made if it is not there.
    polling_interval_s
        Seconds between two questions to a batch scheduler.

    Raises
    ------
    ConfigurationError
        PSI/J has no backend of that name.
    """

    def __init__(self, name: str, work_directory: Path, polling_interval_s: float = 1.0) -> None:
        check_backend(name)
        self.name = name
        self._patience_s = _PATIENCE_S + 2 * polling_interval_s
        config = executor_config(name, work_directory, polling_interval_s)
        self._executor = load_psij().JobExecutor.get_instance(name, config=config)
        self._submitting = threading.local()
        self._jobs = OpenJobs()
        self._watch = QueueWatch(name, lambda: self._ended.put(_POLLED))
        self._ended: queue.SimpleQueue[tuple[SubmittedJob, JobStatus] | str | None]
        self._ended = queue.SimpleQueue()
        put_right(self._executor, self._jobs.has, self._inherited, self._watch)
        self._closed = False
        self._teller = threading.Thread(target=self._tell, name=f"{name} jobs", daemon=True)
        self._teller.start()

    def submit(
        self, spec: JobSpec, on_end: Callable[[JobEnd], None], record: Path | None = None
    ) -> SubmittedJob:
        """Submit a job; one with a record repeatedly while its scheduler does not answer.

        Parameters
        ----------
        spec
            PSI/J's description of the job; a batch scheduler knows the job by its name.
        on_end
            Called once when it has ended, on the thread of this backend.
        record
            Where the job's `JobRecord` is kept; none is if it is None.

        Raises
        ------
        JobRejectedError
            The job can never run as it is described.
        BackendUnavailableError
            The backend did not take it, in two minutes if the job has a record.
        StorageError
            The record or PSI/J's scripts cannot be written.
        """
        submitted = SubmittedJob(load_psij().Job(spec), on_end, record)
        if self.name == LOCAL and spec.attributes is not None:
            submitted.deadline = time.monotonic() + spec.attributes.duration.total_seconds()
        if record is None:
            self._hand_over(submitted)
        else:
            attempt = partial(self._hand_over_on_record, submitted, record)
            patiently(attempt, lambda: self.name != LOCAL and not self._closed)
        if self._closed:
            self.cancel(submitted)
        return submitted

    def adopt(
        self, spec: JobSpec, on_end: Callable[[JobEnd], None], record: Path
    ) -> SubmittedJob | None:
        """Follow the job that an earlier driver has left in `record`, if it still waits or runs.

        Parameters
        ----------
        spec, on_end
            As for `submit`.
        record
            The file of its `JobRecord`.

        Raises
        ------
        BackendUnavailableError
            The backend cannot be asked.
        JobRejectedError
            The job is none that can be followed.
        """
        with submission_lock(record):
            found = JobRecord.read(record)
        if found is None or found.ended is not None:
            return None
        job_id = job_id_of(found)
        if job_id is None:
            return None
        submitted = SubmittedJob(load_psij().Job(spec), on_end, record)
        self._jobs.add(submitted, job_id)
        try:
            if job_state(self._executor, job_id, found.begun) not in UNDER_WAY:
                self._jobs.take(submitted.job)
                return None
            submitted.begun = self._begun(submitted)
            found.with_id(job_id, submitted.begun).write(record)
            if self.name == LOCAL:  # PSI/J would wait for ever for one that nobody has reaped
                submitted.adopted = True
                left_s = found.seconds_left(spec.attributes.duration)
                submitted.deadline = time.monotonic() + left_s
            else:
                self._attach(submitted, job_id)
        except HybridParslError:
            self._jobs.take(submitted.job)
            raise
        return submitted

    def cancel(self, submitted: SubmittedJob) -> None:
        """Cancel a job; on the local backend, return when none of its processes is left.

        PSI/J's own cancellation of a local job overwrites the state of one that has just
        completed, and its thread fails for good on one that is gone when it comes to kill it:
        so local processes are killed here, and PSI/J only hears that they ended.
        """
        submitted.canceled = True
        if self.name == LOCAL:
            ProcessTree.of(int(submitted.job_id)).end()
            self._tell_if_unheard(submitted)
            return
        try:
            submitted.job.cancel()
        except Exception as error:  # noqa: BLE001 - a job that has just ended, for example
            logger.info("canceling job %s: %r", submitted.job_id, error)

    def _tell_if_unheard(self, submitted: SubmittedJob) -> None:
        """Tell the end of a local job ourselves if PSI/J does not.

        It does not hear in time of a process that ends while it is being started.
        """
        deadline = time.monotonic() + _HEARING_S
        while submitted.job in self._jobs and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)
        self._status_changed(submitted.job, job_status("CANCELED"))

    def close(self) -> None:
        """Cancel all jobs that have not ended, and stop telling."""
        self._closed = True
        for job in self._jobs.all():
            self.cancel(job)
        deadline = time.monotonic() + self._patience_s
        while self._jobs.all() and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)
        for job in self._jobs.all():  # one that takes its time to go is canceled all the same
            if is_over(self._executor, job.job_id):
                self._status_changed(job.job, job_status("CANCELED"))
        getattr(self._executor, "close", bool)()  # ours has one, PSI/J's own have none
        self._ended.put(None)
        self._teller.join(timeout=10)

    def _hand_over_on_record(self, submitted: SubmittedJob, record: Path) -> None:
        """Do as `_hand_over`, between two lines of the job's record.

        A scheduler that did not answer may still have taken the job: the next try asks for it.
        """
        name = submitted.job.id if self.name == LOCAL else submitted.job.spec.name
        with submission_lock(record) as descriptor:
            earlier = JobRecord.read(record)
            again = earlier is not None and earlier.name == name
            written = JobRecord.of(self.name, name).write(record)
            self._submitting.descriptors = (descriptor,)
            try:
                if again and (job_id := find_job(self.name, name)) is not None:
                    self._attach(submitted, job_id)
                else:
                    self._hand_over(submitted)
            except JobRejectedError:
                written.with_end("FAILED").write(record)
                raise
            finally:
                self._submitting.descriptors = ()
            written.with_id(submitted.job_id, self._begun(submitted)).write(record)

    def _hand_over(self, submitted: SubmittedJob) -> None:
        """Let PSI/J submit a job; one that is not taken gets a new object for the next try."""
        self._jobs.add(submitted)
        submitted.job.set_job_status_callback(self._status_changed)
        try:
            hand_over(self._executor, submitted.job)
        except HybridParslError:
            self._jobs.take(submitted.job)
            submitted.job = load_psij().Job(submitted.job.spec)
            raise

    def _begun(self, submitted: SubmittedJob) -> float | None:
        """Return when the process of a local job began, None for other jobs."""
        return process_began(int(submitted.job_id)) if self.name == LOCAL else None

    def _inherited(self) -> tuple[int, ...]:
        """Return the file descriptors that a program started by this thread inherits."""
        return getattr(self._submitting, "descriptors", ())

    def _attach(self, submitted: SubmittedJob, job_id: str) -> None:
        """Let PSI/J follow the job `job_id` of a batch scheduler."""
        self._jobs.add(submitted, job_id)
        submitted.job.set_job_status_callback(self._status_changed)
        attach(self._executor, submitted.job, job_id)

    def _ask_again(self, submitted: SubmittedJob) -> None:
        """Follow a job further that PSI/J has given up because it could not ask about it."""
        job_id = submitted.job_id
        submitted.job = load_psij().Job(submitted.job.spec)
        self._attach(submitted, job_id)

    def _status_changed(self, job: Job, status: JobStatus) -> None:
        """Hand the first final state of a job to the teller; called on PSI/J's thread."""
        if status.final and (submitted := self._jobs.take(job)) is not None:
            self._ended.put((submitted, status))

    def _tell(self) -> None:
        """Tell how jobs ended, and end local jobs that are over their walltime."""
        while True:
            try:
                item = self._ended.get(timeout=self._jobs.seconds_to_deadline())
            except queue.Empty:
                self._look_after_local()
                continue
            if item is None:
                return
            if isinstance(item, str):
                for job, status in look_after(self._jobs.all(), self._watch, self._executor):
                    self._status_changed(job, status)
                continue
            submitted, status = item
            try:
                if is_poll_failure(status.message) and not self._closed:
                    self._ask_again(submitted)
                    continue
                end = submitted.end_of(status)
                try:
                    submitted.note_end(end)
                finally:
                    if not submitted.answered:
                        submitted.on_end(end)
            except Exception:
                logger.exception("telling the end of job %s", submitted.job_id)

    def _look_after_local(self) -> None:
        """Cancel jobs whose deadline has passed, and note which adopted ones have ended."""
        for submitted in self._jobs.overdue():
            submitted.timed_out = True
            self.cancel(submitted)
        for submitted in self._jobs.all():
            if submitted.adopted and not is_process(submitted.job_id, submitted.begun):
                self._status_changed(submitted.job, job_status("COMPLETED"))
