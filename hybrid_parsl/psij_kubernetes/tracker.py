"""Track all jobs of an executor: process watch events and timeouts, and report statuses.

Regardless of the number of jobs there is one thread per kind of object and namespace, one timer
thread, and a small pool for logs and deletions. They stop when there are no jobs.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from psij import JobState, JobStatus, SubmitException

from hybrid_parsl.psij_kubernetes import names
from hybrid_parsl.psij_kubernetes.callbacks import StatusCallbacks
from hybrid_parsl.psij_kubernetes.completion import JobCompletion
from hybrid_parsl.psij_kubernetes.diagnostics import Patience
from hybrid_parsl.psij_kubernetes.live_logs import LiveLogs
from hybrid_parsl.psij_kubernetes.pending import PendingJobs, overdue_problem
from hybrid_parsl.psij_kubernetes.thread_pool import DaemonThreadPool
from hybrid_parsl.psij_kubernetes.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from psij import Job

    from hybrid_parsl.psij_kubernetes.client import ApiClient, Object
    from hybrid_parsl.psij_kubernetes.config import KubernetesExecutorConfig
    from hybrid_parsl.psij_kubernetes.tracked_job import TrackedJob

logger = logging.getLogger(__name__)

_TICK_S = 0.5
_IDLE_S = 30.0


class JobTracker:
    """The jobs that are tracked, and the threads that do it.

    Parameters
    ----------
    api
        Client of the cluster.
    config
        Timeouts, and which jobs to keep.
    report
        Called with a job and its new status, on any thread, in the order of the states.
    """

    def __init__(
        self,
        api: ApiClient,
        config: KubernetesExecutorConfig,
        report: Callable[[Job, JobStatus], None],
    ) -> None:
        self._api = api
        self._config = config
        self._callbacks = StatusCallbacks(report)
        self._jobs: dict[tuple[str, str], list[TrackedJob]] = {}
        self._lock = threading.Lock()
        self._watches: dict[tuple[str, str], Watch] = {}
        self._starting = threading.Lock()
        self._pool = DaemonThreadPool(config.n_threads)
        self._completion = JobCompletion(api, config, self._pool, self._callbacks, self)
        self._pending = PendingJobs(api)
        self._live_logs = LiveLogs(api, self._pool, config)
        self._timer: threading.Thread | None = None
        self._closed = threading.Event()

    def track(self, tracked: TrackedJob) -> None:
        """Start tracking a job.

        Raises
        ------
        ApiError
            If its kind of object cannot be watched.
        SubmitException
            If the executor has been closed.
        """
        native_id = tracked.native_id
        with self._lock:
            self._jobs.setdefault((native_id.namespace, native_id.name), []).append(tracked)
        with self._starting:
            try:
                self._check_open()
                for kind in (native_id.kind, names.POD):
                    self._start_watch(native_id.namespace, kind)
            except BaseException:
                self.forget(tracked)
                raise
            if self._timer is None:
                self._timer = threading.Thread(
                    target=self._run_timer, name="psij-kubernetes timer", daemon=True
                )
                self._timer.start()

    def _check_open(self) -> None:
        """Raise an error if the executor has been closed.

        Raises
        ------
        SubmitException
            If it has.
        """
        if self._closed.is_set():
            message = "The executor has been closed"
            raise SubmitException(message, transient=False)

    def forget(self, tracked: TrackedJob) -> None:
        """Stop tracking a job."""
        key = (tracked.native_id.namespace, tracked.native_id.name)
        with self._lock:
            others = [each for each in self._jobs.pop(key, []) if each is not tracked]
            if others:
                self._jobs[key] = others

    def is_shared(self, tracked: TrackedJob) -> bool:
        """Return whether another tracked `psij.Job` stands for the same cluster job."""
        namesakes = self._jobs.get((tracked.native_id.namespace, tracked.native_id.name), ())
        return any(each.uid == tracked.uid for each in tuple(namesakes) if each is not tracked)

    def find(self, job: Job) -> TrackedJob | None:
        """Return the tracked state of `job`; None if it is not tracked."""
        return next((each for each in self._all() if each.job is job), None)

    def _all(self) -> list[TrackedJob]:
        """Return all tracked jobs; several may stand for one cluster job."""
        with self._lock:
            return [tracked for several in self._jobs.values() for tracked in several]

    def on_created(self, tracked: TrackedJob, item: Object, pods: Iterable[Object] = ()) -> None:
        """Record that a job exists and process the events received since tracking began.

        Parameters
        ----------
        tracked
            The job.
        item, pods
            The Job or MPIJob and its pods when it was created or read.
        """
        with self._callbacks.locked(tracked):
            tracked.mark_created(item)
            early, tracked.early_events = tracked.early_events, {}
            tracked.unreported.append(JobStatus(JobState.QUEUED))
            events = [(names.POD, "ADDED", pod) for pod in pods]
            events.append((tracked.native_id.kind, "ADDED", item))
            events += [(kind, event, each) for (kind, _), (event, each) in early.items()]
            for kind, event, each in events:
                is_old_pod = event == "DELETED" and kind == names.POD  # of an earlier job
                if tracked.owns(each) and not is_old_pod:
                    self._apply(tracked, kind, event, each)

    def on_cancel_failed(self, tracked: TrackedJob) -> None:
        """Resume normal processing of a job that could not be cancelled."""
        with self._callbacks.locked(tracked):
            tracked.cancelled = False
            if not tracked.completing:
                self._react(tracked)

    def on_event(self, kind: str, event: str, item: Object) -> None:
        """Process an event of a watch."""
        metadata = item["metadata"]
        is_pod = kind == names.POD
        name = metadata.get("labels", {}).get(names.JOB_LABEL) if is_pod else metadata["name"]
        jobs = tuple(self._jobs.get((metadata["namespace"], name), ()))
        if kind == names.MPI_JOB and not jobs:
            self._completion.delete_expired(item)
        for tracked in jobs:
            with self._callbacks.locked(tracked):
                if not is_pod and tracked.native_id.kind != kind:
                    continue
                if tracked.uid is None:
                    tracked.early_events[kind, metadata["name"]] = (event, item)
                elif tracked.owns(item):
                    self._apply(tracked, kind, event, item)

    def on_list(
        self, kind: str, namespace: str, uids: Mapping[str, str], requested_at: float
    ) -> None:
        """Process a complete list: jobs and pods that it does not contain were deleted."""
        for tracked in self._all():
            native_id = tracked.native_id
            if native_id.namespace != namespace:
                continue
            with self._callbacks.locked(tracked):
                if kind == names.POD:
                    for pod in tracked.pods.values():
                        pod.is_deleted |= pod.name not in uids
                elif (
                    native_id.kind == kind
                    and requested_at > (tracked.created_at or requested_at)
                    and uids.get(native_id.name) != tracked.uid
                ):
                    self._completion.complete_deleted(tracked, was_observed=False)

    def on_deleted(self, tracked: TrackedJob) -> None:
        """Complete a job that no longer exists in the cluster."""
        with self._callbacks.locked(tracked):
            self._completion.complete_deleted(tracked, was_observed=True)

    def close(self) -> None:
        """Stop tracking and stop all threads."""
        self._closed.set()
        with self._starting:
            watches, self._watches = list(self._watches.values()), {}
        for watch in watches:
            watch.stop()
        self._pool.close()
        if self._timer is not None:
            self._timer.join(timeout=5)

    def _start_watch(self, namespace: str, kind: str) -> None:
        """Watch one kind of objects unless it is being watched.

        Raises
        ------
        ApiError
            If it cannot be watched.
        """
        if (namespace, kind) not in self._watches:
            watch = Watch(self._api, kind, namespace, self, self._config.silence_s)
            watch.start()
            self._watches[namespace, kind] = watch

    def _apply(self, tracked: TrackedJob, kind: str, event: str, item: Object) -> None:
        """Apply an event to a job; the caller holds its lock."""
        if kind == names.POD:
            tracked.update_pod(event, item)
        else:
            tracked.update_job(item)
        if tracked.completing:
            return
        if kind != names.POD and event == "DELETED" and not tracked.has_ended:
            self._completion.complete_deleted(tracked, was_observed=True)
        else:
            self._react(tracked)

    def _react(self, tracked: TrackedJob) -> None:
        """React to the state of a job; the caller holds its lock."""
        if tracked.has_ended:
            self._completion.complete(tracked)
        elif tracked.is_running and not tracked.cancelled:
            tracked.unreported.append(JobStatus(JobState.ACTIVE))
        elif tracked.problem and tracked.problem.patience is Patience.NONE:
            self._completion.fail_start(tracked)

    def _run_timer(self) -> None:
        """Check all jobs periodically; stop the threads after a period without jobs."""
        idle_since = time.monotonic()
        while not self._closed.wait(_TICK_S):
            jobs = self._all()
            now = time.monotonic()
            if jobs:
                idle_since = now
                self._check_jobs(jobs, now)
            elif now - idle_since > _IDLE_S and self._stop_if_idle():
                return

    def _check_jobs(self, jobs: list[TrackedJob], now: float) -> None:
        """Fetch live logs, diagnose pending jobs and enforce timeouts."""
        self._live_logs.poll(jobs, now)
        try:
            self._pending.check(jobs, now)
        except Exception:
            logger.exception("diagnosis of pending jobs")
        server_time = self._api.now()
        for tracked in jobs:
            options = self._config.options
            if tracked.job.spec is not None:
                options = options.for_job(tracked.job.spec)
            with self._callbacks.locked(tracked):
                if problem := overdue_problem(tracked, server_time, options.longest_wait_s):
                    tracked.set_problem(problem)
                if tracked.cannot_start(now, self._config.start_patience_s):
                    self._completion.fail_start(tracked)
                elif tracked.missed_worker_loss(now):
                    self._completion.fail_ranks(tracked)

    def _stop_if_idle(self) -> bool:
        """Stop the watches if there are still no jobs; return whether that was the case."""
        with self._starting:
            with self._lock:
                if self._jobs:
                    return False
            watches, self._watches = list(self._watches.values()), {}
            self._timer = None
        for watch in watches:
            watch.stop()
        return True
