"""PSI/J behind one interface: submit a job, learn once how it ended, leave nothing behind.

The executors are those of `psij_executors`. What no subclass can correct is done here: a job's
first final state stands (a late cancellation would overwrite it), the local backend keeps to
walltimes and leaves no process; a batch job failed only if its scheduler says so. The next driver
can follow a job with a record.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from hybrid_parsl.engine.jobs.after_poll import look_after
from hybrid_parsl.engine.jobs.batch_scheduler import executor_config, is_poll_failure
from hybrid_parsl.engine.jobs.cancellation import PATIENCE_S, Canceler
from hybrid_parsl.engine.jobs.lookup import UNDER_WAY, can_find, find_job, job_id_of, job_state
from hybrid_parsl.engine.jobs.psij_executors import Hooks, make_executor
from hybrid_parsl.engine.jobs.psij_loading import LOCAL, check_backend, load_psij
from hybrid_parsl.engine.jobs.queue_watch import QueueWatch
from hybrid_parsl.engine.jobs.record import JobRecord, submission_lock
from hybrid_parsl.engine.jobs.registry import JobRegistry, SubmittedJob
from hybrid_parsl.engine.jobs.submission import attach, hand_over, patiently
from hybrid_parsl.errors import BackendUnavailableError, HybridParslError, JobRejectedError
from hybrid_parsl.process_start import process_began

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from psij import Job, JobSpec, JobStatus

    from hybrid_parsl.engine.jobs.registry import JobEnd

logger = logging.getLogger(__name__)

_POLLED = "the scheduler was asked"


class _Submitting(threading.local):
    """The file descriptors that a scheduler's programs inherit from the thread that submits."""

    descriptors: tuple[int, ...] = ()


