"""Follows all jobs of an executor: takes in what the watches see, and tells how jobs fare.

However many jobs there are, there is one thread for each kind of object, one that looks at the
clock, and a few for logs and deletions; they end when there is nothing to follow.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from psij import JobState, JobStatus, SubmitException

from hybrid_parsl.psij_kubernetes import names, waiting
from hybrid_parsl.psij_kubernetes.ending import JobEnds
from hybrid_parsl.psij_kubernetes.explain import Patience
from hybrid_parsl.psij_kubernetes.live_logs import LiveLogs
from hybrid_parsl.psij_kubernetes.removal import Removal
from hybrid_parsl.psij_kubernetes.stuck import StuckJobs
from hybrid_parsl.psij_kubernetes.telling import Teller
from hybrid_parsl.psij_kubernetes.watch import Watch
from hybrid_parsl.psij_kubernetes.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from psij import Job

    from hybrid_parsl.psij_kubernetes.api import Api
    from hybrid_parsl.psij_kubernetes.config import KubernetesExecutorConfig
    from hybrid_parsl.psij_kubernetes.tracking import TrackedJob

logger = logging.getLogger(__name__)

_TICK_S = 0.5
_LINGER_S = 30.0


class JobFollower:
    """The jobs that are followed.

    Parameters
    ----------
    api
        The cluster.
    config
        How patient to be, and what to keep.
    report
        Called with a job and its new status, on any thread, in the order of the states.
    """

    def __init__(
        self, api: Api, config: KubernetesExecutorConfig, report: Callable[[Job, JobStatus], None]
    ) -> None:
        self._api = api
        self._config = config
        self._teller = Teller(report)
        self._jobs: dict[tuple[str, str], list[TrackedJob]] = {}
        self._lock = threading.Lock()
        self._watches: dict[tuple[str, str], Watch] = {}
        self._starting = threading.Lock()
        self._workers = Workers(config.n_threads)
        self._removal = Removal(api, self._workers)
        self._ends = JobEnds(api, config, self._workers, self._removal, self._teller, self)
        self._stuck = StuckJobs(api)
        self._live = LiveLogs(api, self._workers, config)
        self._clock: threading.Thread | None = None
        self._closed = threading.Event()

    def follow(self, tracked: TrackedJob) -> None:
        """Follow a job from now on.

        Raises
        ------
        ApiError
            Its kind cannot be watched.
        SubmitException
            The executor has been closed.
        """
        native_id = tracked.native_id
        with self._lock:
            self._jobs.setdefault((native_id.namespace, native_id.name), []).append(tracked)
        with self._starting:
            try:
                self._check_open()
                for kind in (native_id.kind, names.POD):
                    self._watch(native_id.namespace, kind)
            except BaseException:
                self.forget(tracked)
                raise
            if self._clock is None:
                self._clock = threading.Thread(
                    target=self._look_at_clock, name="psij-kubernetes clock", daemon=True
                )
                self._clock.start()

    def _check_open(self) -> None:
        """Refuse to follow anything when nobody is there any more to do it.

        Raises
        ------
        SubmitException
            The executor has been closed.
        """
        if self._closed.is_set():
            message = "The executor has been closed"
            raise SubmitException(message, transient=False)

    def forget(self, tracked: TrackedJob) -> None:
        """Follow a job no more."""
        key = (tracked.native_id.namespace, tracked.native_id.name)
        with self._lock:
            left = [each for each in self._jobs.pop(key, []) if each is not tracked]
            if left:
                self._jobs[key] = left

    def is_shared(self, tracked: TrackedJob) -> bool:
        """Return whether another job of PSI/J's that is followed is the same one of the cluster."""
        followed = self._jobs.get((tracked.native_id.namespace, tracked.native_id.name), ())
        return any(each.uid == tracked.uid for each in tuple(followed) if each is not tracked)

    def find(self, job: Job) -> TrackedJob | None:
        """Return what is known of `job` if it is followed."""
        return next((each for each in self._all() if each.job is job), None)

    def _all(self) -> list[TrackedJob]:
        """Return all jobs; one of the cluster may be there for several of PSI/J's."""
        with self._lock:
            return [tracked for several in self._jobs.values() for tracked in several]

    def created(
        self, tracked: TrackedJob, thing: dict[str, Any], pods: Iterable[dict[str, Any]] = ()
    ) -> None:
        """Hear that a job is in the cluster, and take in what was seen since it is followed.

        Parameters
        ----------
        tracked
            The job.
        thing, pods
            The job and its pods as they were then.
        """
        with self._teller.changing(tracked):
            tracked.be_there(thing)
            early, tracked.early = tracked.early, {}
            tracked.untold.append(JobStatus(JobState.QUEUED))
            seen = [(names.POD, "ADDED", pod) for pod in pods]
            seen.append((tracked.native_id.kind, "ADDED", thing))
            seen += [(kind, event, each) for (kind, _), (event, each) in early.items()]
            for kind, event, each in seen:
                was_earlier = event == "DELETED" and kind == names.POD  # another job's pod
                if tracked.is_its_own(each) and not was_earlier:
                    self._take(tracked, kind, event, each)

    def not_canceled(self, tracked: TrackedJob) -> None:
        """Hear that a job could not be cancelled after all, and do what it asks for by now."""
        with self._teller.changing(tracked):
            tracked.canceled = False
            if not tracked.finishing:
                self._judge(tracked)

    def changed(self, kind: str, event: str, thing: dict[str, Any]) -> None:
        """Take in what a watch has seen."""
        metadata = thing["metadata"]
        is_pod = kind == names.POD
        name = metadata.get("labels", {}).get(names.JOB_LABEL) if is_pod else metadata["name"]
        followed = tuple(self._jobs.get((metadata["namespace"], name), ()))
        if kind == names.MPI_JOB and not followed:
            self._removal.sweep(thing)
        for tracked in followed:
            with self._teller.changing(tracked):
                if not is_pod and tracked.native_id.kind != kind:
                    continue
                if tracked.uid is None:
                    tracked.early[kind, metadata["name"]] = (event, thing)
                elif tracked.is_its_own(thing):
                    self._take(tracked, kind, event, thing)

    def listed(self, kind: str, namespace: str, found: Mapping[str, str], asked: float) -> None:
        """Take in all that there is: a job that was there before and is not, is gone."""
        for tracked in self._all():
            native_id = tracked.native_id
            if native_id.namespace != namespace:
                continue
            with self._teller.changing(tracked):
                if kind == names.POD:
                    for pod in tracked.pods.values():
                        pod.is_deleted |= pod.name not in found
                elif (
                    native_id.kind == kind
                    and asked > (tracked.created or asked)
                    and found.get(native_id.name) != tracked.uid
                ):
                    self._ends.gone(tracked, was_seen=False)

    def gone(self, tracked: TrackedJob) -> None:
        """Hear that a job is not in the cluster any more."""
        with self._teller.changing(tracked):
            self._ends.gone(tracked, was_seen=True)

    def close(self) -> None:
        """Follow nothing more, and end all threads."""
        self._closed.set()
        with self._starting:
            watches, self._watches = list(self._watches.values()), {}
        for watch in watches:
            watch.stop()
        self._workers.close()
        if self._clock is not None:
            self._clock.join(timeout=5)

    def _watch(self, namespace: str, kind: str) -> None:
        """See to it that one kind of objects is watched.

        Raises
        ------
        ApiError
            It cannot be.
        """
        if (namespace, kind) not in self._watches:
            watch = Watch(self._api, kind, namespace, self, self._config.silence_s)
            watch.start()
            self._watches[namespace, kind] = watch

    def _take(self, tracked: TrackedJob, kind: str, event: str, thing: dict[str, Any]) -> None:
        """Take in what was seen of a job; its lock is held."""
        if kind == names.POD:
            tracked.see_pod(event, thing)
        else:
            tracked.see_job(thing)
        if tracked.finishing:
            return
        if kind != names.POD and event == "DELETED" and not tracked.has_ended:
            self._ends.gone(tracked, was_seen=True)
        else:
            self._judge(tracked)

    def _judge(self, tracked: TrackedJob) -> None:
        """Do what the state of a job asks for; its lock is held."""
        if tracked.has_ended:
            self._ends.finish(tracked)
        elif tracked.is_running and not tracked.canceled:
            tracked.untold.append(JobStatus(JobState.ACTIVE))
        elif tracked.trouble and tracked.trouble.patience is Patience.NONE:
            self._ends.give_up(tracked)

    def _look_at_clock(self) -> None:
        """Give up jobs that cannot start, and rest when there is nothing to follow."""
        idle_since = time.monotonic()
        while not self._closed.wait(_TICK_S):
            jobs = self._all()
            now = time.monotonic()
            if jobs:
                idle_since = now
                self._look_at(jobs, now)
            elif now - idle_since > _LINGER_S and self._rest():
                return

    def _look_at(self, jobs: list[TrackedJob], now: float) -> None:
        """Give up jobs that have tried to start for too long."""
        self._live.look_at(jobs, now)
        try:
            self._stuck.look_at(jobs, now)
        except Exception:
            logger.exception("looking at jobs that do not start")
        clock = self._api.now()
        for tracked in jobs:
            options = self._config.options
            if tracked.job.spec is not None:
                options = options.for_job(tracked.job.spec)
            with self._teller.changing(tracked):
                if overdue := waiting.overdue(tracked, clock, options.longest_wait_s):
                    tracked.be_in(overdue)
                if tracked.cannot_start(now, self._config.start_patience_s):
                    self._ends.give_up(tracked)
                elif tracked.is_bereft(now):
                    self._ends.give_up_ranks(tracked)

    def _rest(self) -> bool:
        """End the watches if there is still nothing to follow; return whether that was so."""
        with self._starting:
            with self._lock:
                if self._jobs:
                    return False
            watches, self._watches = list(self._watches.values()), {}
            self._clock = None
        for watch in watches:
            watch.stop()
        return True
