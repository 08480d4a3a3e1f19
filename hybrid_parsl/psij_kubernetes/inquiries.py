"""Questions about jobs that nobody has to follow for the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psij import InvalidJobException, Job

from hybrid_parsl.psij_kubernetes import names
from hybrid_parsl.psij_kubernetes.answers import ApiError
from hybrid_parsl.psij_kubernetes.api import path
from hybrid_parsl.psij_kubernetes.manifests import NOTHING
from hybrid_parsl.psij_kubernetes.tracking import TrackedJob

if TYPE_CHECKING:
    from hybrid_parsl.psij_kubernetes.api import Api
    from hybrid_parsl.psij_kubernetes.names import NativeId

_ABSENT = 404


def ids_of_jobs(api: Api, namespace: str) -> list[str]:
    """Return the ids of all Jobs and MPIJobs in a namespace but those that others control.

    Raises
    ------
    ApiError
        The cluster did not answer.
    """
    found: list[str] = []
    for kind in (names.JOB, names.MPI_JOB):
        try:
            for thing in api.items(path(kind, namespace)):
                metadata = thing["metadata"]
                owners = metadata.get("ownerReferences", [])
                if not any(each.get("controller") for each in owners):
                    found.append(str(names.NativeId(kind, namespace, metadata["name"])))
        except ApiError as error:
            if kind == names.JOB or error.status != _ABSENT:
                raise  # without an MPI Operator there are no MPIJobs
    return found


def state_of(api: Api, native_id: NativeId) -> str | None:
    """Return PSI/J's name of the state of a job; None if it is not in the cluster any more.

    One that is being deleted before it has ended is canceled: it will never end otherwise.

    Raises
    ------
    ApiError
        The cluster did not answer.
    """
    tracked = TrackedJob(native_id, Job(), NOTHING)
    thing = api.find(native_id)
    if thing is None:
        return None
    tracked.see_job(thing)
    for pod in api.pods_of(native_id):
        tracked.see_pod("ADDED", pod)
    if "deletionTimestamp" in thing["metadata"] and not tracked.has_ended:
        return "CANCELED"
    return tracked.state


def parsed_id(native_id: str) -> NativeId:
    """Read the id of a job.

    Raises
    ------
    InvalidJobException
        It is none.
    """
    try:
        return names.NativeId.parse(native_id)
    except ValueError as error:
        raise InvalidJobException(str(error)) from error


def check_manager(thing: dict[str, Any], native_id: NativeId) -> None:
    """Refuse a job that others have made.

    Raises
    ------
    InvalidJobException
        `thing` is one.
    """
    if thing["metadata"].get("labels", {}).get(names.MANAGED_BY) != names.MANAGER:
        message = f"{native_id} was not made through PSI/J: it cannot be followed"
        raise InvalidJobException(message)
