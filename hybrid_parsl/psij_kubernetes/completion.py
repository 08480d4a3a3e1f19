"""Complete jobs: determine the final status, collect log and files, report and clean up."""

from __future__ import annotations

import logging
import re
import time
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, Protocol

from psij import JobState, JobStatus

from hybrid_parsl.psij_kubernetes import names
from hybrid_parsl.psij_kubernetes.client import GONE, ApiError, Backoff, object_path
from hybrid_parsl.psij_kubernetes.diagnostics import POD_DELETED
from hybrid_parsl.psij_kubernetes.job_plan import is_pattern
from hybrid_parsl.psij_kubernetes.log_protocol import LogReader

if TYPE_CHECKING:
    from hybrid_parsl.psij_kubernetes.callbacks import StatusCallbacks
    from hybrid_parsl.psij_kubernetes.client import ApiClient, Object
    from hybrid_parsl.psij_kubernetes.config import KubernetesExecutorConfig
    from hybrid_parsl.psij_kubernetes.job_plan import Collection
    from hybrid_parsl.psij_kubernetes.log_protocol import LogReport
    from hybrid_parsl.psij_kubernetes.names import NativeId
    from hybrid_parsl.psij_kubernetes.thread_pool import DaemonThreadPool
    from hybrid_parsl.psij_kubernetes.tracked_job import PodState, TrackedJob

logger = logging.getLogger(__name__)

INCOMPLETE = "LogIncomplete"
"""Reason of a job whose command succeeded but whose results are incomplete."""
UNREADABLE = "LogUnreadable"
"""Reason of a job whose results could not be read yet."""
_LOG_LOST = (400, 404, GONE)
"""Statuses of the API server if the pod or its log does not exist."""
# a kubelet without the log sends these messages as the log
_NO_LOG = re.compile(
    rb"(unable to retrieve container logs for |failed to try resolving symlinks in path )[^\n]*\n?"
)
_CHUNK_BYTES = 65_536
_ATTEMPTS = 3
_DELAY_S = 0.3
_MAX_DELAY_S = 5.0
_EVENT_GRACE_S = 1.0
_CONDITION_GRACE_S = 3.0
_TAIL_TIMEOUT_S = 3.0


class Registry(Protocol):
    """The jobs that are tracked."""

    def forget(self, tracked: TrackedJob) -> None:
        """Stop tracking a job."""

    def is_shared(self, tracked: TrackedJob) -> bool:
        """Return whether another tracked `psij.Job` stands for the same cluster job."""