class JobBackend:
    """One PSI/J executor and one thread that reports how jobs ended.

    Parameters
    ----------
    name
        PSI/J's name of the backend, for example ``"local"``.
    work_directory
        Where PSI/J keeps its scripts; made if it is not there.
    polling_interval_s
        Seconds between two questions to a batch scheduler.
    patience_s
        How long to retry while a cluster's API server does not respond, in seconds.

    Raises
    ------
    ConfigurationError
        If PSI/J has no backend of that name.
    """

    def __init__(
        self,
        name: str,
        work_directory: Path,
        polling_interval_s: float = 1.0,
        patience_s: float = 60.0,
    ) -> None:
        check_backend(name)
        self.name = name
        config = executor_config(name, work_directory, polling_interval_s, patience_s)
        self._submitting = _Submitting()
        self._jobs = JobRegistry()
        self._watch = QueueWatch(name, lambda: self._ended.put(_POLLED))
        self._ended: queue.SimpleQueue[tuple[SubmittedJob, JobStatus] | str | None]
        self._ended = queue.SimpleQueue()
        hooks = Hooks(self._watch, self._jobs.has, lambda: self._submitting.descriptors)
        self._executor = make_executor(name, config, hooks)
        self._canceler = Canceler(self._executor, self._jobs, self._status_changed)
        self._closed = False
        self._reporter = threading.Thread(target=self._report, name=f"{name} jobs", daemon=True)
        self._reporter.start()

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
            If the job can never run as it is described.
        BackendUnavailableError
            If the backend did not take it, in two minutes if the job has a record.
        StorageError
            If the record or PSI/J's scripts cannot be written.
        """
        submitted = SubmittedJob(load_psij().Job(spec), on_end, record)
        if self.name == LOCAL and spec.attributes is not None:
            submitted.deadline = time.monotonic() + spec.attributes.duration.total_seconds()
        if record is None:
            self._hand_over(submitted)
        else:
            attempt = partial(self._hand_over_on_record, submitted, record)
            patiently(attempt, lambda: self.name != LOCAL and not self._closed)
        if self._closed or submitted.cancelled:
            self.cancel(submitted)
        return submitted

    def adopt(
        self, spec: JobSpec, on_end: Callable[[JobEnd], None], record: Path
    ) -> SubmittedJob | None:
        """Follow the job that an earlier driver has left in `record`, if it still waits or runs.

        A job whose cancellation was not confirmed is cancelled first, and None is returned.

        Parameters
        ----------
        spec, on_end
            As for `submit`.
        record
            The file of its `JobRecord`.

        Raises
        ------
        BackendUnavailableError
            If the backend cannot be asked, or a job that is to be cancelled may still run.
        JobRejectedError
            If the job cannot be followed.
        """
        found = JobRecord.read_open(record, self.name)
        if found is None or (found.job_id is None and found.planned_id and not found.may_run_on):
            return None  # one whose id was planned is submitted again, which finds it
        if not found.may_run_on:
            return self.follow(spec, on_end, record)
        if (unwanted := self.follow(spec, lambda _: None, record)) is not None:
            self._canceler.settle(unwanted)
        return None

    def follow(
        self, spec: JobSpec, on_end: Callable[[JobEnd], None], record: Path
    ) -> SubmittedJob | None:
        """Follow the job in `record` if it still waits or runs, even if it should not.

        Raises
        ------
        BackendUnavailableError
            If the backend cannot be asked.
        JobRejectedError
            If the job cannot be followed.
        """
        found = JobRecord.read_open(record, self.name)
        job_id = job_id_of(found) if found is not None else None
        if found is None or job_id is None:
            if found is not None and found.may_run_on and can_find(self.name):
                found.with_end("CANCELED").write(record)  # it was never taken, or is forgotten
            return None
        submitted = SubmittedJob(load_psij().Job(spec), on_end, record)
        self._jobs.add(submitted, job_id)
        try:
            state = job_state(self._executor, job_id, found.begun)
            if state not in UNDER_WAY:
                self._jobs.take(submitted.job)
                if found.may_run_on:
                    found.with_end(state or "CANCELED").write(record)
                return None
            submitted.begun = self._begun(submitted)
            found.with_id(job_id, submitted.begun).write(record)
            if self.name == LOCAL:  # PSI/J would wait for ever for one that was never reaped
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
        """Cancel a job; what the backend answers is in the job's record."""
        self._canceler.cancel(submitted)

    def close(self, *, leave_jobs: bool = False, patience_s: float = PATIENCE_S) -> None:
        """Cancel all jobs that have not ended, and stop following them.

        Parameters
        ----------
        leave_jobs
            Whether the jobs of a batch scheduler or cluster go on; those of this host never do.
        patience_s
            Seconds in which jobs have to end.
        """
        self._closed = True
        if self.name == LOCAL or not leave_jobs:
            self._canceler.cancel_all(self._jobs.all(), patience_s)
        self._executor.close()
        self._ended.put(None)
        self._reporter.join(timeout=10)

    def _hand_over_on_record(self, submitted: SubmittedJob, record: Path) -> None:
        """Do as `_hand_over`, between two lines of the job's record.

        A scheduler that did not answer may still have taken the job: the next try asks for it.
        """
        name = submitted.job.id if self.name == LOCAL else submitted.job.spec.name
        planned_id = self._executor.planned_id(submitted.job)
        with submission_lock(record) as descriptor:
            earlier = JobRecord.read(record)
            again = earlier is not None and earlier.name == name
            written = JobRecord.of(self.name, name, planned_id).after(earlier).write(record)
            self._submitting.descriptors = (descriptor,)
            try:
                if again and (job_id := find_job(self.name, name)) is not None:
                    self._attach(submitted, job_id)
                else:
                    self._hand_over(submitted)
            except JobRejectedError:
                written.with_end("FAILED").write(record)
                raise
            except BackendUnavailableError as error:
                if self._closed or submitted.cancelled:  # it may have been taken all the same
                    written.with_cancellation(error.reason).write(record)
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
        """Hand the first final state of a job to the reporting thread; called on PSI/J's thread."""
        if status.final and (submitted := self._jobs.take(job)) is not None:
            self._ended.put((submitted, status))

    def _report(self) -> None:
        """Report how jobs ended, and end local jobs that exceed their walltime."""
        while True:
            try:
                item = self._ended.get(timeout=self._jobs.seconds_to_deadline())
            except queue.Empty:
                self._canceler.look_after_local()
                continue
            if item is None:
                return
            if isinstance(item, str):
                for job, status in look_after(
                    self._jobs.all(), self._watch, self._executor.work_directory
                ):
                    self._status_changed(job, status)
                continue
            submitted, status = item
            try:
                if is_poll_failure(status.message):
                    self._ask_again(submitted)
                    continue
                end = submitted.end_of(status)
                try:
                    submitted.note_end(end)
                finally:
                    if not submitted.answered:
                        submitted.on_end(end)
            except Exception:
                logger.exception("reporting the end of job %s", submitted.job_id)
