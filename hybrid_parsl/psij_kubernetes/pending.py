"""Find out why jobs do not start from events and node sizes, and enforce their maximum wait."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from hybrid_parsl.psij_kubernetes import diagnostics, names
from hybrid_parsl.psij_kubernetes.client import ApiError, object_path
from hybrid_parsl.psij_kubernetes.diagnostics import Patience, StartProblem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybrid_parsl.psij_kubernetes.client import ApiClient, Object
    from hybrid_parsl.psij_kubernetes.tracked_job import TrackedJob

logger = logging.getLogger(__name__)

_FIRST_CHECK_S = 2.0
_INTERVAL_S = 3.0
_CREATION_FAILURES = ("FailedCreate", "FailedCreatePod", "MPIJobFailed", "MPIJobResourceExists")
_WORKER_FAILURE = "worker pod created failed"  # as worded by the MPI Operator
_VALIDATION_FAILURE = "ValidationError"
_START_FAILURES = ("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "NetworkNotReady")
_PROGRESS = ("Pulling", "Pulled", "Created", "Started")
_SCALE_UP = ("TriggeredScaleUp", "Nominated")  # Cluster Autoscaler, Karpenter
_SECONDS_LENGTH = len("2026-01-01T00:00:00")
_INSUFFICIENT = "Insufficient"


class PendingJobs:
    """Diagnosis of pending jobs: one list of events per namespace, only if needed.

    Parameters
    ----------
    api
        Client of the cluster.
    """

    def __init__(self, api: ApiClient) -> None:
        self._api = api
        self._checked_at = 0.0
        self._can_list_nodes = True

    def check(self, jobs: Sequence[TrackedJob], now: float) -> None:
        """Set the problem of jobs whose pods do not report one.

        Parameters
        ----------
        jobs
            All tracked jobs.
        now
            Current time, on the clock of `time.monotonic`.
        """
        if now - self._checked_at < _INTERVAL_S:
            return
        unexplained = [each for each in jobs if _is_unexplained(each, now)]
        unfitting = [each for each in jobs if _may_never_fit(each)]
        if unexplained or unfitting:
            self._checked_at = now
        for namespace in {each.native_id.namespace for each in unexplained}:
            members = [each for each in unexplained if each.native_id.namespace == namespace]
            self._read_events(namespace, members)
        if unfitting and self._can_list_nodes:
            self._compare_with_nodes(unfitting)

    def _read_events(self, namespace: str, jobs: Sequence[TrackedJob]) -> None:
        """Set the problems of `jobs` from the warnings in their namespace."""
        events = self._events(namespace, "type=Warning")
        for tracked in jobs:
            problem = diagnostics.NOT_RECONCILED if tracked.is_unreconciled else None
            resolved = None
            for event in reversed(events):  # the last one counts
                if found := _problem_in(event, tracked):
                    if self._is_resolved(event, namespace):
                        resolved = found
                    else:
                        problem = found
                    break
            with tracked.lock:
                if problem is not None:
                    tracked.set_problem(problem)
                elif resolved is not None and tracked.problem == resolved:
                    tracked.set_problem(None)

    def _events(self, namespace: str, selector: str) -> list[Object]:
        """Return the events of a namespace that match `selector`, in order; empty on errors."""
        try:
            path = object_path("event", namespace)
            found = list(self._api.list_objects(path, {"fieldSelector": selector}))
        except ApiError as error:
            logger.info("events: %s", error)
            return []
        return sorted(found, key=_time_of)

    def _is_resolved(self, event: Object, namespace: str) -> bool:
        """Return whether the pod of a warning has made progress since."""
        if event.get("reason") not in _START_FAILURES:
            return False
        progress = self._events_of(event["involvedObject"]["name"], namespace, _PROGRESS)
        return any(_time_of(each) >= _time_of(event) for each in progress)

    def _events_of(self, pod: str, namespace: str, reasons: Sequence[str]) -> list[Object]:
        """Return the events of a pod with one of the `reasons`."""
        events = self._events(namespace, f"involvedObject.name={pod}")
        return [each for each in events if each.get("reason") in reasons]

    def _compare_with_nodes(self, jobs: Sequence[TrackedJob]) -> None:
        """Set the problem of those of `jobs` that request more than any node has.

        Skipped if the user may not list nodes, and for jobs that have triggered a scale-up.
        """
        try:
            nodes = self._api.request("GET", "api/v1/nodes").get("items") or []
        except ApiError as error:
            logger.info("cannot list nodes: %s", error)
            self._can_list_nodes = error.is_transient
            return
        for tracked in jobs:
            pod = next((each for each in tracked.pod_states if each.problem), None)
            if pod is None or tracked.problem is None:
                continue
            tracked.compared_with_nodes = True
            try:
                item = self._api.get(names.POD, tracked.native_id.namespace, pod.name)
            except ApiError:
                continue
            if nodes and not any(diagnostics.fits_node(item, node) for node in nodes):
                if self._events_of(pod.name, tracked.native_id.namespace, _SCALE_UP):
                    continue
                message = f"{tracked.problem.message}; no node is large enough"
                with tracked.lock:
                    tracked.never_fits = True
                    tracked.set_problem(
                        replace(tracked.problem, message=message, patience=Patience.LIMITED)
                    )


def _is_unexplained(tracked: TrackedJob, now: float) -> bool:
    """Return whether a job should have started and no pod reports why it has not."""
    if tracked.created_at is None or tracked.suspended or tracked.completing or tracked.is_running:
        return False
    if now - tracked.created_at < _FIRST_CHECK_S:
        return False
    return not any(pod.problem for pod in tracked.pod_states)


def _may_never_fit(tracked: TrackedJob) -> bool:
    """Return whether a job waits for resources that perhaps no node has."""
    problem = tracked.problem
    return (
        problem is not None
        and not tracked.compared_with_nodes
        and problem.patience is Patience.UNLIMITED
        and _INSUFFICIENT in problem.message
    )


def _problem_in(event: Object, tracked: TrackedJob) -> StartProblem | None:
    """Return the problem of a job that `event` reports; None if it does not."""
    if not _concerns(event, tracked):
        return None
    reason, message = event.get("reason") or "", event.get("message") or ""
    if reason == _VALIDATION_FAILURE:
        return StartProblem(reason, message, Patience.NONE)
    if reason in _CREATION_FAILURES:
        if _WORKER_FAILURE in message:
            is_missing, demand = tracked.lacks_workers, tracked.worker_demand
        else:
            is_missing = tracked.main_pod is None and tracked.all_workers_running
            demand = tracked.demand
        return diagnostics.creation_problem(message, demand) if is_missing else None
    is_recent = _time_of(event) >= tracked.adopted_at[:_SECONDS_LENGTH]
    if reason in _START_FAILURES and tracked.pods and is_recent:
        return StartProblem(reason, message, Patience.LIMITED)
    return None


def _concerns(event: Object, tracked: TrackedJob) -> bool:
    """Return whether an event concerns a job or its pods, not an earlier job of its name."""
    subject = event.get("involvedObject") or {}
    subject_name, name = subject.get("name") or "", tracked.native_id.name
    if subject_name == name:
        return subject.get("uid") in (None, tracked.uid)
    is_later = (
        not _time_of(event) or _time_of(event) >= tracked.creation_timestamp[:_SECONDS_LENGTH]
    )
    return bool(subject_name.startswith(f"{name}-")) and is_later


def _time_of(event: Object) -> str:
    """Return the time of the last occurrence of an event (ISO 8601, seconds)."""
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")[:_SECONDS_LENGTH]


def overdue_problem(tracked: TrackedJob, now: datetime, longest_wait_s: int) -> StartProblem | None:
    """Return the problem of a job that has exceeded its maximum wait; None if it has not.

    The wait starts with the creation of the job in the cluster and includes time in a queue.

    Parameters
    ----------
    tracked
        The job.
    now
        Current time on the clock of the cluster.
    longest_wait_s
        Maximum wait in seconds.
    """
    started = tracked.completing or tracked.is_running or tracked.has_ended
    if not tracked.creation_timestamp or started:
        return None
    limit = timedelta(seconds=longest_wait_s)
    if now - datetime.fromisoformat(tracked.creation_timestamp) <= limit:
        return None
    cause = f"; {tracked.problem}" if tracked.problem else ""
    return StartProblem("WaitedTooLong", f"it has not started in {limit}{cause}", Patience.NONE)
