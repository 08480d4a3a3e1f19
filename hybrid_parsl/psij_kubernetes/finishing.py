"""How a job ended: its exit code, why it failed, and what its log holds."""

from __future__ import annotations

import logging
import re
import time
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from psij import JobState, JobStatus

from hybrid_parsl.psij_kubernetes import names
from hybrid_parsl.psij_kubernetes.answers import ApiError, Pauses
from hybrid_parsl.psij_kubernetes.api import path
from hybrid_parsl.psij_kubernetes.manifests import is_pattern
from hybrid_parsl.psij_kubernetes.records import LogReader

if TYPE_CHECKING:
    from hybrid_parsl.psij_kubernetes.api import Api
    from hybrid_parsl.psij_kubernetes.manifests import Collection
    from hybrid_parsl.psij_kubernetes.pod_state import PodState
    from hybrid_parsl.psij_kubernetes.records import LogReport
    from hybrid_parsl.psij_kubernetes.tracking import TrackedJob

logger = logging.getLogger(__name__)

INCOMPLETE = "LogIncomplete"
"""The reason of a job whose command succeeded, and of whose results something is lost."""
UNREADABLE = "LogUnreadable"
"""The reason of one whose results may still be read another time."""
_GONE = 410
_LOST = (400, 404, _GONE)
"""What the API server answers when there is no such pod, or no log of it."""
# what a kubelet sends in place of a log that it does not find, as if it were the log
_NO_LOG = re.compile(
    rb"(unable to retrieve container logs for |failed to try resolving symlinks in path )[^\n]*\n?"
)
_PIECE = 65_536
_TRIES = 3
_PAUSE_S = 0.3
_GRACE_S = 1.0
_TAIL_PATIENCE_S = 3.0


class FetchedLog(NamedTuple):
    """What came of fetching a log.

    Attributes
    ----------
    report
        What it told; None if it could not be read.
    tail
        Its last lines.
    fault
        What is missing, or why it could not be read.
    may_come
        Whether it may be read another time.
    """

    report: LogReport | None
    tail: list[str]
    fault: str
    may_come: bool = False


def final_status(tracked: TrackedJob, api: Api) -> JobStatus:
    """Return the final status of a job that has ended, when its files are where they belong.

    Parameters
    ----------
    tracked
        The job.
    api
        The cluster.
    """
    if tracked.succeeded and tracked.collection.is_empty:
        return JobStatus(JobState.COMPLETED, exit_code=0)
    _wait_for_pod(tracked)
    unknown = "" if _knows_end(tracked) else _look_again(tracked, api)
    main = tracked.main_pod
    end = main.end if main else None
    succeeded = tracked.succeeded or (end is not None and end.exit_code == 0 and not end.reason)
    wanted = not tracked.collection.is_empty or not succeeded
    log = FetchedLog(None, [], unknown or "its pod is gone", may_come=bool(unknown))
    if main is not None and wanted:
        patience_s = api.retry_s if succeeded else _TAIL_PATIENCE_S
        where = (tracked.native_id.namespace, main.name)
        with tracked.log_lock:
            log = fetch_log(api, *where, tracked.collection, patience_s)
    code = end.exit_code if end else None
    if not succeeded:
        return _failed(code, _cause(tracked, main), log.tail, main)
    if tracked.collection.is_empty:
        return JobStatus(JobState.COMPLETED, exit_code=0)
    missing, remark = _missing(tracked.collection, log)
    if missing:
        reason = UNREADABLE if log.may_come else INCOMPLETE
        return _failed(0, f"{reason}: {missing}", log.tail, main)
    return JobStatus(JobState.COMPLETED, exit_code=0, message=remark or None)


def gone_status(tracked: TrackedJob, *, was_seen: bool) -> JobStatus:
    """Return the final status of a job that is not in the cluster any more.

    Parameters
    ----------
    tracked
        The job.
    was_seen
        Whether it was seen to be deleted, and not only missed.
    """
    if tracked.canceled:
        return JobStatus(JobState.CANCELED)
    if was_seen:
        return JobStatus(JobState.CANCELED, message="Deleted: somebody else deleted the job")
    message = (
        f"Gone: there is no {tracked.native_id} any more; it was deleted, or its time to live has "
        "passed, and how it ended is not known"
    )
    return JobStatus(JobState.FAILED, message=message)


def troubled_status(tracked: TrackedJob) -> JobStatus:
    """Return the final status of a job that cannot start."""
    reason = tracked.trouble.reason if tracked.trouble else ""
    return JobStatus(JobState.FAILED, message=str(tracked.trouble), metadata={"reason": reason})


def bereft_status(tracked: TrackedJob, api: Api) -> JobStatus:
    """Return the final status of a job whose launcher runs on without one of its workers."""
    main = tracked.main_pod
    log = FetchedLog(None, [], "")
    if main is not None:
        where = (tracked.native_id.namespace, main.name)
        with tracked.log_lock:
            log = fetch_log(api, *where, tracked.collection)
    return _failed(None, tracked.cause_in_workers() or "", log.tail, main)