class JobCompletion:
    """Determines how jobs ended, reports it and deletes them, once per job.

    Parameters
    ----------
    api
        Client of the cluster.
    config
        Decides which jobs to keep.
    pool
        Threads that do the work.
    callbacks
        Reports the statuses.
    registry
        The jobs that are tracked.
    """

    def __init__(
        self,
        api: ApiClient,
        config: KubernetesExecutorConfig,
        pool: DaemonThreadPool,
        callbacks: StatusCallbacks,
        registry: Registry,
    ) -> None:
        self._api = api
        self._config = config
        self._pool = pool
        self._callbacks = callbacks
        self._registry = registry

    def complete(self, tracked: TrackedJob) -> None:
        """Complete a job that has ended; the caller holds its lock."""
        tracked.completing = True
        self._pool.submit(lambda: self._complete(tracked))

    def complete_deleted(self, tracked: TrackedJob, *, was_observed: bool) -> None:
        """Complete a job that no longer exists in the cluster; the caller holds its lock.

        Parameters
        ----------
        tracked
            The job.
        was_observed
            Whether the deletion was observed; otherwise a list did not contain the job.
        """
        if tracked.completing:
            return
        if tracked.has_ended:
            self.complete(tracked)
            return
        tracked.completing = True
        self._end(tracked, deleted_status(tracked, was_observed=was_observed))

    def fail_start(self, tracked: TrackedJob) -> None:
        """Fail a job that cannot start; the caller holds its lock."""
        if tracked.cancelled or tracked.completing or tracked.problem is None:
            return
        tracked.completing = True
        status = start_failure_status(tracked)
        self._pool.submit(lambda: self._fail(tracked, status))

    def fail_ranks(self, tracked: TrackedJob) -> None:
        """Fail a job whose ranks wait for a lost worker; the caller holds its lock."""
        if tracked.cancelled or tracked.completing:
            return
        tracked.completing = True
        self._pool.submit(lambda: self._fail(tracked, lost_worker_status(tracked, self._api)))

    def delete_expired(self, mpi_job: Object) -> None:
        """Delete an untracked MPIJob whose time to live has expired."""
        if is_expired(mpi_job, self._api.now()):
            metadata = mpi_job["metadata"]
            native_id = names.NativeId(names.MPI_JOB, metadata["namespace"], metadata["name"])
            self._pool.submit(lambda: delete_job(self._api, native_id, metadata["uid"]))

    def _fail(self, tracked: TrackedJob, status: JobStatus) -> None:
        """Delete a job that would otherwise run on, and report its status."""
        self._delete(tracked)
        with self._callbacks.locked(tracked):
            self._end(tracked, status)

    def _complete(self, tracked: TrackedJob) -> None:
        """Report how a job ended, and delete it unless it is kept."""
        try:
            status = final_status(tracked, self._api)
        except Exception as error:
            logger.exception("completion of %s", tracked.native_id)
            message = f"cannot determine how it ended: {error!r}"
            status = JobStatus(JobState.FAILED, message=message)
        reason = (status.metadata or {}).get("reason")
        # a resubmission must not adopt a job that may restart or whose results are lost
        is_unusable = tracked.may_restart or reason == INCOMPLETE
        if is_unusable:
            self._delete(tracked)
        with self._callbacks.locked(tracked):
            self._end(tracked, status)
        is_kept = reason == UNREADABLE or self._config.keeps(status.state.name)
        if not (is_unusable or is_kept or self._registry.is_shared(tracked)):
            self._delete(tracked)

    def _end(self, tracked: TrackedJob, status: JobStatus) -> None:
        """Queue the final status of a job and stop tracking it; the caller holds its lock."""
        self._registry.forget(tracked)
        tracked.unreported.append(status)

    def _delete(self, tracked: TrackedJob) -> None:
        """Delete a job if it was created."""
        if tracked.uid is not None:
            delete_job(self._api, tracked.native_id, tracked.uid)


class FetchedLog(NamedTuple):
    """Result of fetching a log.

    Attributes
    ----------
    report
        Summary; None if the log could not be read.
    tail
        Last lines.
    error
        What is missing, or why the log could not be read.
    is_retryable
        Whether it may be readable later.
    """

    report: LogReport | None
    tail: list[str]
    error: str
    is_retryable: bool = False


def final_status(tracked: TrackedJob, api: ApiClient) -> JobStatus:
    """Write the files of a job that has ended and return its final status.

    Parameters
    ----------
    tracked
        The job.
    api
        Client of the cluster.
    """
    if tracked.succeeded and tracked.collection.is_empty:
        return JobStatus(JobState.COMPLETED, exit_code=0)
    _wait_for_pod_event(tracked)
    unknown = "" if _is_end_known(tracked) else _list_pods(tracked, api)
    _wait_for_condition(tracked)
    main = tracked.main_pod
    end = main.end if main else None
    succeeded = tracked.succeeded or (end is not None and end.exit_code == 0 and not end.reason)
    needs_log = not tracked.collection.is_empty or not succeeded
    log = FetchedLog(None, [], unknown or "its pod no longer exists", is_retryable=bool(unknown))
    if main is not None and needs_log:
        retry_s = api.retry_s if succeeded else _TAIL_TIMEOUT_S
        pod = (tracked.native_id.namespace, main.name)
        with tracked.log_lock:
            log = fetch_log(api, *pod, tracked.collection, retry_s)
    code = end.exit_code if end else None
    if not succeeded:
        return _failed(code, _cause(tracked, main), log.tail, main)
    if tracked.collection.is_empty:
        return JobStatus(JobState.COMPLETED, exit_code=0)
    missing, warning = _missing(tracked.collection, log)
    if missing:
        reason = UNREADABLE if log.is_retryable else INCOMPLETE
        return _failed(0, f"{reason}: {missing}", log.tail, main)
    return JobStatus(JobState.COMPLETED, exit_code=0, message=warning or None)


