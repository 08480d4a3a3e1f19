"""Creates what a job is, once: a second try finds what the first has made."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from psij import InvalidJobException, SubmitException

from hybrid_parsl.psij_kubernetes import explain, names
from hybrid_parsl.psij_kubernetes.answers import ApiError, Pauses
from hybrid_parsl.psij_kubernetes.manifests import secret_for

if TYPE_CHECKING:
    from hybrid_parsl.psij_kubernetes.api import Api
    from hybrid_parsl.psij_kubernetes.manifests import JobPlan
    from hybrid_parsl.psij_kubernetes.names import NativeId

NO_OPERATOR = (
    "The cluster has no MPIJobs (kubeflow.org/v2beta1): install the Kubeflow MPI Operator; a job "
    "on one rank does not need it"
)
_ABSENT, _FORBIDDEN = 404, 403
_INVALID = (400, 404, 413, 422)
_THERE = "AlreadyExists"
_FAILED = ("Failed", "FailureTarget")


def create_or_adopt(
    api: Api, plan: JobPlan, key: str, patience_s: float
) -> tuple[dict[str, Any], bool]:
    """Return the job in the cluster, and whether it was made just now.

    A job of the same name is the same task if it has the same key. One that has failed, or
    is being deleted, makes room for a new try; that takes as long as its pods take to end, and is
    waited for twice as long as a server that is away.

    Raises
    ------
    ApiError
        It cannot be created.
    InvalidJobException
        There is another task's job of that name.
    """
    native_id = plan.native_id
    where = (native_id.kind, native_id.namespace)
    pauses = Pauses()
    deadline = time.monotonic() + 2 * patience_s
    while True:
        try:
            return api.create(*where, plan.manifest), True
        except ApiError as error:
            if error.reason != _THERE:
                raise
            if time.monotonic() > deadline:
                message = f"the earlier {native_id} is still being deleted"
                raise ApiError(0, message) from error
        found = api.find(native_id)
        if found is not None:
            annotations = found["metadata"].get("annotations", {})
            if annotations.get(names.KEY_ANNOTATION) != names.key_digest(key):
                message = f"There is a {native_id} already, and it is not of the task '{key}'"
                raise InvalidJobException(message)
            if "deletionTimestamp" not in found["metadata"]:
                if not any(word in explain.conditions(found) for word in _FAILED):
                    return found, False
                api.delete(native_id, found["metadata"]["uid"], "Foreground")
        time.sleep(pauses.next())


def create_inputs(api: Api, plan: JobPlan, owner: dict[str, Any]) -> None:
    """Create the inputs of a job; its pods wait for them, and they go when it goes.

    Raises
    ------
    ApiError
        They cannot be created.
    """
    if plan.secret is None:
        return
    try:
        api.create("secret", plan.native_id.namespace, secret_for(owner, plan.secret))
    except ApiError as error:
        if error.reason != _THERE:
            raise


def submission_error(error: ApiError, native_id: NativeId) -> InvalidJobException | SubmitException:
    """Return PSI/J's error for a job that was not created."""
    if error.status in _INVALID:
        return InvalidJobException(refusal(error, native_id))
    return submit_exception(error)


def refusal(error: ApiError, native_id: NativeId) -> str:
    """Return what to say about a job that the cluster will never take."""
    is_namespace = error.message.startswith("namespaces ")
    if error.status == _ABSENT and native_id.kind == names.MPI_JOB and not is_namespace:
        return NO_OPERATOR
    return f"The cluster refuses the job: {error}"


def submit_exception(error: ApiError) -> SubmitException:
    """Return PSI/J's error for one of the cluster."""
    transient = error.is_transient or (error.status == _FORBIDDEN and "quota" in error.message)
    return SubmitException(str(error), transient=transient)
