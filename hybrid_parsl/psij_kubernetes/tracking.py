"""What is known of a job while it is followed, put together from what the watches tell."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hybrid_parsl.psij_kubernetes import amounts, explain, names
from hybrid_parsl.psij_kubernetes.explain import Patience
from hybrid_parsl.psij_kubernetes.pod_state import PodState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psij import Job, JobStatus

    from hybrid_parsl.psij_kubernetes.explain import Trouble
    from hybrid_parsl.psij_kubernetes.manifests import Collection
    from hybrid_parsl.psij_kubernetes.names import NativeId

_SUCCEEDED = ("Complete", "SuccessCriteriaMet", "Succeeded")
_FAILED = ("Failed", "FailureTarget")
_NOTICE_S = 5.0
"""How long a launcher has to notice that a worker is gone; often it never does."""


@dataclass(eq=False)
class TrackedJob:
    """A job that is followed.

    Attributes
    ----------
    native_id, job, collection
        Which one it is, and what is wanted of its log.
    created
        When it was there for certain, on the clock of `time.monotonic`; None before that.
    uid
        Which object of its name it is; None until that is known.
    early
        What was seen before that: the last event of each object, by its kind and name.
    canceled
        Whether we have canceled it.
    suspended
        Whether it waits in a queue.
    withdrawn
        Names of pods whose place a queue has taken back; others take up the job later.
    finishing
        Whether its end is being told.
    untold
        Its statuses that nobody has been told yet, in order.
    is_telling
        Whether a thread tells one of them.
    pods
        Its pods, by name.
    succeeded
        Whether its controller says that it has.
    failure
        Reason and message of its controller if it says that it has failed.
    trouble, troubled_since
        What keeps its pods from starting, and since when.
    lost_worker, lost_since
        The first worker that was taken away while the ranks ran, and when.
    compared, never_fits
        Whether its pods were compared with the nodes, and whether all nodes are too small.
    is_taken_up
        Whether its controller has said anything about it.
    n_workers
        Workers that it should have.
    demand, worker_demand
        What all of its pods, and what its workers, ask for together.
    born
        When the cluster made it, as text that sorts.
    next_look
        When its log may be fetched while it runs, on the clock of `time.monotonic`.
    log_lock
        Held while its log is written to its files.
    lock
        Held while its state changes.
    """

    native_id: NativeId
    job: Job
    collection: Collection
    created: float | None = None
    uid: str | None = None
    early: dict[tuple[str, str], tuple[str, dict[str, Any]]] = field(default_factory=dict)
    canceled: bool = False
    suspended: bool = False
    withdrawn: set[str] = field(default_factory=set)
    finishing: bool = False
    untold: deque[JobStatus] = field(default_factory=deque)
    is_telling: bool = False
    pods: dict[str, PodState] = field(default_factory=dict)
    succeeded: bool = False
    failure: tuple[str, str] | None = None
    trouble: Trouble | None = None
    troubled_since: float = 0.0
    lost_worker: str | None = None
    lost_since: float = 0.0
    compared: bool = False
    never_fits: bool = False
    is_taken_up: bool = False
    n_workers: int = 0
    demand: Mapping[str, float] = field(default_factory=dict)
    worker_demand: Mapping[str, float] = field(default_factory=dict)
    born: str = ""
    next_look: float = 0.0
    log_lock: Any = field(default_factory=threading.Lock)
    lock: Any = field(default_factory=threading.RLock)

    @property
    def seen_pods(self) -> list[PodState]:
        """Its pods as they are now: a watch may add to `pods` meanwhile."""
        return list(self.pods.values())

    @property
    def main_pod(self) -> PodState | None:
        """The pod whose end is the job's: the first that has ended, else the newest."""
        mains = [pod for pod in self.seen_pods if pod.role != names.WORKER]
        return next((pod for pod in mains if pod.end), mains[-1] if mains else None)

    @property
    def is_ignored(self) -> bool:
        """Whether it is an MPIJob that its operator has not taken up."""
        return self.native_id.kind == names.MPI_JOB and not (self.is_taken_up or self.pods)

    @property
    def lacks_worker(self) -> bool:
        """Whether not all of its workers have been made."""
        roles = [pod.role for pod in self.seen_pods if not pod.is_deleted]
        return roles.count(names.WORKER) < self.n_workers

    @property
    def workers_run(self) -> bool:
        """Whether all of its workers run: the launcher is not made before."""
        workers = [each for each in self.seen_pods if each.role == names.WORKER]
        return sum(each.running for each in workers) >= self.n_workers

    @property
    def may_run_again(self) -> bool:
        """Whether its controller may start another pod in place of one that was taken away."""
        main = self.main_pod
        return main is not None and main.is_deleted and not self.failure and not self.succeeded

    @property
    def is_running(self) -> bool:
        """Whether its command runs."""
        return self.main_pod is not None and self.main_pod.running

    @property
    def has_ended(self) -> bool:
        """Whether it is over; one that we have canceled is only when it is gone, or had ended."""
        if self.succeeded or (self.failure and not self.canceled):
            return True
        main = self.main_pod
        if main is None or main.end is None:
            return False
        return not (self.canceled and main.is_deleted)

    @property
    def state(self) -> str:
        """PSI/J's name of its state."""
        if not self.has_ended:
            return "ACTIVE" if self.is_running else "QUEUED"
        end = self.main_pod.end if self.main_pod else None
        fine = self.succeeded or (end is not None and end.exit_code == 0 and not end.reason)
        return "COMPLETED" if fine else "FAILED"

    def cannot_start(self, now: float, patience_s: float) -> bool:
        """Return whether it never will, or has tried for longer than `patience_s` seconds."""
        if self.trouble is None or self.is_running:
            return False
        is_out = now - self.troubled_since > patience_s
        patience = self.trouble.patience
        return patience is Patience.NONE or (patience is Patience.SOME and is_out)

    def is_bereft(self, now: float) -> bool:
        """Return whether the launcher waits for a worker that is gone, and will not notice."""
        return bool(self.lost_worker) and self.is_running and now - self.lost_since > _NOTICE_S

    def is_its_own(self, thing: dict[str, Any]) -> bool:
        """Return whether `thing` is this job or a pod of it, and not of an earlier one's."""
        metadata = thing["metadata"]
        if metadata["name"] == self.native_id.name:
            return bool(metadata.get("uid") == self.uid)
        return all(
            owner.get("uid") == self.uid
            for owner in metadata.get("ownerReferences", [])
            if owner.get("controller") and owner.get("name") == self.native_id.name
        )

    def be_there(self, thing: dict[str, Any]) -> None:
        """Note that the job is in the cluster for certain, as `thing`."""
        self.created = time.monotonic()
        self.uid = thing["metadata"]["uid"]
        self.born = thing["metadata"].get("creationTimestamp") or ""
        replicas = thing.get("spec", {}).get("mpiReplicaSpecs", {})
        self.n_workers = replicas.get("Worker", {}).get("replicas", 0)
        self.demand = amounts.demand_of(thing)
        self.worker_demand = amounts.demand_of(thing, "Worker")

    def see_job(self, thing: dict[str, Any]) -> None:
        """Take in the state of the Job or MPIJob."""
        found = explain.conditions(thing)
        self.succeeded = self.succeeded or any(name in found for name in _SUCCEEDED)
        for name in _FAILED:
            if name in found:
                condition = found[name]
                self.failure = (condition.get("reason") or "", condition.get("message") or "")
        spec = thing.get("spec", {})
        self.suspended = "Suspended" in found or bool(
            spec.get("suspend") or spec.get("runPolicy", {}).get("suspend")
        )
        if thing.get("status"):
            self.is_taken_up = True
            if self.trouble is explain.IGNORED:
                self.be_in(None)

    def see_pod(self, event: str, thing: dict[str, Any]) -> None:
        """Take in the state of one of the pods."""
        metadata = thing["metadata"]
        role = metadata.get("labels", {}).get(names.ROLE_LABEL, names.MAIN)
        is_deleted = event == "DELETED" or "deletionTimestamp" in metadata
        if self.suspended and is_deleted:
            self.withdrawn.add(metadata["name"])
        if metadata["name"] in self.withdrawn:
            self.pods.pop(metadata["name"], None)
            return
        pod = self.pods.setdefault(metadata["name"], PodState(metadata["name"], role))
        if is_deleted and role == names.WORKER and self.is_running and not self.canceled:
            self.lost_since = self.lost_since or time.monotonic()
            self.lost_worker = self.lost_worker or pod.name
        pod.is_deleted = is_deleted
        pod.running = explain.is_running(thing)
        pod.end = explain.end_of(thing) or pod.end
        if event == "DELETED" and pod.end is None:
            pod.end = explain.DELETED
        pod.trouble = None if pod.is_deleted else self._trouble(pod, thing)
        troubles = [each.trouble for each in self.seen_pods if each.trouble]
        self.be_in(troubles[0] if troubles else None)

    def be_in(self, trouble: Trouble | None) -> None:
        """Note what keeps the pods from starting; its time runs until there is nothing.

        The time in which the cluster was only busy does not count.
        """
        if trouble is not None and (self.trouble is None or self.trouble.patience is Patience.ANY):
            self.troubled_since = time.monotonic()
        if trouble != self.trouble:
            self._write_why(trouble)
        self.trouble = trouble

    def _write_why(self, trouble: Trouble | None) -> None:
        """Write down what keeps the pods from starting, where that is wanted."""
        why = self.collection.why
        if why is not None:
            with contextlib.suppress(OSError):  # nobody relies on it
                if trouble is None:
                    why.unlink(missing_ok=True)
                else:
                    why.write_text(f"{trouble}\n", encoding="utf-8")

    def _trouble(self, pod: PodState, thing: dict[str, Any]) -> Trouble | None:
        """Return why `pod` does not start."""
        trouble = explain.trouble_of(thing)
        known = pod.trouble
        # a pull that backs off forgets why it failed
        if trouble and known and trouble.reason == "ImagePullBackOff" and known.message:
            return known if known.reason == "ErrImagePull" else trouble
        if trouble and self.never_fits and trouble.patience is Patience.ANY:
            return replace(trouble, patience=Patience.SOME)
        return trouble

    def cause_in_workers(self) -> str | None:
        """Return what happened to a worker if that explains the end of the launcher."""
        for pod in self.seen_pods:
            if pod.role == names.WORKER and pod.end and pod.end.reason not in ("", "PodDeleted"):
                return f"{pod.name}: {pod.end.message}"
        return f"{self.lost_worker}: {explain.DELETED.message}" if self.lost_worker else None