def deleted_status(tracked: TrackedJob, *, was_observed: bool) -> JobStatus:
    """Return the final status of a job that no longer exists in the cluster.

    Parameters
    ----------
    tracked
        The job.
    was_observed
        Whether its deletion was observed.
    """
    if tracked.cancelled:
        return JobStatus(JobState.CANCELED)
    if was_observed:
        message = "Deleted: another client deleted the job"
        return JobStatus(JobState.CANCELED, message=message, metadata={"reason": "Deleted"})
    message = (
        f"Gone: {tracked.native_id} no longer exists; it was deleted or its time to live has "
        "expired, and how it ended is unknown"
    )
    return JobStatus(JobState.FAILED, message=message, metadata={"reason": "Gone"})


def start_failure_status(tracked: TrackedJob) -> JobStatus:
    """Return the final status of a job that cannot start."""
    reason = tracked.problem.reason if tracked.problem else ""
    return JobStatus(JobState.FAILED, message=str(tracked.problem), metadata={"reason": reason})


def lost_worker_status(tracked: TrackedJob, api: ApiClient) -> JobStatus:
    """Return the final status of a job whose launcher runs on after the loss of a worker."""
    main = tracked.main_pod
    log = FetchedLog(None, [], "")
    if main is not None:
        pod = (tracked.native_id.namespace, main.name)
        with tracked.log_lock:
            log = fetch_log(api, *pod, tracked.collection)
    return _failed(None, tracked.worker_failure() or "", log.tail, main)


def fetch_log(
    api: ApiClient, namespace: str, pod: str, collection: Collection, retry_s: float = 0.0
) -> FetchedLog:
    """Fetch the log of `pod` and write it to the destinations.

    An incomplete log is fetched again: a few times, and for ``retry_s`` while its end is missing,
    which a node under load may deliver seconds after the end of the pod.

    Parameters
    ----------
    api
        Client of the cluster.
    namespace, pod
        The pod.
    collection
        Destinations.
    retry_s
        Seconds during which failures are retried; 0 for a single attempt.
    """
    path = object_path(names.POD, namespace, pod, "log")
    found = FetchedLog(None, [], "")
    deadline, backoff = time.monotonic() + retry_s, Backoff()
    n_attempts = 0
    while True:
        try:
            report, tail = _read_log(api, path, collection)
        except ApiError as error:
            message = f"cannot read the log: {error}"
            delay = error.retry_after_s or backoff.next_delay()
            if not error.is_transient or time.monotonic() + delay > deadline:
                return found._replace(error=message, is_retryable=error.status not in _LOG_LOST)
        except OSError as error:
            message = f"cannot write {error.filename}: {error.strerror or error}"
            return found._replace(error=message, is_retryable=True)
        else:
            found = FetchedLog(report, tail, "; ".join(report.errors))
            n_attempts += 1
            delay = min(_DELAY_S * 2**n_attempts, _MAX_DELAY_S)
            is_complete = report.files_are_complete and report.streams_are_complete
            is_final = n_attempts >= _ATTEMPTS and not report.lacks_end
            if is_complete or is_final or time.monotonic() + delay > deadline:
                return found
        time.sleep(delay)


def _read_log(api: ApiClient, path: str, collection: Collection) -> tuple[LogReport, list[str]]:
    """Read a log once.

    Raises
    ------
    ApiError
        If it cannot be read to its end.
    OSError
        If a destination cannot be written.
    """
    import urllib3

    response = api.open("GET", path, {"container": names.CONTAINER})
    try:
        chunks = response.stream(_CHUNK_BYTES)
        first = next(chunks, b"")
        if _NO_LOG.fullmatch(first):
            raise ApiError(GONE, "the node no longer has it")
        with LogReader(collection) as reader:
            for chunk in chain([first], chunks):
                reader.feed(chunk)
            return reader.finish(), reader.tail()
    except urllib3.exceptions.HTTPError as error:
        message = f"the connection broke: {error}"
        raise ApiError(0, message) from error
    finally:
        response.close()  # a partly read connection cannot be reused


def _missing(collection: Collection, log: FetchedLog) -> tuple[str, str]:
    """Return what is missing of the results of a successful job, and a warning."""
    report = log.report
    if report is None:
        return log.error, ""
    if collection.outputs and not report.files_are_complete:
        return "; ".join(report.errors), ""
    absent = [name for name in collection.outputs if not (is_pattern(name) or name in report.files)]
    if absent:
        return f"the job did not create {', '.join(absent)}", ""
    if (collection.stdout or collection.stderr) and not report.streams_are_complete:
        text = "the start of its output is missing: the node has rotated the log"
        return ("", text) if collection.outputs else (text, "")
    return "", ""


