"""Options of jobs on Kubernetes that PSI/J does not have.

Set a field of `JobOptions` for all jobs of an executor in its configuration, or for one job with
the custom attribute ``kubernetes.FIELD``::

    attributes = psij.JobAttributes(
        custom_attributes={
            "kubernetes.image": "python:3.13-slim",
            "kubernetes.inputs": {"data.csv": "/home/me/data.csv"},
            "kubernetes.outputs": {"fit.json": "/home/me/fit.json"},
        }
    )
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from psij import InvalidJobException

if TYPE_CHECKING:
    from pathlib import Path

    from psij import JobSpec

PREFIX = "kubernetes."
_MPI = ("mpich", "openmpi", "intel")
_PULL = ("Always", "IfNotPresent", "Never")


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """Options of a job that a `psij.JobSpec` cannot express.

    Attributes
    ----------
    key
        Unique key of the task. A second submission with the same key and name adopts the job of
        the first instead of running it again; a failed job is replaced. If None, each `psij.Job`
        is its own task.
    image
        Container image; required.
    image_pull_policy
        ``Always``, ``IfNotPresent`` or ``Never``; the default of Kubernetes if None.
    image_pull_secrets
        Names of Secrets for the registry of the image.
    namespace
        Namespace; that of the executor if None.
    service_account
        Service account of the pods. If None, they get no API token.
    node_selector
        Labels that nodes must have.
    tolerations
        As in a pod spec.
    volumes
        Each a mapping with ``name``, ``mountPath``, optionally ``readOnly`` and ``subPath``, and
        a volume source such as ``persistentVolumeClaim``.
    labels, annotations
        Added to the job, its pods and its Secret. The executor's own labels are reserved.
    inputs
        Files in the pods by path (relative to the directory of the job): bytes, or the path of a
        local file. Transferred as a Secret, so at most 1 MiB in total.
    outputs
        Local destination of files that the job leaves, by path in the pod. A path with wildcards
        maps to a local folder. Files are transferred through the log of the pod with length and
        checksum: a damaged or missing file fails the job and never yields a wrong result.
    lines
        Local destination of lines that processes emit while the job runs, by file name; wildcards
        as in `outputs`. `hybrid_parsl.psij_kubernetes.log_protocol` describes the format. A line
        that the file contains is not written again. A line may be lost if several processes
        print at the same time.
    pending_reason
        Local file that holds the reason while the job cannot start.
    restricted
        Comply with the Pod Security Standard "restricted", with a read-only root file system and
        /tmp in memory. The image must declare a numeric non-root user.
    pod
        Merged into the pod template last: mappings recursively, lists of named items (containers,
        volumes) by name; other values are replaced.
    ttl_s
        Seconds after which the cluster deletes a finished job that is still there.
    longest_wait_s
        Maximum seconds between creation and start, queues included, before the job fails.
    priority_class
        PriorityClass of the pods.
    requests
        Default resource requests of each process, as Kubernetes quantities; 1 CPU and 512Mi of
        memory if not set. Quotas and Kueue ignore pods without requests.
    limits
        Resource limits of each process, as quantities. By default memory is limited to the
        requested memory of the job, and CPU is not limited.
    launcher_resources
        Resources of the launcher container of an MPIJob. Ranks run in the workers, so the
        launcher needs little.
    run_launcher_as_worker
        Run ranks in the launcher pod too: an MPIJob on N nodes has N - 1 workers.
    scheduling_policy
        ``runPolicy.schedulingPolicy`` of an MPIJob, for operators with ``--gang-scheduling``.
        ``minAvailable`` defaults to the number of workers, because the launcher is created only
        when they are ready.
    scratch_limit
        Size limit of each scratch volume that the executor adds, as a quantity.
    grace_s
        Seconds between SIGTERM and SIGKILL when a job is cancelled.
    gpu_resource
        Resource name of a GPU in the cluster.
    mpi
        MPI library of the image: ``mpich``, ``openmpi`` or ``intel``.
    ssh_path
        Folder in the image where ssh expects its keys.
    worker_command
        Command of the workers of an MPIJob: the ssh server, in the foreground.
    """

    key: str | None = None
    image: str | None = None
    image_pull_policy: str | None = None
    image_pull_secrets: Sequence[str] = ()
    namespace: str | None = None
    service_account: str | None = None
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Mapping[str, Any]] = ()
    volumes: Sequence[Mapping[str, Any]] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str | Path | bytes] = field(default_factory=dict)
    outputs: Mapping[str, str | Path] = field(default_factory=dict)
    lines: Mapping[str, str | Path] = field(default_factory=dict)
    pending_reason: str | None = None
    restricted: bool = False
    pod: Mapping[str, Any] = field(default_factory=dict)
    ttl_s: int = 3600
    longest_wait_s: int = 7 * 86_400
    priority_class: str | None = None
    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)
    launcher_resources: Mapping[str, Any] = field(
        default_factory=lambda: {"requests": {"cpu": "100m", "memory": "64Mi"}}
    )
    run_launcher_as_worker: bool = False
    scheduling_policy: Mapping[str, Any] = field(default_factory=dict)
    scratch_limit: str = "1Gi"
    grace_s: int = 5
    gpu_resource: str = "nvidia.com/gpu"
    mpi: str = "mpich"
    ssh_path: str = "/home/mpiuser/.ssh"
    worker_command: Sequence[str] = (
        "/usr/sbin/sshd",
        "-De",
        "-f",
        "/home/mpiuser/.sshd_config",
    )

    def for_job(self, spec: JobSpec) -> JobOptions:
        """Return a copy with the custom attributes of `spec` applied.

        Raises
        ------
        InvalidJobException
            If an attribute is unknown or its value has the wrong type.
        """
        given = spec.attributes.custom_attributes if spec.attributes else None
        values = {
            name.removeprefix(PREFIX): value
            for name, value in (given or {}).items()
            if name.startswith(PREFIX)
        }
        known = {each.name for each in fields(self)}
        for name, value in values.items():
            if name not in known:
                raise InvalidJobException(_unknown(name, sorted(known)))
            _check(name, value)
        return replace(self, **values)


def _unknown(name: str, known: list[str]) -> str:
    """Return the message for an unknown attribute."""
    near = difflib.get_close_matches(name, known, 1)
    hint = f" Did you mean '{PREFIX}{near[0]}'?" if near else ""
    names = ", ".join(known)
    return f"Unknown custom attribute '{PREFIX}{name}'.{hint} Valid after '{PREFIX}': {names}"


_TABLES = (
    "node_selector", "labels", "annotations", "inputs", "outputs", "lines", "pod",
    "requests", "limits", "launcher_resources", "scheduling_policy",
)  # fmt: skip
_LISTS = ("image_pull_secrets", "tolerations", "volumes", "worker_command")
_NUMBERS = ("ttl_s", "longest_wait_s", "grace_s")
_CHOICES = {
    "mpi": _MPI,
    "image_pull_policy": _PULL,
    "restricted": (True, False),
    "run_launcher_as_worker": (True, False),
}


def _check(name: str, value: object) -> None:
    """Validate the type of an attribute.

    Raises
    ------
    InvalidJobException
        If `value` is invalid.
    """
    if name in _TABLES:
        _require(isinstance(value, Mapping), name, value, "a dict")
    elif name in _LISTS:
        is_list = isinstance(value, Sequence) and not isinstance(value, str | bytes)
        _require(is_list, name, value, "a list")
    elif name in _NUMBERS:
        _require(
            type(value) is int and value >= 0, name, value, "a number of seconds, an integer >= 0"
        )
    elif name in _CHOICES:
        words = ", ".join(map(str, _CHOICES[name]))
        _require(value in _CHOICES[name], name, value, f"one of {words}")
    else:
        _require(isinstance(value, str) and bool(value), name, value, "a non-empty string")


def _require(fits: bool, name: str, value: object, valid: str) -> None:  # noqa: FBT001
    """Raise an error that names the valid values unless `fits`.

    Raises
    ------
    InvalidJobException
        If `fits` is False.
    """
    if not fits:
        message = f"The custom attribute '{PREFIX}{name}' must be {valid}, not {value!r}"
        raise InvalidJobException(message)
