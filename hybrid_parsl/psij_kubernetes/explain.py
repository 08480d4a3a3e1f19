"""What is wrong with a pod, read from its own state."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from hybrid_parsl.psij_kubernetes import amounts, names

if TYPE_CHECKING:
    from collections.abc import Mapping

Thing = dict[str, Any]


class Patience(Enum):
    """How long a pod that cannot start is waited for."""

    NONE = "none"
    """It never will: its job fails at once."""
    SOME = "some"
    """The cause may pass by itself: its job fails after the executor's patience."""
    ANY = "any"
    """The cluster is busy: it is waited for."""


@dataclass(frozen=True)
class Trouble:
    """Why a pod does not start.

    Attributes
    ----------
    reason
        Kubernetes' own word.
    message
        What it says to it.
    patience
        How long that is borne.
    """

    reason: str
    message: str
    patience: Patience

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}" if self.message else self.reason


@dataclass(frozen=True)
class PodEnd:
    """How a pod ended.

    Attributes
    ----------
    exit_code
        Of its container; None if it has none.
    reason
        Kubernetes' own word; empty if the command just ended.
    message
        The same for people.
    """

    exit_code: int | None
    reason: str
    message: str


DELETED = PodEnd(None, "PodDeleted", "PodDeleted: somebody deleted its pod")
"""The end of a pod that was there, and then was not."""

IGNORED = Trouble(
    "Ignored",
    "nothing has happened to it: does the MPI Operator run, and for this namespace?",
    Patience.SOME,
)
"""The trouble of an MPIJob that nobody has taken up."""

_HOPELESS = {"InvalidImageName", "ErrImageNeverPull"}
_IMAGE = {"ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable"}
_NO_IMAGE = re.compile(
    r"not found|manifest unknown|does not exist|unauthorized|denied|forbidden|invalid reference",
    re.IGNORECASE,
)
_NEVER_CREATED = re.compile(r" is invalid: |violates PodSecurity|must specify ")
_CONFIG = "CreateContainerConfigError"
_AS_ROOT = re.compile(r"runAsNonRoot|run as root")
_SLOW = {"ContainerCreating", "PodInitializing", ""}
_BUSY = re.compile(r"Insufficient |Too many pods|were unschedulable|preemption:", re.IGNORECASE)
_WORDS = {
    "OOMKilled": "it used more memory than its limit",
    "Evicted": "its node put it out",
    "DeadlineExceeded": "its walltime is over",
    "NodeLost": "its node is gone",
    "NodeShutdown": "its node was shut down",
    "Terminated": "its node was shut down",
    "DeletionByTaintManager": "its node is gone or not to be used",
    "DeletionByPodGC": "its node is gone",
    "PreemptionByScheduler": "a job of higher priority took its place",
    "EvictionByEvictionAPI": "it was evicted to empty its node",
    "TerminationByKubelet": "its node put it out",
    "PodDeleted": "somebody deleted its pod",
}


def trouble_of(pod: Thing) -> Trouble | None:
    """Return why `pod` does not start; None if it runs, has ended, or is just starting."""
    status = pod.get("status", {})
    if status.get("phase") not in (None, "Pending"):
        return None
    for container in _containers(status):
        waiting = container.get("state", {}).get("waiting")
        if waiting and waiting.get("reason", "") not in _SLOW:
            return _waiting(waiting["reason"], waiting.get("message") or container.get("image", ""))
    condition = _condition(status, "PodScheduled")
    if condition and condition.get("reason") == "Unschedulable":
        return unschedulable(condition.get("message", ""))
    return None


def _waiting(reason: str, message: str) -> Trouble:
    """Return the trouble of a container that waits."""
    hopeless = (
        reason in _HOPELESS
        or (reason in _IMAGE and _NO_IMAGE.search(message))
        or (reason == _CONFIG and _AS_ROOT.search(message))
    )
    return Trouble(reason, message, Patience.NONE if hopeless else Patience.SOME)


def unschedulable(message: str) -> Trouble:
    """Return the trouble of a pod that no node takes; `message` is the scheduler's.

    Nodes that are full today are waited for. Where every node is refused for what it is, its
    labels or its taints, waiting does not help.
    """
    busy = _BUSY.search(message.partition("preemption:")[0])
    return Trouble("Unschedulable", message, Patience.ANY if busy else Patience.SOME)