def _cause(tracked: TrackedJob, main: PodState | None) -> str:
    """Return why a job failed, in one line; empty if its command exited normally."""
    limit = tracked.job.spec.attributes.duration if tracked.job.spec else None
    reason, message = tracked.failure or ("", "")
    end = main.end if main else None
    if "DeadlineExceeded" in (reason, end.reason if end else ""):
        over = f" of {int(limit.total_seconds())} s" if limit else ""
        return f"DeadlineExceeded: the walltime{over} is over"
    if cause := tracked.worker_failure():
        return cause
    if end is not None:
        return end.message
    if tracked.problem:
        return str(tracked.problem)
    if main is not None and main.is_deleted:
        return "PodDeleted: its pod was deleted while it ran"
    return f"{reason}: {message}" if message else reason or "Failed: its pod no longer exists"


def _failed(code: int | None, cause: str, tail: list[str], main: PodState | None) -> JobStatus:
    """Return the status of a failed job; the message is the cause and the last lines of its log."""
    head = cause or (f"exit code {code}" if code is not None else "it failed")
    message = "\n".join([head, *(f"| {line}" for line in tail)])
    reason = cause.partition(":")[0]
    metadata: dict[str, object] = {"reason": reason, "pod": main.name if main else None}
    return JobStatus(JobState.FAILED, exit_code=code, message=message, metadata=metadata)


def _is_end_known(tracked: TrackedJob) -> bool:
    """Return whether it is known how the main pod ended."""
    main = tracked.main_pod
    return main is not None and main.end is not None


def _wait_for_pod_event(tracked: TrackedJob) -> None:
    """Wait briefly for the pod event if the job event arrived first."""
    deadline = time.monotonic() + _EVENT_GRACE_S
    while not _is_end_known(tracked) and time.monotonic() < deadline:
        time.sleep(_EVENT_GRACE_S / 50)


def _wait_for_condition(tracked: TrackedJob) -> None:
    """Wait briefly for the reason of the controller if the main pod was deleted.

    At the end of the walltime, the controller deletes the pod first.
    """
    deadline = time.monotonic() + _CONDITION_GRACE_S
    main = tracked.main_pod
    while (
        main is not None
        and main.end is POD_DELETED
        and not (tracked.failure or tracked.succeeded or tracked.cancelled)
        and time.monotonic() < deadline
    ):
        time.sleep(_CONDITION_GRACE_S / 50)


def _list_pods(tracked: TrackedJob, api: ApiClient) -> str:
    """List the pods of a job whose pod event has not arrived; return the error, if any."""
    for number in range(_ATTEMPTS):
        try:
            pods = api.pods_of(tracked.native_id)
        except ApiError as error:
            return f"cannot list its pods: {error}"
        with tracked.lock:
            for pod in pods:
                tracked.update_pod("MODIFIED", pod)
        main = tracked.main_pod
        if main is None or main.end is not None or not tracked.succeeded:
            break
        time.sleep(_DELAY_S * 2**number)
    return ""


def delete_job(api: ApiClient, native_id: NativeId, uid: str) -> None:
    """Delete a job and its dependents; after a failure it stays until its time to live expires."""
    try:
        api.delete(native_id, uid, "Background")
    except ApiError as error:
        logger.warning("cannot delete %s before its time to live expires: %s", native_id, error)


def is_expired(mpi_job: Object, now: datetime) -> bool:
    """Return whether the time to live of a finished MPIJob has expired at `now`.

    The MPI Operator applies it to the launcher's Job only and never deletes an MPIJob
    (https://github.com/kubeflow/mpi-operator/issues/644).
    """
    ended = mpi_job.get("status", {}).get("completionTime")
    ttl_s = mpi_job.get("spec", {}).get("runPolicy", {}).get("ttlSecondsAfterFinished")
    if ended is None or ttl_s is None or "deletionTimestamp" in mpi_job["metadata"]:
        return False
    return datetime.fromisoformat(ended) + timedelta(seconds=ttl_s) < now
