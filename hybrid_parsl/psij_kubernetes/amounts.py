"""How much pods ask for, and how much there is: in quotas, and on nodes.

The names of a quota's resources are those of Kubernetes' documentation, "Resource Quotas".
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Thing = dict[str, Any]

_QUOTA = "exceeded quota"
_AMOUNTS = re.compile(r"requested: (?P<requested>\S+), used: \S+, limited: (?P<limited>\S+)")
_UNITS = {
    "": 1, "n": 1e-9, "u": 1e-6, "m": 1e-3,
    "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60,
}  # fmt: skip
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([numkMGTPE]|[KMGTPE]i)?")


def quantity(text: str) -> float:
    """Return an amount of Kubernetes, such as ``500m`` or ``2Gi``, as a number; else NaN.

    The grammar is that of `resource.Quantity` in Kubernetes' API.
    """
    found = _QUANTITY.fullmatch(text)
    return float(found[1]) * _UNITS[found[2] or ""] if found else math.nan


def as_text(amount: float) -> str:
    """Return a number as an amount of Kubernetes: the inverse of `quantity`, rounded up."""
    if amount != int(amount):
        return f"{math.ceil(1000 * amount)}m"
    for unit in ("Gi", "Mi"):
        if amount >= _UNITS[unit] and amount % _UNITS[unit] == 0:
            return f"{int(amount / _UNITS[unit])}{unit}"
    return str(int(amount))


def demand_of(job: Thing, role: str | None = None) -> dict[str, float]:
    """Return what all pods of a Job or MPIJob ask for together, by a quota's names for it.

    What a pod gets without asking, from a LimitRange, is not among it.

    Parameters
    ----------
    job
        The job, as the cluster has it.
    role
        Only pods of this role of an MPIJob, such as ``Worker``; all if None.
    """
    found: defaultdict[str, float] = defaultdict(float)
    for n_pods, pod in _templates(job.get("spec", {}), role):
        found["pods"] += n_pods
        found["count/pods"] += n_pods
        for container in pod.get("containers", []):
            for name, amount in _requests(container).items():
                found[f"requests.{name}"] += n_pods * quantity(str(amount))
            for name, amount in container.get("resources", {}).get("limits", {}).items():
                found[f"limits.{name}"] += n_pods * quantity(str(amount))
    for name in ("cpu", "memory"):
        found[name] = found[f"requests.{name}"]
    return dict(found)


def _templates(spec: Thing, role: str | None) -> Iterator[tuple[int, Thing]]:
    """Yield how many pods of each kind a job has, and their specification."""
    if "template" in spec:
        yield 1, spec["template"].get("spec", {})
    for name, replicas in spec.get("mpiReplicaSpecs", {}).items():
        if role in (None, name):
            yield replicas.get("replicas", 1), replicas.get("template", {}).get("spec", {})


def _requests(container: Thing) -> dict[str, Any]:
    """Return what a container asks for; a limit without a request is one."""
    resources = container.get("resources", {})
    return {**resources.get("limits", {}), **resources.get("requests", {})}


def is_quota(message: str) -> bool:
    """Return whether an API server refuses a pod because of a quota."""
    return _QUOTA in message


def is_over_quota(message: str, demand: Mapping[str, float]) -> bool:
    """Return whether a job asks for more than the whole of a quota, whoever uses it now.

    Parameters
    ----------
    message
        Why the API server refuses a pod.
    demand
        What all pods of the job ask for.
    """
    found = _AMOUNTS.search(message)
    if found is None:
        return False
    requested, limited = _pairs(found["requested"]), _pairs(found["limited"])
    return any(
        amount > limited.get(name, math.inf) or demand.get(name, 0.0) > limited.get(name, math.inf)
        for name, amount in requested.items()
    )


def _pairs(text: str) -> dict[str, float]:
    """Return ``a=1,b=2`` as a table."""
    pairs = (pair.split("=", 1) for pair in text.rstrip(",").split(",") if "=" in pair)
    return {name: quantity(amount) for name, amount in pairs}


def fits(pod: Thing, node: Thing) -> bool:
    """Return whether `node` is large enough for `pod` when nothing else runs on it."""
    room = node.get("status", {}).get("allocatable", {})
    need: defaultdict[str, float] = defaultdict(float)
    for container in pod["spec"]["containers"]:
        for name, amount in _requests(container).items():
            need[name] += quantity(str(amount))
    return not any(amount > quantity(str(room.get(name, "0"))) for name, amount in need.items())