def not_created(message: str, demand: Mapping[str, float]) -> Trouble:
    """Return the trouble of a pod that may not be created; `message` is its controller's.

    One that is invalid or against the rules never may. What asks for more than the whole quota
    never fits; else there is room when others end.

    Parameters
    ----------
    message
        What the API server said to its controller.
    demand
        What all pods of the job ask for together, as `amounts.demand_of` has it.
    """
    if not amounts.is_quota(message):
        hopeless = _NEVER_CREATED.search(message)
        return Trouble("FailedCreate", message, Patience.NONE if hopeless else Patience.SOME)
    never = amounts.is_over_quota(message, demand)
    return Trouble("QuotaExceeded", message, Patience.NONE if never else Patience.ANY)


def end_of(pod: Thing) -> PodEnd | None:
    """Return how `pod` ended; None if it has not.

    A pod that is being deleted, because its node is gone or by somebody's hand, counts as ended
    when that is told: a node that is gone never says so itself.
    """
    status = pod.get("status", {})
    code, word, detail = _terminated(status)
    disrupted = _condition(status, "DisruptionTarget")
    ended = status.get("phase") in ("Succeeded", "Failed")
    if not ended and not (disrupted and disrupted.get("status") == "True"):
        return None
    if status.get("phase") == "Succeeded":
        return PodEnd(0, "", "")
    reason = status.get("reason") or (word if word not in ("Error", "Completed") else "")
    if not reason and disrupted:
        reason = disrupted.get("reason", "")
    if not reason and pod["metadata"].get("deletionTimestamp"):
        reason = "PodDeleted"
    said = [
        _WORDS.get(reason, ""), _limit(pod) if reason == "OOMKilled" else "",
        status.get("message", ""), (disrupted or {}).get("message", ""), detail,
    ]  # fmt: skip
    node = pod.get("spec", {}).get("nodeName")
    words = "; ".join(dict.fromkeys(part.strip() for part in said if part and part.strip()))
    message = f"{words} (node {node})" if words and node else words
    return PodEnd(code, reason, f"{reason}: {message}" if reason else message)


def _terminated(status: Thing) -> tuple[int | None, str, str]:
    """Return exit code, reason and message of the job's container."""
    for container in status.get("containerStatuses") or []:
        if container.get("name") == names.CONTAINER:
            state = container.get("state", {}).get("terminated")
            if state:
                code = state.get("exitCode")
                return code, state.get("reason") or "", state.get("message") or ""
    for container in status.get("initContainerStatuses") or []:
        state = container.get("state", {}).get("terminated")
        if state and state.get("exitCode"):
            text = f"the container {container['name']} ended with exit code {state['exitCode']}"
            return None, "InitFailed", text
    return None, "", ""


def _limit(pod: Thing) -> str:
    """Return the memory limit of the job's container in words."""
    for container in pod.get("spec", {}).get("containers") or []:
        limit = container.get("resources", {}).get("limits", {}).get("memory")
        if container.get("name") == names.CONTAINER and limit:
            return (
                f"the limit is {limit} bytes" if str(limit).isdigit() else f"the limit is {limit}"
            )
    return ""


def is_running(pod: Thing) -> bool:
    """Return whether the job's container runs."""
    return any(
        container.get("name") == names.CONTAINER and "running" in container.get("state", {})
        for container in pod.get("status", {}).get("containerStatuses") or []
    )


def conditions(thing: Thing) -> dict[str, Thing]:
    """Return the conditions of a Job or MPIJob that are true, by their type."""
    found = thing.get("status", {}).get("conditions") or []
    return {each["type"]: each for each in found if each.get("status") == "True"}


def _condition(status: Thing, name: str) -> Thing | None:
    """Return the condition `name` of a pod."""
    for each in status.get("conditions") or []:
        if each.get("type") == name:
            condition: Thing = each
            return condition
    return None


def _containers(status: Thing) -> list[Thing]:
    """Return the states of all containers of a pod."""
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
