"""Pod templates of a job, and the Job or MPIJob (Kubeflow MPI Operator) that contains them.

The fields of MPIJob v2beta1 are documented at https://github.com/kubeflow/mpi-operator.
"""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psij import InvalidJobException

from hybrid_parsl.psij_kubernetes import names
from hybrid_parsl.psij_kubernetes.command import POD_ADDRESS

if TYPE_CHECKING:
    from psij import JobSpec

    from hybrid_parsl.psij_kubernetes.command import ProcessLayout
    from hybrid_parsl.psij_kubernetes.options import JobOptions

Manifest = dict[str, Any]
INPUTS = "psij-inputs"
"""Name of the volume with the inputs of a job."""
_MPI_IMPLEMENTATIONS = {"mpich": "MPICH", "openmpi": "OpenMPI", "intel": "Intel"}
_SSH_PORT = 2222
_SLACK_S = 60
_ADDRESS = "$(PSIJ_POD_IP)"
_ADDRESS_VARIABLE = {
    "name": "PSIJ_POD_IP",
    "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}},
}
# where a seccomp profile forbids process_vm_readv, MPICH ranks fail in MPI_Init with EPERM
_VARIABLES = {"mpich": {"MPIR_CVAR_CH4_CMA_ENABLE": "0"}}
_RESTRICTED_POD = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
_RESTRICTED_CONTAINER = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
_DEFAULT_REQUESTS = {"cpu": "1", "memory": "512Mi"}
_SHARED_MEMORY_PATH = "/dev/shm"  # noqa: S108 - used by MPI libraries
_MIB = 2**20
_MIN_SHARED_MEMORY = 64 * _MIB
_SHARED_MEMORY_PER_PROCESS = 8 * _MIB
_DOLLAR = re.compile(r"\$(?=[$(])")
_UNITS = {
    "": 1, "n": 1e-9, "u": 1e-6, "m": 1e-3,
    "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60,
}  # fmt: skip
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([numkMGTPE]|[KMGTPE]i)?")


