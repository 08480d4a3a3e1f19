"""Finds out why jobs do not start where their pods cannot say: from events, and from the nodes."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hybrid_parsl.psij_kubernetes import amounts, explain, names
from hybrid_parsl.psij_kubernetes.answers import ApiError
from hybrid_parsl.psij_kubernetes.api import path
from hybrid_parsl.psij_kubernetes.explain import Patience, Trouble

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybrid_parsl.psij_kubernetes.api import Api
    from hybrid_parsl.psij_kubernetes.tracking import TrackedJob

logger = logging.getLogger(__name__)

_FIRST_S = 2.0
_EVERY_S = 3.0
_NOT_CREATED = ("FailedCreate", "FailedCreatePod", "MPIJobFailed", "MPIJobResourceExists")
_NO_WORKER = "worker pod created failed"  # the MPI Operator's own words
_INVALID = "ValidationError"
_NOT_STARTED = ("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "NetworkNotReady")
_GOES_ON = ("Pulling", "Pulled", "Created", "Started")
_GROWS = ("TriggeredScaleUp", "Nominated")  # of the Cluster Autoscaler and of Karpenter
_TO_SECONDS = len("2026-01-01T00:00:00")
_INSUFFICIENT = "Insufficient"


class StuckJobs:
    """Asks for all jobs of a namespace at once, every few seconds, and only if any is stuck.

    Parameters
    ----------
    api
        The cluster.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._asked = 0.0
        self._sees_nodes = True

    def look_at(self, jobs: Sequence[TrackedJob], now: float) -> None:
        """Note what keeps those of `jobs` from starting that say nothing themselves.

        Parameters
        ----------
        jobs
            All jobs that are followed.
        now
            The time, on the clock of `time.monotonic`.
        """
        if now - self._asked < _EVERY_S:
            return
        stuck = [each for each in jobs if _is_stuck(each, now)]
        crowded = [each for each in jobs if _may_never_fit(each)]
        if stuck or crowded:
            self._asked = now
        for namespace in {each.native_id.namespace for each in stuck}:
            of_it = [each for each in stuck if each.native_id.namespace == namespace]
            self._read_events(namespace, of_it)
        if crowded and self._sees_nodes:
            self._compare_with_nodes(crowded)

    def _read_events(self, namespace: str, jobs: Sequence[TrackedJob]) -> None:
        """Note what the warnings in a namespace say about `jobs`."""
        events = self._events(namespace, "type=Warning")
        for tracked in jobs:
            trouble = explain.IGNORED if tracked.is_ignored else None
            passed = None
            for event in reversed(events):  # the last counts
                if told := _trouble_in(event, tracked):
                    if self._has_passed(event, namespace):
                        passed = told
                    else:
                        trouble = told
                    break
            with tracked.lock:
                if trouble is not None:
                    tracked.be_in(trouble)
                elif passed is not None and tracked.trouble == passed:
                    tracked.be_in(None)

    def _events(self, namespace: str, selector: str) -> list[dict[str, Any]]:
        """Return the events of a namespace that `selector` takes, in order; none if unknown."""
        try:
            found = list(self._api.items(path("event", namespace), {"fieldSelector": selector}))
        except ApiError as error:
            logger.info("events: %s", error)
            return []
        return sorted(found, key=_time_of)

    def _has_passed(self, event: dict[str, Any], namespace: str) -> bool:
        """Return whether the pod that a warning is about has gone on since."""
        if event.get("reason") not in _NOT_STARTED:
            return False
        told = self._told_of(event["involvedObject"]["name"], namespace, _GOES_ON)
        return any(_time_of(each) >= _time_of(event) for each in told)

    def _told_of(self, pod: str, namespace: str, reasons: Sequence[str]) -> list[dict[str, Any]]:
        """Return the events of a pod that have one of the `reasons`."""
        events = self._events(namespace, f"involvedObject.name={pod}")
        return [each for each in events if each.get("reason") in reasons]

    def _compare_with_nodes(self, jobs: Sequence[TrackedJob]) -> None:
        """Note which of `jobs` ask for more than any node has.

        Not every user may see the nodes; then such a job is waited for like others, as is one for
        which the cluster is about to get another node.
        """
        try:
            nodes = self._api.call("GET", "api/v1/nodes").get("items") or []
        except ApiError as error:
            logger.info("nodes cannot be seen: %s", error)
            self._sees_nodes = error.is_transient
            return
        for tracked in jobs:
            pod = next((each for each in tracked.seen_pods if each.trouble), None)
            if pod is None or tracked.trouble is None:
                continue
            tracked.compared = True
            try:
                thing = self._api.read(names.POD, tracked.native_id.namespace, pod.name)
            except ApiError:
                continue
            if nodes and not any(amounts.fits(thing, node) for node in nodes):
                if self._told_of(pod.name, tracked.native_id.namespace, _GROWS):
                    continue
                words = f"{tracked.trouble.message}; no node is large enough"
                with tracked.lock:
                    tracked.never_fits = True
                    tracked.be_in(replace(tracked.trouble, message=words, patience=Patience.SOME))


def _is_stuck(tracked: TrackedJob, now: float) -> bool:
    """Return whether a job should have begun and nothing says why it has not."""
    if tracked.created is None or tracked.suspended or tracked.finishing or tracked.is_running:
        return False
    if now - tracked.created < _FIRST_S:
        return False
    return not any(pod.trouble for pod in tracked.seen_pods)


def _may_never_fit(tracked: TrackedJob) -> bool:
    """Return whether a job waits for room, and it is not known whether there can be enough."""
    trouble = tracked.trouble
    return (
        trouble is not None
        and not tracked.compared
        and trouble.patience is Patience.ANY
        and _INSUFFICIENT in trouble.message
    )


def _trouble_in(event: dict[str, Any], tracked: TrackedJob) -> Trouble | None:
    """Return what `event` says about a job; None if it is about something else."""
    if not _is_about(event, tracked):
        return None
    reason, message = event.get("reason") or "", event.get("message") or ""
    if reason == _INVALID:
        return Trouble(reason, message, Patience.NONE)
    if reason in _NOT_CREATED:
        if _NO_WORKER in message:
            lacks_it, demand = tracked.lacks_worker, tracked.worker_demand
        else:
            lacks_it, demand = tracked.main_pod is None and tracked.workers_run, tracked.demand
        return explain.not_created(message, demand) if lacks_it else None
    if reason in _NOT_STARTED and tracked.pods:
        return Trouble(reason, message, Patience.SOME)
    return None


def _is_about(event: dict[str, Any], tracked: TrackedJob) -> bool:
    """Return whether an event is about a job or a part of it, and not about an earlier one."""
    thing = event.get("involvedObject") or {}
    about, name = thing.get("name") or "", tracked.native_id.name
    if about == name:
        return thing.get("uid") in (None, tracked.uid)
    is_later = not _time_of(event) or _time_of(event) >= tracked.born[:_TO_SECONDS]
    return bool(about.startswith(f"{name}-")) and is_later


def _time_of(event: dict[str, Any]) -> str:
    """Return the second in which an event was last seen, as text that sorts."""
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")[:_TO_SECONDS]
