"""What a job on Kubernetes needs that PSI/J has no word for.

Each field of `JobOptions` can be given for all jobs of an executor, in its configuration, and for
one job as the custom attribute ``kubernetes.FIELD``::

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
    """What a job on Kubernetes is besides its `psij.JobSpec`.

    Attributes
    ----------
    key
        Names the task. A second submission with the same key, under the same name, finds the
        first one's job instead of running it again; one that has failed is replaced. Each
        `psij.Job` is a task of its own if None.
    image
        The container image; there is no default.
    image_pull_policy
        ``Always``, ``IfNotPresent`` or ``Never``; Kubernetes' own default if None.
    image_pull_secrets
        Names of Secrets for the image's registry.
    namespace
        The namespace; the executor's if None.
    service_account
        The pods' service account. Without one they get no token of the cluster.
    node_selector
        Labels that nodes must have.
    tolerations
        As in a pod's specification.
    volumes
        Each a volume in Kubernetes' words with ``name``, ``mountPath``, perhaps ``readOnly`` and
        ``subPath``, and its source, for example ``persistentVolumeClaim``.
    labels, annotations
        Added to the job, its pods and its Secret. Labels that the executor relies on are reserved.
    inputs
        Files in the pods, by their path there (relative to the job's directory): bytes, or the
        path of a file here. They travel as a Secret, so together at most 1 MiB.
    outputs
        Where to write files that the job leaves, by their path in the pod: that may have
        wildcards, and then it names a folder here. They travel through the log of the pod, with
        length and checksum: a damaged or missing one fails the job, never gives a wrong result.
    lines
        Where to write lines that the job's processes tell while it runs, by the name of a file,
        which may have wildcards as those of `outputs`; how a process tells one is said in
        `hybrid_parsl.psij_kubernetes.told_lines`. A line that the file has is not written again.
        One may be lost where several processes print at once.
    why
        A file here that says, while the job does not start, why.
    restricted
        Keep to the Pod Security Standard "restricted", with a read-only root file system and a
        /tmp in memory. The image has to name a user that is not root, by number.
    pod
        Laid over the pod template at last, whatever it holds: tables are merged, lists of named
        things (containers, volumes) by name, all else is replaced.
    ttl_s
        Seconds until the cluster removes a finished job that nobody has removed.
    longest_wait_s
        Seconds that a job may wait, in queues and for its pods, before it fails.
    priority_class
        PriorityClass of the pods.
    requests
        What each process requests where the job's resources do not say, as Kubernetes' quantities;
        1 CPU and 512Mi of memory if left out. Quotas and Kueue do not see pods without requests.
    limits
        What each process may use at most, as quantities. Without one, memory is limited to what
        the job's resources ask for, and CPU is not limited.
    launcher_resources
        Resources of the launcher's pod of an MPIJob, as in a container's specification. Ranks run
        in the workers, so the launcher needs little.
    run_launcher_as_worker
        Run ranks in the launcher's pod too: an MPIJob on N nodes has N - 1 workers.
    scheduling_policy
        ``runPolicy.schedulingPolicy`` of an MPIJob, for operators with ``--gang-scheduling``.
        ``minAvailable`` defaults to the number of workers, because the launcher is created only
        when they are ready.
    scratch_limit
        Size limit of each volume that the executor adds for temporary files, as a quantity.
    grace_s
        Seconds between SIGTERM and SIGKILL when a job is canceled.
    gpu_resource
        What the cluster calls a GPU.
    mpi
        The MPI of the image: ``mpich``, ``openmpi`` or ``intel``.
    ssh_path
        Where the image's ssh looks for its keys.
    worker_command
        What runs on the workers of an MPI job: the ssh server, in the foreground.
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
    why: str | None = None
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
        """Return these options with those that `spec` sets by custom attributes.

        Raises
        ------
        InvalidJobException
            An attribute is not known, or its value is not what it should be.
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
    """Return what to say about an attribute that there is not."""
    near = difflib.get_close_matches(name, known, 1)
    hint = f" Did you mean '{PREFIX}{near[0]}'?" if near else ""
    names = ", ".join(known)
    return f"There is no custom attribute '{PREFIX}{name}'.{hint} Valid after '{PREFIX}': {names}"


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
    """Refuse a value of a wrong type.

    Raises
    ------
    InvalidJobException
        It is one.
    """
    if name in _TABLES:
        _require(isinstance(value, Mapping), name, value, "a dict")
    elif name in _LISTS:
        is_list = isinstance(value, Sequence) and not isinstance(value, str | bytes)
        _require(is_list, name, value, "a list")
    elif name in _NUMBERS:
        _require(type(value) is int and value >= 0, name, value, "a whole number of seconds")
    elif name in _CHOICES:
        words = ", ".join(map(str, _CHOICES[name]))
        _require(value in _CHOICES[name], name, value, f"one of {words}")
    else:
        _require(isinstance(value, str) and bool(value), name, value, "a text")


def _require(fits: bool, name: str, value: object, valid: str) -> None:  # noqa: FBT001
    """Refuse `value` unless it fits.

    Raises
    ------
    InvalidJobException
        It does not.
    """
    if not fits:
        message = f"The custom attribute '{PREFIX}{name}' should be {valid}, not {value!r}"
        raise InvalidJobException(message)