@dataclass(frozen=True)
class Pods:
    """Builder of the pod templates of one job.

    Attributes
    ----------
    spec, options, layout
        The requested job.
    name
        Name of the job.
    folder
        Working directory in every pod; that of the image if None.
    inputs
        Paths of the inputs in the pods, in the order of the keys of the Secret.
    secret
        Name of the Secret.
    """

    spec: JobSpec
    options: JobOptions
    layout: ProcessLayout
    name: str
    folder: str | None
    inputs: Sequence[str]
    secret: str

    def job(self, command: Sequence[str]) -> Manifest:
        """Return a Job that runs `command` once in one pod."""
        duration = self._duration_s()
        template = self._template(names.MAIN, command)
        template["spec"]["activeDeadlineSeconds"] = duration
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": self._metadata("job"),
            "spec": {
                "backoffLimit": 0,
                "completions": 1,
                "parallelism": 1,
                "activeDeadlineSeconds": duration + self.options.longest_wait_s,
                "ttlSecondsAfterFinished": self.options.ttl_s,
                "template": self._with_overlay(template),
            },
        }

    def mpi_job(self, command: Sequence[str]) -> Manifest:
        """Return an MPIJob whose launcher runs `command` when all workers are ready."""
        duration = self._duration_s()
        launcher = self._template(names.LAUNCHER, command)
        launcher["spec"]["activeDeadlineSeconds"] = duration
        replicas = {"Launcher": self._replicas(1, launcher)}
        if self._n_workers:
            replicas["Worker"] = self._replicas(self._n_workers, self._worker())
        return {
            "apiVersion": "kubeflow.org/v2beta1",
            "kind": "MPIJob",
            "metadata": self._metadata("mpijob"),
            "spec": {
                "slotsPerWorker": self.layout.n_processes // self.layout.n_nodes,
                "sshAuthMountPath": self.options.ssh_path,
                "launcherCreationPolicy": "WaitForWorkersReady",
                "mpiImplementation": _MPI_IMPLEMENTATIONS[self.options.mpi],
                **({"runLauncherAsWorker": True} if self.options.run_launcher_as_worker else {}),
                "runPolicy": {
                    # keep failed workers for diagnosis
                    "cleanPodPolicy": "Running",
                    "backoffLimit": 0,
                    "activeDeadlineSeconds": duration + _SLACK_S,
                    "ttlSecondsAfterFinished": self.options.ttl_s,
                    # the operator's default includes the launcher, which is not created until
                    # all workers are ready: a gang scheduler would wait forever
                    # (https://github.com/kubeflow/mpi-operator/issues/608)
                    "schedulingPolicy": {
                        "minAvailable": max(1, self._n_workers),
                        **self.options.scheduling_policy,
                    },
                },
                "mpiReplicaSpecs": replicas,
            },
        }

    @property
    def _n_workers(self) -> int:
        """Number of worker pods of an MPIJob."""
        return self.layout.n_nodes - self.options.run_launcher_as_worker

    def _worker(self) -> Manifest:
        """Return the pod template of the workers."""
        worker = self._template(names.WORKER, self.options.worker_command)
        deadline = self._duration_s() + self.options.longest_wait_s
        worker["spec"]["activeDeadlineSeconds"] = deadline
        worker["spec"]["containers"][0]["readinessProbe"] = {
            "tcpSocket": {"port": _SSH_PORT},
            "periodSeconds": 1,
            "failureThreshold": 300,
        }
        return worker

    def _replicas(self, n_pods: int, template: Manifest) -> Manifest:
        """Return the replica spec of one role of an MPIJob."""
        return {
            "replicas": n_pods,
            "restartPolicy": "Never",
            "template": self._with_overlay(template),
        }

    def _duration_s(self) -> int:
        """Return the walltime limit in seconds, at least 1."""
        seconds: float = self.spec.attributes.duration.total_seconds()
        return max(1, round(seconds))

    def labels(self, component: str) -> dict[str, str]:
        """Return the labels of the object of the job with the role `component`.

        User labels override the recommended labels but not those that identify the job.
        """
        labels = names.recommended_labels(self.spec.name, self.name, component)
        labels |= {**self.options.labels, names.MANAGED_BY: names.MANAGER}
        if self.spec.attributes.account:
            labels[names.ACCOUNT_LABEL] = names.label_value(self.spec.attributes.account)
        return labels

    def _metadata(self, component: str) -> Manifest:
        """Return labels and annotations of the Job or MPIJob."""
        labels = self.labels(component)
        if self.spec.attributes.queue_name:
            labels[names.QUEUE_LABEL] = self.spec.attributes.queue_name
        return {"labels": labels, "annotations": dict(self.options.annotations)}

    def _template(self, role: str, command: Sequence[str]) -> Manifest:
        """Return the pod template of one role."""
        labels = {**self.labels(role), names.JOB_LABEL: self.name, names.ROLE_LABEL: role}
        has_ranks = role != names.LAUNCHER or self.options.run_launcher_as_worker
        resources = dict(self.options.launcher_resources)
        if has_ranks:
            resources = pod_resources(self.spec, self.options, self.layout)
        volumes, mounts = self._volumes(has_ranks=has_ranks)
        # images for the operator have an entrypoint that sets up MPI and executes its arguments;
        # other jobs bypass the entrypoint
        field = "command" if role == names.MAIN else "args"
        container: Manifest = {
            "name": names.CONTAINER,
            "image": self.options.image,
            field: [
                _ADDRESS if word == POD_ADDRESS else escape_expansion(word) for word in command
            ],
            "env": self._environment(role),
            "resources": resources,
            "volumeMounts": mounts,
            "terminationMessagePolicy": "File",
        }
        if self.options.image_pull_policy:
            container["imagePullPolicy"] = self.options.image_pull_policy
        if self.folder is not None:
            container["workingDir"] = self.folder
        if self.options.restricted:
            container["securityContext"] = _RESTRICTED_CONTAINER
        return {
            "metadata": {"labels": labels, "annotations": dict(self.options.annotations)},
            "spec": self._pod_spec(container, volumes),
        }

    def _environment(self, role: str) -> list[Manifest]:
        """Return the environment of one role; the launcher forwards it to the ranks."""
        variables = self.spec.environment or {}
        address = []
        if role == names.LAUNCHER:
            variables = {**_VARIABLES.get(self.options.mpi, {}), **variables}
            address = [_ADDRESS_VARIABLE]
        given = [
            {"name": name, "value": escape_expansion(str(value))}
            for name, value in variables.items()
        ]
        return [*address, *given]

    def _pod_spec(self, container: Manifest, volumes: list[Manifest]) -> Manifest:
        """Return the spec of a pod that runs `container`."""
        options = self.options
        account = options.service_account
        values = {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": options.grace_s,
            "enableServiceLinks": False,
            "automountServiceAccountToken": account is not None,
            "serviceAccountName": account,
            "priorityClassName": options.priority_class,
            "imagePullSecrets": [{"name": name} for name in options.image_pull_secrets],
            "nodeSelector": dict(options.node_selector),
            "tolerations": [dict(each) for each in options.tolerations],
            "securityContext": _RESTRICTED_POD if options.restricted else None,
            "containers": [container],
            "volumes": volumes,
        }
        return {key: value for key, value in values.items() if value not in (None, [], {})}

    def _volumes(self, *, has_ranks: bool) -> tuple[list[Manifest], list[Manifest]]:
        """Return the volumes of a pod and their mounts."""
        volumes, mounts = [], []
        for volume in self.options.volumes:
            source, mount = split_volume(volume)
            volumes.append(source)
            mounts.append(mount)
        scratch = {"sizeLimit": self.options.scratch_limit}
        in_memory = {"medium": "Memory", **scratch}
        shared = {"medium": "Memory", "sizeLimit": shared_memory(self.layout)}
        empty = {
            "psij-tmp": ("/tmp", in_memory, self.options.restricted),  # noqa: S108
            "psij-shm": (_SHARED_MEMORY_PATH, shared, self.layout.is_mpi and has_ranks),
            "psij-folder": (self.folder, scratch, bool(self.inputs or self.options.outputs)),
        }
        given = list(mounts)
        for name, (path, directory, is_wanted) in empty.items():
            if path and is_wanted and not is_mounted(path, given):
                volumes.append({"name": name, "emptyDir": directory})
                mounts.append({"name": name, "mountPath": path})
        if self.inputs:
            volumes.append({"name": INPUTS, "secret": {"secretName": self.secret}})
            mounts += [
                {
                    "name": INPUTS,
                    "mountPath": posixpath.join(self.folder or "/", path),
                    "subPath": str(number),
                    "readOnly": True,
                }
                for number, path in enumerate(self.inputs)
            ]
        return volumes, mounts

    def _with_overlay(self, template: Manifest) -> Manifest:
        """Return `template` merged with the `pod` option."""
        overlay = self.options.pod
        if not overlay:
            return template
        if not {"metadata", "spec"} >= set(overlay):
            overlay = {"spec": overlay}
        merged: Manifest = merge(template, overlay)
        return merged