def fetch_log(
    api: Api, namespace: str, pod: str, collection: Collection, patience_s: float = 0.0
) -> FetchedLog:
    """Write what is wanted of the log of `pod` to its places.

    A log that is not whole is read again a few times: a node may be late with its end.

    Parameters
    ----------
    api
        The cluster.
    namespace, pod
        Whose log.
    collection
        What is wanted of it.
    patience_s
        Seconds for which it is tried again while it cannot be read; not at all if 0.
    """
    where = path(names.POD, namespace, pod, "log")
    found = FetchedLog(None, [], "")
    deadline, pauses = time.monotonic() + patience_s, Pauses()
    n_tries = 0
    while True:
        try:
            report, tail = _read_log(api, where, collection)
        except ApiError as error:
            fault = f"the log cannot be read: {error}"
            pause = error.retry_after_s or pauses.next()
            if not error.is_transient or time.monotonic() + pause > deadline:
                return found._replace(fault=fault, may_come=error.status not in _LOST)
        except OSError as error:
            fault = f"cannot write {error.filename}: {error.strerror or error}"
            return found._replace(fault=fault, may_come=True)
        else:
            found = FetchedLog(report, tail, "; ".join(report.faults))
            n_tries += 1
            pause = _PAUSE_S * 2**n_tries
            is_whole = report.files_are_whole and report.streams_are_whole
            if is_whole or n_tries == _TRIES or time.monotonic() + pause > deadline:
                return found
        time.sleep(pause)


def _read_log(api: Api, where: str, collection: Collection) -> tuple[LogReport, list[str]]:
    """Read a log once.

    Raises
    ------
    ApiError
        It cannot be read to its end.
    OSError
        What is wanted cannot be written.
    """
    import urllib3

    response = api.open("GET", where, {"container": names.CONTAINER})
    try:
        pieces = response.stream(_PIECE)
        first = next(pieces, b"")
        if _NO_LOG.fullmatch(first):
            raise ApiError(_GONE, "its node does not have it any more")
        with LogReader(collection) as reader:
            for piece in chain([first], pieces):
                reader.feed(piece)
            return reader.finish(), reader.tail()
    except urllib3.exceptions.HTTPError as error:
        message = f"the connection broke: {error}"
        raise ApiError(0, message) from error
    finally:
        response.close()  # one that was not read to its end can serve no other call


def _missing(collection: Collection, log: FetchedLog) -> tuple[str, str]:
    """Return what is missing of a log that ended well, and else what is worth a remark."""
    report = log.report
    if report is None:
        return log.fault, ""
    if collection.outputs and not report.files_are_whole:
        return "; ".join(report.faults), ""
    absent = [name for name in collection.outputs if not (is_pattern(name) or name in report.files)]
    if absent:
        return f"the job left no file {', '.join(absent)}", ""
    if (collection.stdout or collection.stderr) and not report.streams_are_whole:
        words = "the beginning of its output is missing: the node has rotated the log"
        return ("", words) if collection.outputs else (words, "")
    return "", ""


def _cause(tracked: TrackedJob, main: PodState | None) -> str:
    """Return why a job failed, in one line; empty if its command just ended with an exit code."""
    limit = tracked.job.spec.attributes.duration if tracked.job.spec else None
    reason, said = tracked.failure or ("", "")
    end = main.end if main else None
    if "DeadlineExceeded" in (reason, end.reason if end else ""):
        over = f" of {int(limit.total_seconds())} s" if limit else ""
        return f"DeadlineExceeded: the walltime{over} is over"
    if cause := tracked.cause_in_workers():
        return cause
    if end is not None:
        return end.message
    if tracked.trouble:
        return str(tracked.trouble)
    if main is not None and main.is_deleted:
        return "PodDeleted: its pod was deleted while it ran"
    return f"{reason}: {said}" if said else reason or "Failed: its pod is gone"


def _failed(code: int | None, cause: str, tail: list[str], main: PodState | None) -> JobStatus:
    """Return the status of a job that failed; the last lines of its log come below the cause."""
    head = cause or (f"exit code {code}" if code is not None else "it failed")
    message = "\n".join([head, *(f"| {line}" for line in tail)])
    reason = cause.partition(":")[0]
    metadata: dict[str, object] = {"reason": reason, "pod": main.name if main else None}
    return JobStatus(JobState.FAILED, exit_code=code, message=message, metadata=metadata)


def _knows_end(tracked: TrackedJob) -> bool:
    """Return whether it is known how the pod of a job ended."""
    main = tracked.main_pod
    return main is not None and main.end is not None


def _wait_for_pod(tracked: TrackedJob) -> None:
    """Give the watch of pods a moment to tell what the watch of jobs has told already."""
    deadline = time.monotonic() + _GRACE_S
    while not _knows_end(tracked) and time.monotonic() < deadline:
        time.sleep(_GRACE_S / 50)


def _look_again(tracked: TrackedJob, api: Api) -> str:
    """Ask for the pods of a job whose end the watch of pods has not told yet.

    Returns why they are not known; nothing if they are.
    """
    for number in range(_TRIES):
        try:
            things = api.pods_of(tracked.native_id)
        except ApiError as error:
            return f"its pods cannot be listed: {error}"
        with tracked.lock:
            for thing in things:
                tracked.see_pod("MODIFIED", thing)
        main = tracked.main_pod
        if main is None or main.end is not None or not tracked.succeeded:
            break
        time.sleep(_PAUSE_S * 2**number)
    return ""
