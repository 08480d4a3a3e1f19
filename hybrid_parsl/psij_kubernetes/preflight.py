"""Check whether a cluster would accept jobs, without creating anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hybrid_parsl.psij_kubernetes.client import NOT_FOUND, ApiError, object_path
from hybrid_parsl.psij_kubernetes.diagnostics import NO_OPERATOR, explain_rejection

if TYPE_CHECKING:
    from hybrid_parsl.psij_kubernetes.client import ApiClient
    from hybrid_parsl.psij_kubernetes.job_plan import JobPlan

PERMISSIONS = (
    ("batch", "jobs", ("create", "get", "list", "watch", "delete")),
    ("kubeflow.org", "mpijobs", ("create", "get", "list", "watch", "delete")),
    ("", "secrets", ("create",)),
    ("", "pods", ("get", "list", "watch")),
    ("", "pods/log", ("get",)),
    ("", "events", ("list",)),
)
_UNAUTHORIZED = 401
_REVIEWS = "apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
API_SERVER, QUOTA = "API server", "quota"
"""Names of checks; that of a quota is followed by its name."""


@dataclass(frozen=True)
class Check:
    """Result of one check.

    Attributes
    ----------
    name
        What was checked.
    passed
        Whether the check passed; None if that is unknown.
    detail
        What was found, or how to fix it.
    """

    name: str
    passed: bool | None
    detail: str


def check_cluster(api: ApiClient, namespace: str, *, needs_mpi: bool = True) -> list[Check]:
    """Check the version, namespace, MPI Operator, rights and quotas of a cluster.

    Checks that depend on a failed one are omitted.

    Parameters
    ----------
    api
        Client of the cluster.
    namespace
        Namespace of the jobs.
    needs_mpi
        Whether MPIJobs are needed.
    """
    try:
        version = api.request("GET", "version")
    except ApiError as error:
        return [Check(API_SERVER, passed=False, detail=str(error))]
    checks = [Check(API_SERVER, passed=True, detail=str(version.get("gitVersion", "")))]
    checks.append(_namespace(api, namespace))
    if checks[-1].passed is False:
        return checks
    has_mpi = False
    if needs_mpi:
        checks.append(_operator(api))
        has_mpi = checks[-1].passed is True
    for group, resource, verbs in PERMISSIONS:
        if resource != "mpijobs" or has_mpi:
            checks.append(_permissions(api, namespace, group, resource, verbs))
    return [*checks, *_quotas(api, namespace)]


def check_plan(api: ApiClient, plan: JobPlan) -> Check:
    """Check by server-side dry run whether the cluster would create a job and its Secret.

    Parameters
    ----------
    api
        Client of the cluster.
    plan
        The job.
    """
    native_id = plan.native_id
    objects = [(native_id.kind, plan.manifest)]
    objects += [("secret", plan.secret)] if plan.secret else []
    for kind, body in objects:
        try:
            api.request("POST", object_path(kind, native_id.namespace), {"dryRun": "All"}, body)
        except ApiError as error:
            passed = None if error.is_transient else False
            return Check(f"dry run of {kind}", passed, explain_rejection(error, native_id))
    detail = f"{native_id.name} would be created"
    return Check(f"dry run of {native_id.kind}", passed=True, detail=detail)


def _namespace(api: ApiClient, namespace: str) -> Check:
    """Check whether the namespace exists; unknown if the user may not read it."""
    try:
        api.request("GET", f"api/v1/namespaces/{namespace}")
    except ApiError as error:
        passed = False if error.status in (NOT_FOUND, _UNAUTHORIZED) else None
        return Check("namespace", passed=passed, detail=str(error))
    return Check("namespace", passed=True, detail=namespace)


def _operator(api: ApiClient) -> Check:
    """Check whether the cluster has MPIJobs."""
    name = "MPI Operator"
    try:
        found = api.request("GET", "apis/kubeflow.org/v2beta1").get("resources") or []
    except ApiError as error:
        if error.status != NOT_FOUND:
            return Check(name, passed=None, detail=str(error))
        found = []
    if any(each.get("name") == "mpijobs" for each in found):
        return Check(name, passed=True, detail="mpijobs.kubeflow.org/v2beta1")
    return Check(name, passed=False, detail=NO_OPERATOR)


def _permissions(
    api: ApiClient, namespace: str, group: str, resource: str, verbs: tuple[str, ...]
) -> Check:
    """Check whether the user has all required permissions on one resource."""
    name = f"rights on {resource}"
    kind, _, subresource = resource.partition("/")
    missing = []
    for verb in verbs:
        attributes = {"namespace": namespace, "group": group, "resource": kind, "verb": verb}
        attributes |= {"subresource": subresource} if subresource else {}
        body: dict[str, Any] = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        try:
            review = api.request("POST", _REVIEWS, body=body)
        except ApiError as error:
            return Check(name, passed=None, detail=str(error))
        if not review.get("status", {}).get("allowed"):
            missing.append(verb)
    if missing:
        detail = f"not allowed in namespace {namespace}: {', '.join(missing)}"
        return Check(name, passed=False, detail=detail)
    return Check(name, passed=True, detail=", ".join(verbs))


def _quotas(api: ApiClient, namespace: str) -> list[Check]:
    """Return a check of each quota; it fails if the quota is used up."""
    try:
        found = list(api.list_objects(f"api/v1/namespaces/{namespace}/resourcequotas"))
    except ApiError as error:
        return [Check(QUOTA, passed=None, detail=str(error))]
    checks = []
    for quota in found:
        status = quota.get("status", {})
        used, hard = status.get("used", {}), status.get("hard", {})
        detail = ", ".join(f"{key} {used.get(key, '0')} of {hard[key]}" for key in sorted(hard))
        is_full = any(used.get(key) == hard[key] for key in hard)
        checks.append(Check(f"{QUOTA} {quota['metadata']['name']}", not is_full, detail))
    return checks
