"""The state of one job as assembled from watch events."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hybrid_parsl.psij_kubernetes import diagnostics, names
from hybrid_parsl.psij_kubernetes.diagnostics import Patience

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psij import Job, JobStatus

    from hybrid_parsl.psij_kubernetes.client import Object
    from hybrid_parsl.psij_kubernetes.diagnostics import PodTermination, StartProblem
    from hybrid_parsl.psij_kubernetes.job_plan import Collection
    from hybrid_parsl.psij_kubernetes.names import NativeId

_SUCCESS_CONDITIONS = ("Complete", "SuccessCriteriaMet", "Succeeded")
FAILURE_CONDITIONS = ("Failed", "FailureTarget")
_WORKER_LOSS_GRACE_S = 5.0
"""Seconds in which a launcher may notice the loss of a worker; often it never does."""


@dataclass
class PodState:
    """The relevant state of one pod.

    Attributes
    ----------
    name, role
        Of the pod.
    running
        Whether the main container is running.
    end
        How it ended; None if it has not.
    problem
        Why it does not start; None if there is no problem.
    is_deleted
        Whether it is being deleted or has been.
    """

    name: str
    role: str
    running: bool = False
    end: PodTermination | None = None
    problem: StartProblem | None = None
    is_deleted: bool = False


@dataclass(eq=False)
class TrackedJob:
    """A job that is tracked.

    Attributes
    ----------
    native_id, job, collection
        The job and the destinations of what it produces.
    created_at
        When it was confirmed to exist, on the clock of `time.monotonic`; None before that.
    uid
        Uid of its object; None until known.
    early_events
        The last event of each object by kind and name, received before the uid was known.
    cancelled
        Whether it was cancelled through this executor.
    suspended
        Whether it is suspended, in a queue.
    withdrawn_pods
        Names of pods that were deleted by a suspension; others replace them later.
    completing
        Whether its completion is under way.
    unreported
        Statuses that have not been reported yet, in order.
    is_reporting
        Whether a thread is reporting a status.
    pods
        States of its pods by name.
    succeeded
        Whether its controller reports success.
    failure
        Reason and message if its controller reports failure.
    problem, problem_since
        Why its pods do not start, and since when.
    lost_worker, worker_lost_at
        The first worker that was deleted while the ranks ran, and when.
    compared_with_nodes, never_fits
        Whether its pods were compared with the nodes, and whether all nodes are too small.
    is_reconciled
        Whether its controller has set a status.
    n_workers
        Requested number of workers.
    demand, worker_demand
        What all of its pods, and what its workers, request in total.
    creation_timestamp
        Creation time in the cluster (ISO 8601).
    adopted_at
        When it was adopted, on the clock of the cluster (ISO 8601); empty if it was created here.
        Its pods may have been waiting for inputs until then.
    next_log_fetch
        Earliest time of the next fetch of its log, on the clock of `time.monotonic`.
    log_lock
        Held while its log is written to files.
    lock
        Held while its state changes.
    """

    native_id: NativeId
    job: Job
    collection: Collection
    created_at: float | None = None
    uid: str | None = None
    early_events: dict[tuple[str, str], tuple[str, Object]] = field(default_factory=dict)
    cancelled: bool = False
    suspended: bool = False
    withdrawn_pods: set[str] = field(default_factory=set)
    completing: bool = False
    unreported: deque[JobStatus] = field(default_factory=deque)
    is_reporting: bool = False
    pods: dict[str, PodState] = field(default_factory=dict)
    succeeded: bool = False
    failure: tuple[str, str] | None = None
    problem: StartProblem | None = None
    problem_since: float = 0.0
    lost_worker: str | None = None
    worker_lost_at: float = 0.0
    compared_with_nodes: bool = False
    never_fits: bool = False
    is_reconciled: bool = False
    n_workers: int = 0
    demand: Mapping[str, float] = field(default_factory=dict)
    worker_demand: Mapping[str, float] = field(default_factory=dict)
    creation_timestamp: str = ""
    adopted_at: str = ""
    next_log_fetch: float = 0.0
    log_lock: Any = field(default_factory=threading.Lock)
    lock: Any = field(default_factory=threading.RLock)

    @property
    def pod_states(self) -> list[PodState]:
        """Snapshot of `pods`, which a watch may change at any time."""
        return list(self.pods.values())

    @property
    def main_pod(self) -> PodState | None:
        """The pod that determines the end of the job: the first that has ended, else the newest."""
        mains = [pod for pod in self.pod_states if pod.role != names.WORKER]
        return next((pod for pod in mains if pod.end), mains[-1] if mains else None)

    @property
    def is_unreconciled(self) -> bool:
        """Whether it is an MPIJob that no operator has acted on."""
        return self.native_id.kind == names.MPI_JOB and not (self.is_reconciled or self.pods)

    @property
    def lacks_workers(self) -> bool:
        """Whether some of its workers have not been created."""
        roles = [pod.role for pod in self.pod_states if not pod.is_deleted]
        return roles.count(names.WORKER) < self.n_workers

    @property
    def all_workers_running(self) -> bool:
        """Whether all workers are running; the launcher is created only then."""
        workers = [each for each in self.pod_states if each.role == names.WORKER]
        return sum(each.running for each in workers) >= self.n_workers

    @property
    def may_restart(self) -> bool:
        """Whether its controller may replace a deleted pod."""
        main = self.main_pod
        return main is not None and main.is_deleted and not self.failure and not self.succeeded

    @property
    def is_running(self) -> bool:
        """Whether its command is running."""
        return self.main_pod is not None and self.main_pod.running

    @property
    def has_ended(self) -> bool:
        """Whether it has ended; a cancelled job only if it completed before its deletion.

        The launcher of a cancelled job may fail before it is deleted itself, because its workers
        have been.
        """
        if self.succeeded or (self.failure and not self.cancelled):
            return True
        main = self.main_pod
        if main is None or main.end is None:
            return False
        return not (self.cancelled and (main.is_deleted or main.end.exit_code != 0))

    @property
    def state(self) -> str:
        """Name of its `psij.JobState`."""
        if not self.has_ended:
            return "ACTIVE" if self.is_running else "QUEUED"
        end = self.main_pod.end if self.main_pod else None
        success = self.succeeded or (end is not None and end.exit_code == 0 and not end.reason)
        return "COMPLETED" if success else "FAILED"

    def cannot_start(self, now: float, patience_s: float) -> bool:
        """Return whether its problem is permanent or has exceeded `patience_s` seconds."""
        if self.problem is None or self.is_running:
            return False
        is_exhausted = now - self.problem_since > patience_s
        patience = self.problem.patience
        return patience is Patience.NONE or (patience is Patience.LIMITED and is_exhausted)

    def missed_worker_loss(self, now: float) -> bool:
        """Return whether the launcher runs on without a lost worker and will not notice."""
        lost_for_s = now - self.worker_lost_at
        return bool(self.lost_worker) and self.is_running and lost_for_s > _WORKER_LOSS_GRACE_S

    def owns(self, item: Object) -> bool:
        """Return whether `item` is this job or one of its pods, not those of a namesake."""
        metadata = item["metadata"]
        if metadata["name"] == self.native_id.name:
            return bool(metadata.get("uid") == self.uid)
        return all(
            owner.get("uid") == self.uid
            for owner in metadata.get("ownerReferences", [])
            if owner.get("controller") and owner.get("name") == self.native_id.name
        )

    def mark_created(self, item: Object) -> None:
        """Record that the job exists in the cluster as `item`."""
        self.created_at = time.monotonic()
        self.uid = item["metadata"]["uid"]
        self.creation_timestamp = item["metadata"].get("creationTimestamp") or ""
        replicas = item.get("spec", {}).get("mpiReplicaSpecs", {})
        self.n_workers = replicas.get("Worker", {}).get("replicas", 0)
        self.demand = diagnostics.resource_demand(item)
        self.worker_demand = diagnostics.resource_demand(item, "Worker")

    def update_job(self, item: Object) -> None:
        """Update the state from the Job or MPIJob."""
        found = diagnostics.true_conditions(item)
        self.succeeded = self.succeeded or any(name in found for name in _SUCCESS_CONDITIONS)
        for name in FAILURE_CONDITIONS:
            if name in found:
                condition = found[name]
                self.failure = (condition.get("reason") or "", condition.get("message") or "")
        spec = item.get("spec", {})
        self.suspended = "Suspended" in found or bool(
            spec.get("suspend") or spec.get("runPolicy", {}).get("suspend")
        )
        if item.get("status"):
            self.is_reconciled = True
            if self.problem is diagnostics.NOT_RECONCILED:
                self.set_problem(None)

    def update_pod(self, event: str, item: Object) -> None:
        """Update the state from one of the pods."""
        metadata = item["metadata"]
        role = metadata.get("labels", {}).get(names.ROLE_LABEL, names.MAIN)
        is_deleted = event == "DELETED" or "deletionTimestamp" in metadata
        if self.suspended and is_deleted:
            self.withdrawn_pods.add(metadata["name"])
        if metadata["name"] in self.withdrawn_pods:
            self.pods.pop(metadata["name"], None)
            return
        pod = self.pods.setdefault(metadata["name"], PodState(metadata["name"], role))
        if is_deleted and role == names.WORKER and self.is_running and not self.cancelled:
            self.worker_lost_at = self.worker_lost_at or time.monotonic()
            self.lost_worker = self.lost_worker or pod.name
        pod.is_deleted = is_deleted
        pod.running = diagnostics.is_running(item)
        pod.end = diagnostics.termination_of(item) or pod.end
        if event == "DELETED" and pod.end is None:
            pod.end = diagnostics.POD_DELETED
        pod.problem = None if pod.is_deleted else self._problem(pod, item)
        problems = [each.problem for each in self.pod_states if each.problem]
        self.set_problem(problems[0] if problems else None)

    def set_problem(self, problem: StartProblem | None) -> None:
        """Record why the pods do not start; None clears it.

        The patience runs from the first problem; time in a merely busy cluster does not count.
        """
        current = self.problem
        if problem is not None and (current is None or current.patience is Patience.UNLIMITED):
            self.problem_since = time.monotonic()
        if problem != current:
            self._write_pending_reason(problem)
        self.problem = problem

    def _write_pending_reason(self, problem: StartProblem | None) -> None:
        """Write the reason to the requested file; delete the file without a problem."""
        path = self.collection.pending_reason
        if path is not None:
            with contextlib.suppress(OSError):  # informational only
                if problem is None:
                    path.unlink(missing_ok=True)
                else:
                    path.write_text(f"{problem}\n", encoding="utf-8")

    def _problem(self, pod: PodState, item: Object) -> StartProblem | None:
        """Return why `pod` does not start."""
        problem = diagnostics.start_problem(item)
        known = pod.problem
        # ImagePullBackOff does not repeat the cause
        if problem and known and problem.reason == "ImagePullBackOff" and known.message:
            return known if known.reason == "ErrImagePull" else problem
        if problem and self.never_fits and problem.patience is Patience.UNLIMITED:
            return replace(problem, patience=Patience.LIMITED)
        return problem

    def worker_failure(self) -> str | None:
        """Return the failure of a worker that explains the end of the launcher."""
        for pod in self.pod_states:
            if pod.role == names.WORKER and pod.end and pod.end.reason not in ("", "PodDeleted"):
                return f"{pod.name}: {pod.end.message}"
        return (
            f"{self.lost_worker}: {diagnostics.POD_DELETED.message}" if self.lost_worker else None
        )
