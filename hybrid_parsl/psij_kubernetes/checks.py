"""Check, before anything runs, whether a cluster would take jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hybrid_parsl.psij_kubernetes.answers import ApiError
from hybrid_parsl.psij_kubernetes.api import path
from hybrid_parsl.psij_kubernetes.creating import NO_OPERATOR, refusal

if TYPE_CHECKING:
    from hybrid_parsl.psij_kubernetes.api import Api
    from hybrid_parsl.psij_kubernetes.manifests import JobPlan

_RIGHTS = (
    ("batch", "jobs", ("create", "get", "list", "watch", "delete")),
    ("kubeflow.org", "mpijobs", ("create", "get", "list", "watch", "delete")),
    ("", "secrets", ("create",)),
    ("", "pods", ("get", "list", "watch")),
    ("", "pods/log", ("get",)),
    ("", "events", ("list",)),
)
_ABSENT, _UNAUTHORIZED = 404, 401
_REVIEWS = "apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


API_SERVER, QUOTA = "API server", "quota"
"""Names of checks; that of a quota goes on with its name."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes
    ----------
    name
        What it is.
    is_fine
        Whether it is as it should be; None if that could not be found out.
    detail
        What was found, or what to do about it.
    """

    name: str
    is_fine: bool | None
    detail: str


def check_cluster(api: Api, namespace: str, *, needs_mpi: bool = True) -> list[Check]:
    """Return what was found out about a cluster: its version, MPI Operator, rights and quotas.

    A check that depends on one that failed is left out.

    Parameters
    ----------
    api
        The cluster.
    namespace
        Where jobs would run.
    needs_mpi
        Whether MPIJobs are needed.
    """
    try:
        version = api.call("GET", "version")
    except ApiError as error:
        return [Check(API_SERVER, is_fine=False, detail=str(error))]
    checks = [Check(API_SERVER, is_fine=True, detail=str(version.get("gitVersion", "")))]
    checks.append(_namespace(api, namespace))
    if checks[-1].is_fine is False:
        return checks
    has_mpi = False
    if needs_mpi:
        checks.append(_operator(api))
        has_mpi = checks[-1].is_fine is True
    for group, resource, verbs in _RIGHTS:
        if resource != "mpijobs" or has_mpi:
            checks.append(_rights(api, namespace, group, resource, verbs))
    return [*checks, *_quotas(api, namespace)]


def check_plan(api: Api, plan: JobPlan) -> Check:
    """Return whether the cluster would create a job: a dry run of the server itself.

    Parameters
    ----------
    api
        The cluster.
    plan
        The job; its Secret is tried as well.
    """
    native_id = plan.native_id
    objects = [(native_id.kind, plan.manifest)]
    objects += [("secret", plan.secret)] if plan.secret else []
    for kind, body in objects:
        try:
            api.call("POST", path(kind, native_id.namespace), {"dryRun": "All"}, body)
        except ApiError as error:
            is_fine = None if error.is_transient else False
            return Check(f"dry run of {kind}", is_fine, refusal(error, native_id))
    detail = f"{native_id.name} would be created"
    return Check(f"dry run of {native_id.kind}", is_fine=True, detail=detail)


def _namespace(api: Api, namespace: str) -> Check:
    """Return whether there is the namespace; not every user may ask for that."""
    try:
        api.call("GET", f"api/v1/namespaces/{namespace}")
    except ApiError as error:
        is_fine = False if error.status in (_ABSENT, _UNAUTHORIZED) else None
        return Check("namespace", is_fine=is_fine, detail=str(error))
    return Check("namespace", is_fine=True, detail=namespace)


def _operator(api: Api) -> Check:
    """Return whether the cluster knows MPIJobs."""
    name = "MPI Operator"
    try:
        found = api.call("GET", "apis/kubeflow.org/v2beta1").get("resources") or []
    except ApiError as error:
        if error.status != _ABSENT:
            return Check(name, is_fine=None, detail=str(error))
        found = []
    if any(each.get("name") == "mpijobs" for each in found):
        return Check(name, is_fine=True, detail="mpijobs.kubeflow.org/v2beta1")
    return Check(name, is_fine=False, detail=NO_OPERATOR)


def _rights(api: Api, namespace: str, group: str, resource: str, verbs: tuple[str, ...]) -> Check:
    """Return whether the user may do all that is needed with one kind of objects."""
    name = f"rights on {resource}"
    kind, _, part = resource.partition("/")
    missing = []
    for verb in verbs:
        wanted = {"namespace": namespace, "group": group, "resource": kind, "verb": verb}
        wanted |= {"subresource": part} if part else {}
        review: dict[str, Any] = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": wanted},
        }
        try:
            answer = api.call("POST", _REVIEWS, body=review)
        except ApiError as error:
            return Check(name, is_fine=None, detail=str(error))
        if not answer.get("status", {}).get("allowed"):
            missing.append(verb)
    if missing:
        detail = f"not allowed in namespace {namespace}: {', '.join(missing)}"
        return Check(name, is_fine=False, detail=detail)
    return Check(name, is_fine=True, detail=", ".join(verbs))


def _quotas(api: Api, namespace: str) -> list[Check]:
    """Return what is used of each quota; a full one is not fine."""
    try:
        found = list(api.items(f"api/v1/namespaces/{namespace}/resourcequotas"))
    except ApiError as error:
        return [Check(QUOTA, is_fine=None, detail=str(error))]
    checks = []
    for quota in found:
        status = quota.get("status", {})
        used, hard = status.get("used", {}), status.get("hard", {})
        detail = ", ".join(f"{key} {used.get(key, '0')} of {hard[key]}" for key in sorted(hard))
        is_full = any(used.get(key) == hard[key] for key in hard)
        checks.append(Check(f"{QUOTA} {quota['metadata']['name']}", not is_full, detail))
    return checks
