"""Diagnose pods and jobs: why a pod does not start, how it ended, and what a job requests.

Pure functions of Kubernetes objects and messages. The names of quota resources are those of
"Resource Quotas" in the documentation of Kubernetes.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from hybrid_parsl.psij_kubernetes import names
from hybrid_parsl.psij_kubernetes.client import NOT_FOUND
from hybrid_parsl.psij_kubernetes.job_manifests import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hybrid_parsl.psij_kubernetes.client import ApiError, Object
    from hybrid_parsl.psij_kubernetes.names import NativeId

NO_OPERATOR = (
    "The cluster has no MPIJobs (kubeflow.org/v2beta1): install the Kubeflow MPI Operator; a job "
    "on one rank does not need it"
)


class Patience(Enum):
    """How long to wait for a pod that cannot start."""

    NONE = "none"
    """The cause is permanent: fail the job at once."""
    LIMITED = "limited"
    """The cause may be temporary: fail the job after ``start_patience_s``."""
    UNLIMITED = "unlimited"
    """The cluster is busy: wait."""


@dataclass(frozen=True)
class StartProblem:
    """Why a pod does not start.

    Attributes
    ----------
    reason
        Machine-readable reason, that of Kubernetes where there is one.
    message
        Explanation.
    patience
        How long to wait.
    """

    reason: str
    message: str
    patience: Patience

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}" if self.message else self.reason


@dataclass(frozen=True)
class PodTermination:
    """How a pod ended.

    Attributes
    ----------
    exit_code
        Exit code of the main container; None if unknown.
    reason
        Reason of Kubernetes; empty if the command exited normally.
    message
        Human-readable explanation.
    """

    exit_code: int | None
    reason: str
    message: str


POD_DELETED = PodTermination(None, "PodDeleted", "PodDeleted: the pod was deleted")
"""Termination of a pod that was deleted from the cluster."""

NOT_RECONCILED = StartProblem(
    "NotReconciled",
    "no controller has acted on it: is the MPI Operator running, and does it watch this namespace?",
    Patience.LIMITED,
)
"""Problem of an MPIJob without status and pods."""

_PERMANENT = {"InvalidImageName", "ErrImageNeverPull"}
_IMAGE = {"ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable"}
_NO_IMAGE = re.compile(
    r"not found|manifest unknown|does not exist|unauthorized|denied|forbidden|invalid reference",
    re.IGNORECASE,
)
_INVALID_POD = re.compile(r" is invalid: |violates PodSecurity|must specify ")
_CONFIG = "CreateContainerConfigError"
_AS_ROOT = re.compile(r"runAsNonRoot|run as root")
_STARTING = {"ContainerCreating", "PodInitializing", ""}
_QUOTA_EXCEEDED = "exceeded quota"
_QUOTA_AMOUNTS = re.compile(r"requested: (?P<requested>\S+), used: \S+, limited: (?P<limited>\S+)")
_BUSY = re.compile(r"Insufficient |Too many pods|were unschedulable|preemption:", re.IGNORECASE)
_EXPLANATIONS = {
    "OOMKilled": "the container exceeded its memory limit",
    "Evicted": "evicted by its node",
    "DeadlineExceeded": "walltime exceeded",
    "NodeLost": "its node was lost",
    "NodeShutdown": "its node was shut down",
    "Terminated": "its node was shut down",
    "DeletionByTaintManager": "its node was lost or tainted",
    "DeletionByPodGC": "its node was lost",
    "PreemptionByScheduler": "preempted by a pod of higher priority",
    "EvictionByEvictionAPI": "evicted to drain its node",
    "TerminationByKubelet": "terminated by its node",
    "PodDeleted": "the pod was deleted",
}


def start_problem(pod: Object) -> StartProblem | None:
    """Return why `pod` does not start; None if it runs, has ended or is still starting."""
    status = pod.get("status", {})
    if status.get("phase") not in (None, "Pending"):
        return None
    for container in _containers(status):
        waiting = container.get("state", {}).get("waiting")
        if waiting and waiting.get("reason", "") not in _STARTING:
            message = waiting.get("message") or container.get("image", "")
            return _waiting_problem(waiting["reason"], message)
    condition = _condition(status, "PodScheduled")
    if condition and condition.get("reason") == "Unschedulable":
        return unschedulable(condition.get("message", ""))
    return None


def _waiting_problem(reason: str, message: str) -> StartProblem:
    """Return the problem of a container in the state waiting."""
    is_permanent = (
        reason in _PERMANENT
        or (reason in _IMAGE and _NO_IMAGE.search(message))
        or (reason == _CONFIG and _AS_ROOT.search(message))
    )
    return StartProblem(reason, message, Patience.NONE if is_permanent else Patience.LIMITED)


def unschedulable(message: str) -> StartProblem:
    """Return the problem of a pod that no node accepts; `message` is that of the scheduler.

    Full nodes are worth waiting for; nodes excluded by labels or taints are not.
    """
    busy = _BUSY.search(message.partition("preemption:")[0])
    return StartProblem("Unschedulable", message, Patience.UNLIMITED if busy else Patience.LIMITED)


def creation_problem(message: str, demand: Mapping[str, float]) -> StartProblem:
    """Return the problem of a pod that a controller could not create.

    Permanent for an invalid or forbidden pod and for a job larger than a whole quota; otherwise
    the quota is in use by others.

    Parameters
    ----------
    message
        Message of the controller, with the error of the API server.
    demand
        What all pods of the job request, see `resource_demand`.
    """
    if _QUOTA_EXCEEDED not in message:
        is_permanent = _INVALID_POD.search(message)
        return StartProblem(
            "FailedCreate", message, Patience.NONE if is_permanent else Patience.LIMITED
        )
    never = exceeds_quota(message, demand)
    return StartProblem("QuotaExceeded", message, Patience.NONE if never else Patience.UNLIMITED)


def termination_of(pod: Object) -> PodTermination | None:
    """Return how `pod` ended; None if it has not.

    A pod with a disruption condition counts as ended: a lost node never reports its end.
    """
    status = pod.get("status", {})
    code, container_reason, detail = _terminated(status)
    disrupted = _condition(status, "DisruptionTarget")
    ended = status.get("phase") in ("Succeeded", "Failed")
    if not ended and not (disrupted and disrupted.get("status") == "True"):
        return None
    if status.get("phase") == "Succeeded":
        return PodTermination(0, "", "")
    reason = status.get("reason") or (
        container_reason if container_reason not in ("Error", "Completed") else ""
    )
    if not reason and disrupted:
        reason = disrupted.get("reason", "")
    if not reason and pod["metadata"].get("deletionTimestamp"):
        reason = "PodDeleted"
    parts = [
        _EXPLANATIONS.get(reason, ""), _memory_limit(pod) if reason == "OOMKilled" else "",
        status.get("message", ""), (disrupted or {}).get("message", ""), detail,
    ]  # fmt: skip
    node = pod.get("spec", {}).get("nodeName")
    text = "; ".join(dict.fromkeys(part.strip() for part in parts if part and part.strip()))
    message = f"{text} (node {node})" if text and node else text
    return PodTermination(code, reason, f"{reason}: {message}" if reason else message)


def _terminated(status: Object) -> tuple[int | None, str, str]:
    """Return exit code, reason and message of the main or a failed init container."""
    for container in status.get("containerStatuses") or []:
        if container.get("name") == names.CONTAINER:
            state = container.get("state", {}).get("terminated")
            if state:
                code = state.get("exitCode")
                return code, state.get("reason") or "", state.get("message") or ""
    for container in status.get("initContainerStatuses") or []:
        state = container.get("state", {}).get("terminated")
        if state and state.get("exitCode"):
            text = f"init container {container['name']}: exit code {state['exitCode']}"
            return None, "InitFailed", text
    return None, "", ""


def _memory_limit(pod: Object) -> str:
    """Return a description of the memory limit of the main container."""
    for container in pod.get("spec", {}).get("containers") or []:
        limit = container.get("resources", {}).get("limits", {}).get("memory")
        if container.get("name") == names.CONTAINER and limit:
            return f"limit: {limit} bytes" if str(limit).isdigit() else f"limit: {limit}"
    return ""


def is_running(pod: Object) -> bool:
    """Return whether the main container is running."""
    return any(
        container.get("name") == names.CONTAINER and "running" in container.get("state", {})
        for container in pod.get("status", {}).get("containerStatuses") or []
    )


def true_conditions(job: Object) -> dict[str, Object]:
    """Return the conditions of a Job or MPIJob that are true, by type."""
    found = job.get("status", {}).get("conditions") or []
    return {each["type"]: each for each in found if each.get("status") == "True"}


def _condition(status: Object, name: str) -> Object | None:
    """Return the condition `name` of a pod."""
    for each in status.get("conditions") or []:
        if each.get("type") == name:
            condition: Object = each
            return condition
    return None


def _containers(status: Object) -> list[Object]:
    """Return the statuses of all containers of a pod."""
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def resource_demand(job: Object, role: str | None = None) -> dict[str, float]:
    """Return what all pods of a Job or MPIJob request, by the names of quota resources.

    Defaults of a LimitRange are not included.

    Parameters
    ----------
    job
        The Job or MPIJob.
    role
        Only pods of this role of an MPIJob, such as ``Worker``; all if None.
    """
    found: defaultdict[str, float] = defaultdict(float)
    for n_pods, pod in _templates(job.get("spec", {}), role):
        found["pods"] += n_pods
        found["count/pods"] += n_pods
        for container in pod.get("containers", []):
            for name, amount in _requests(container).items():
                found[f"requests.{name}"] += n_pods * parse_quantity(str(amount))
            for name, amount in container.get("resources", {}).get("limits", {}).items():
                found[f"limits.{name}"] += n_pods * parse_quantity(str(amount))
    for name in ("cpu", "memory"):
        found[name] = found[f"requests.{name}"]
    return dict(found)


def _templates(spec: Object, role: str | None) -> Iterator[tuple[int, Object]]:
    """Yield the number of pods and the pod spec of each role."""
    if "template" in spec:
        yield 1, spec["template"].get("spec", {})
    for name, replicas in spec.get("mpiReplicaSpecs", {}).items():
        if role in (None, name):
            yield replicas.get("replicas", 1), replicas.get("template", {}).get("spec", {})


def _requests(container: Object) -> dict[str, Any]:
    """Return the requests of a container; a limit without a request counts as one."""
    resources = container.get("resources", {})
    return {**resources.get("limits", {}), **resources.get("requests", {})}


def exceeds_quota(message: str, demand: Mapping[str, float]) -> bool:
    """Return whether a job requests more than a whole quota, regardless of its current use.

    Parameters
    ----------
    message
        Error of the API server for one pod.
    demand
        What all pods of the job request.
    """
    found = _QUOTA_AMOUNTS.search(message)
    if found is None:
        return False
    requested, limited = _parse_amounts(found["requested"]), _parse_amounts(found["limited"])
    return any(
        amount > limited.get(name, math.inf) or demand.get(name, 0.0) > limited.get(name, math.inf)
        for name, amount in requested.items()
    )


def _parse_amounts(text: str) -> dict[str, float]:
    """Parse amounts such as ``cpu=1,memory=2Gi``."""
    pairs = (pair.split("=", 1) for pair in text.rstrip(",").split(",") if "=" in pair)
    return {name: parse_quantity(amount) for name, amount in pairs}


def fits_node(pod: Object, node: Object) -> bool:
    """Return whether `pod` fits on `node` when the node is empty."""
    allocatable = node.get("status", {}).get("allocatable", {})
    requested: defaultdict[str, float] = defaultdict(float)
    for container in pod["spec"]["containers"]:
        for name, amount in _requests(container).items():
            requested[name] += parse_quantity(str(amount))
    return not any(
        amount > parse_quantity(str(allocatable.get(name, "0")))
        for name, amount in requested.items()
    )


def explain_rejection(error: ApiError, native_id: NativeId) -> str:
    """Return the message for a job that the cluster rejects permanently."""
    is_namespace = error.message.startswith("namespaces ")
    if error.status == NOT_FOUND and native_id.kind == names.MPI_JOB and not is_namespace:
        return NO_OPERATOR
    return f"The cluster rejects the job: {error}"