def pod_resources(spec: JobSpec, options: JobOptions, layout: ProcessLayout) -> dict[str, Any]:
    """Return the resources of one pod that runs processes of a job.

    Parameters
    ----------
    spec, options, layout
        The job; its memory is divided evenly among the pods.

    Raises
    ------
    InvalidJobException
        If a quantity is invalid or a request exceeds its limit.
    """
    each = layout.n_processes // layout.n_nodes
    limits = _scaled(options.limits, each, "limits")
    requests = _scaled({**_DEFAULT_REQUESTS, **options.requests}, each, "requests")
    requests = {name: min(amount, limits.get(name, amount)) for name, amount in requests.items()}
    requested = spec.resources
    if requested and requested.cpu_cores_per_process:
        requests["cpu"] = requested.cpu_cores_per_process * each
    if requested and requested.memory:
        requests["memory"] = -(-requested.memory // layout.n_nodes)
        limits.setdefault("memory", requests["memory"])
    if requested and requested.gpu_cores_per_process:
        limits[options.gpu_resource] = requested.gpu_cores_per_process * each
    for name in requests.keys() & limits.keys():
        if requests[name] > limits[name]:
            message = (
                f"The request of {format_quantity(requests[name])} {name} per pod exceeds the "
                f"limit of {format_quantity(limits[name])}"
            )
            raise InvalidJobException(message)
    parts = {"requests": requests, "limits": limits}
    return {
        part: {name: format_quantity(amount) for name, amount in amounts.items()}
        for part, amounts in parts.items()
        if amounts
    }


def shared_memory(layout: ProcessLayout) -> str:
    """Return the size limit of ``/dev/shm`` for the ranks of one pod.

    MPICH maps about 1 MiB per rank and UCX about 4 MiB; the default of a container, 64 MiB, is
    enough for 11 ranks.
    """
    each = layout.n_processes // layout.n_nodes
    return format_quantity(_MIN_SHARED_MEMORY + _SHARED_MEMORY_PER_PROCESS * each)


def _scaled(amounts: Mapping[str, str], factor: int, option: str) -> dict[str, float]:
    """Return the amounts of `factor` processes, by resource.

    Raises
    ------
    InvalidJobException
        If a quantity is invalid or negative.
    """
    found = {name: factor * parse_quantity(str(text)) for name, text in amounts.items()}
    for name, amount in found.items():
        if not amount >= 0:
            valid = "a quantity >= 0 such as 500m or 2Gi"
            message = f"'kubernetes.{option}' has {amounts[name]!r} for {name}; valid: {valid}"
            raise InvalidJobException(message)
    return found


def parse_quantity(text: str) -> float:
    """Return a Kubernetes quantity such as ``500m`` or ``2Gi`` as a number; NaN if invalid.

    Follows the grammar of `resource.Quantity`. ``kubernetes.utils.parse_quantity`` is more lenient
    (``1 Gi``, ``1_000``, ``NaN``) and not available in a dry run without the client.
    """
    found = _QUANTITY.fullmatch(text)
    return float(found[1]) * _UNITS[found[2] or ""] if found else math.nan


def format_quantity(number: float) -> str:
    """Return a number as a Kubernetes quantity, rounded up to thousandths."""
    if number != int(number):
        return f"{math.ceil(1000 * number)}m"
    for unit in ("Gi", "Mi"):
        if number >= _UNITS[unit] and number % _UNITS[unit] == 0:
            return f"{int(number / _UNITS[unit])}{unit}"
    return str(int(number))


def escape_expansion(text: str) -> str:
    """Escape `text` so that Kubernetes does not expand ``$(NAME)`` and ``$$`` in it."""
    return _DOLLAR.sub("$$", text)


def split_volume(volume: Mapping[str, Any]) -> tuple[Manifest, Manifest]:
    """Return the volume and the mount of an entry of the `volumes` option.

    Raises
    ------
    InvalidJobException
        If name, mount path or source is missing.
    """
    mount = {
        key: volume[key] for key in ("name", "mountPath", "readOnly", "subPath") if key in volume
    }
    source = {key: value for key, value in volume.items() if key not in mount} | {
        "name": volume.get("name")
    }
    if not {"name", "mountPath"} <= set(mount) or len(source) != 2:  # noqa: PLR2004 - name, source
        valid = "name, mountPath, optionally readOnly and subPath, and one source"
        message = f"Invalid volume {dict(volume)!r}; valid: {valid}"
        raise InvalidJobException(message)
    return source, mount


def is_mounted(path: str, mounts: Sequence[Manifest]) -> bool:
    """Return whether `path` is inside one of the volume mounts."""
    folders = [mount["mountPath"].rstrip("/") + "/" for mount in mounts]
    return any((path.rstrip("/") + "/").startswith(folder) for folder in folders)


def merge(base: Any, overlay: Any) -> Any:
    """Return `base` with `overlay` applied.

    Mappings are merged recursively and lists of named items by name; other values are replaced.
    """
    if isinstance(base, Mapping) and isinstance(overlay, Mapping):
        merged = dict(base)
        for key, value in overlay.items():
            merged[key] = merge(base[key], value) if key in base else value
        return merged
    if _are_named(base) and _are_named(overlay):
        items = {each["name"]: each for each in base}
        for each in overlay:
            name = each["name"]
            items[name] = merge(items[name], each) if name in items else dict(each)
        return list(items.values())
    return overlay


def _are_named(value: Any) -> bool:
    """Return whether `value` is a list of mappings that all have a name."""
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and bool(value)
        and all(isinstance(each, Mapping) and "name" in each for each in value)
    )
