"""What one pod of a job requests, and what it may use at most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psij import InvalidJobException

from hybrid_parsl.psij_kubernetes.amounts import as_text, quantity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psij import JobSpec

    from hybrid_parsl.psij_kubernetes.command import Layout
    from hybrid_parsl.psij_kubernetes.options import JobOptions

SHARED_MEMORY = "/dev/shm"  # noqa: S108 - where MPI keeps it
_REQUESTS = {"cpu": "1", "memory": "512Mi"}
_MIB = 2**20
_LEAST_SHARED = 64 * _MIB
_SHARED_PER_PROCESS = 8 * _MIB


def pod_resources(spec: JobSpec, options: JobOptions, layout: Layout) -> dict[str, Any]:
    """Return the resources of one pod that runs processes of a job.

    Parameters
    ----------
    spec, options, layout
        The job; its memory is shared out evenly among the pods.

    Raises
    ------
    InvalidJobException
        If an amount is no quantity, or a request is above its limit.
    """
    each = layout.n_processes // layout.n_nodes
    limits = _times(options.limits, each, "limits")
    requests = _times({**_REQUESTS, **options.requests}, each, "requests")
    requests = {name: min(amount, limits.get(name, amount)) for name, amount in requests.items()}
    asked = spec.resources
    if asked and asked.cpu_cores_per_process:
        requests["cpu"] = asked.cpu_cores_per_process * each
    if asked and asked.memory:
        requests["memory"] = -(-asked.memory // layout.n_nodes)
        limits.setdefault("memory", requests["memory"])
    if asked and asked.gpu_cores_per_process:
        limits[options.gpu_resource] = asked.gpu_cores_per_process * each
    for name in requests.keys() & limits.keys():
        if requests[name] > limits[name]:
            message = (
                f"A pod requests {as_text(requests[name])} {name}, which is above its limit of "
                f"{as_text(limits[name])}"
            )
            raise InvalidJobException(message)
    parts = {"requests": requests, "limits": limits}
    return {
        part: {name: as_text(amount) for name, amount in amounts.items()}
        for part, amounts in parts.items()
        if amounts
    }


def shared_memory(layout: Layout) -> str:
    """Return the size of ``/dev/shm`` that the ranks of one pod need.

    MPICH maps about 1 MiB for each rank and UCX about 4 MiB; the 64 MiB that a container has by
    default hold 11 ranks.
    """
    each = layout.n_processes // layout.n_nodes
    return as_text(_LEAST_SHARED + _SHARED_PER_PROCESS * each)


def _times(amounts: Mapping[str, str], factor: int, option: str) -> dict[str, float]:
    """Return what `factor` processes together have of each resource.

    Raises
    ------
    InvalidJobException
        If an amount is no quantity, or negative.
    """
    found = {name: factor * quantity(str(text)) for name, text in amounts.items()}
    for name, amount in found.items():
        if not amount >= 0:
            valid = "should have a quantity such as 500m or 2Gi"
            message = f"'kubernetes.{option}' {valid} for {name}, not {amounts[name]!r}"
            raise InvalidJobException(message)
    return found
