"""The pods of a job, and what holds them: a Job, or an MPIJob of the Kubeflow MPI Operator.

The MPIJob is of version v2beta1; its fields are those of the operator's own documentation,
https://github.com/kubeflow/mpi-operator.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hybrid_parsl.kubernetes_psij import names
from hybrid_parsl.kubernetes_psij.command import POD_ADDRESS
from hybrid_parsl.kubernetes_psij.overlay import is_mounted, literal, merge, split_volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psij import JobSpec

    from hybrid_parsl.kubernetes_psij.command import Layout
    from hybrid_parsl.kubernetes_psij.options import JobOptions

Manifest = dict[str, Any]
_IMPLEMENTATIONS = {"mpich": "MPICH", "openmpi": "OpenMPI", "intel": "Intel"}
_LAUNCHER_RESOURCES = {"requests": {"cpu": "100m", "memory": "64Mi"}}
INPUTS = "psij-inputs"
"""The volume with the inputs of a job."""
_SSH_PORT = 2222
_SLACK_S = 60
_ADDRESS = "$(PSIJ_POD_IP)"
_ADDRESS_VARIABLE = {
    "name": "PSIJ_POD_IP",
    "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}},
}
# nodes whose seccomp profile forbids process_vm_readv fail MPICH's ranks in MPI_Init with EPERM
_VARIABLES = {"mpich": {"MPIR_CVAR_CH4_CMA_ENABLE": "0"}}
_RESTRICTED_POD = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
_RESTRICTED_CONTAINER = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}


@dataclass(frozen=True)
class Pods:
    """Makes the pod templates of one job.

    Attributes
    ----------
    spec, options, layout
        What is asked for.
    name
        The name of the job.
    folder
        Its directory in every pod; None for the image's own.
    inputs
        Paths of its inputs in the pods, as they are numbered in its Secret.
    secret
        The name of that.
    """

    spec: JobSpec
    options: JobOptions
    layout: Layout
    name: str
    folder: str | None
    inputs: Sequence[str]
    secret: str

    def job(self, command: Sequence[str]) -> Manifest:
        """Return a Job whose one pod runs `command`, once."""
        duration = self._duration_s()
        template = self._template(names.MAIN, command, self._resources())
        template["spec"]["activeDeadlineSeconds"] = duration
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": self._metadata(),
            "spec": {
                "backoffLimit": 0,
                "completions": 1,
                "parallelism": 1,
                "activeDeadlineSeconds": duration + self.options.longest_wait_s,
                "ttlSecondsAfterFinished": self.options.ttl_s,
                "template": self._overlaid(template),
            },
        }

    def mpi_job(self, command: Sequence[str]) -> Manifest:
        """Return an MPIJob whose launcher runs `command` when all workers are there."""
        duration = self._duration_s()
        launcher = self._template(names.LAUNCHER, command, _LAUNCHER_RESOURCES)
        launcher["spec"]["activeDeadlineSeconds"] = duration
        worker = self._template(names.WORKER, self.options.worker_command, self._resources())
        worker["spec"]["activeDeadlineSeconds"] = duration + self.options.longest_wait_s
        worker["spec"]["containers"][0]["readinessProbe"] = {
            "tcpSocket": {"port": _SSH_PORT},
            "periodSeconds": 1,
            "failureThreshold": 300,
        }
        return {
            "apiVersion": "kubeflow.org/v2beta1",
            "kind": "MPIJob",
            "metadata": self._metadata(),
            "spec": {
                "slotsPerWorker": self.layout.n_processes // self.layout.n_nodes,
                "sshAuthMountPath": self.options.ssh_path,
                "launcherCreationPolicy": "WaitForWorkersReady",
                "mpiImplementation": _IMPLEMENTATIONS[self.options.mpi],
                "runPolicy": {
                    # a worker that failed is left to say why
                    "cleanPodPolicy": "Running",
                    "backoffLimit": 0,
                    "activeDeadlineSeconds": duration + _SLACK_S,
                    "ttlSecondsAfterFinished": self.options.ttl_s,
                },
                "mpiReplicaSpecs": {
                    "Launcher": self._replicas(1, launcher),
                    "Worker": self._replicas(self.layout.n_nodes, worker),
                },
            },
        }

    def _replicas(self, n_pods: int, template: Manifest) -> Manifest:
        """Return the specification of one role of an MPIJob."""
        return {
            "replicas": n_pods,
            "restartPolicy": "Never",
            "template": self._overlaid(template),
        }

    def _duration_s(self) -> int:
        """Return how long the job may run, in whole seconds."""
        seconds: float = self.spec.attributes.duration.total_seconds()
        return max(1, round(seconds))

    def _metadata(self) -> Manifest:
        """Return labels and annotations of the job itself."""
        labels = {**self.options.labels, names.MANAGED_BY: names.MANAGER}
        attributes = self.spec.attributes
        if attributes.account:
            labels[names.ACCOUNT_LABEL] = names.label_value(attributes.account)
        if attributes.queue_name:
            labels[names.QUEUE_LABEL] = attributes.queue_name
        return {"labels": labels, "annotations": dict(self.options.annotations)}

    def _template(self, role: str, command: Sequence[str], resources: Manifest) -> Manifest:
        """Return the template of the pods of one role."""
        labels = {
            **self.options.labels,
            names.MANAGED_BY: names.MANAGER,
            names.JOB_LABEL: self.name,
            names.ROLE_LABEL: role,
        }
        if self.spec.attributes.account:
            labels[names.ACCOUNT_LABEL] = names.label_value(self.spec.attributes.account)
        volumes, mounts = self._volumes()
        # an image made for the operator has an entrypoint that prepares its MPI, then runs its
        # arguments; that of any other is none of a job's business
        words = "command" if role == names.MAIN else "args"
        container: Manifest = {
            "name": names.CONTAINER,
            "image": self.options.image,
            words: [_ADDRESS if word == POD_ADDRESS else literal(word) for word in command],
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
        """Return the variables of the pods of one role; a launcher hands them on to the ranks."""
        variables = self.spec.environment or {}
        address = []
        if role == names.LAUNCHER:
            variables = {**_VARIABLES.get(self.options.mpi, {}), **variables}
            address = [_ADDRESS_VARIABLE]
        given = [{"name": name, "value": literal(str(value))} for name, value in variables.items()]
        return [*address, *given]

    def _pod_spec(self, container: Manifest, volumes: list[Manifest]) -> Manifest:
        """Return the specification of a pod that runs `container`."""
        options = self.options
        account = options.service_account
        values = {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": options.grace_s,
            "enableServiceLinks": False,
            "automountServiceAccountToken": account is not None,
            "serviceAccountName": account,
            "imagePullSecrets": [{"name": name} for name in options.image_pull_secrets],
            "nodeSelector": dict(options.node_selector),
            "tolerations": [dict(each) for each in options.tolerations],
            "securityContext": _RESTRICTED_POD if options.restricted else None,
            "containers": [container],
            "volumes": volumes,
        }
        return {key: value for key, value in values.items() if value not in (None, [], {})}

    def _resources(self) -> Manifest:
        """Return the part of the job's resources that one pod has."""
        asked, layout = self.spec.resources, self.layout
        if asked is None:
            return {}
        each = layout.n_processes // layout.n_nodes
        requests: dict[str, str] = {}
        limits: dict[str, str] = {}
        if asked.cpu_cores_per_process:
            requests["cpu"] = str(asked.cpu_cores_per_process * each)
        if asked.memory:
            memory = str(-(-asked.memory // layout.n_nodes))
            requests["memory"] = limits["memory"] = memory
        if asked.gpu_cores_per_process:
            limits[self.options.gpu_resource] = str(asked.gpu_cores_per_process * each)
        parts = {"requests": requests, "limits": limits}
        return {name: values for name, values in parts.items() if values}

    def _volumes(self) -> tuple[list[Manifest], list[Manifest]]:
        """Return the volumes of a pod and where they are mounted."""
        volumes, mounts = [], []
        for volume in self.options.volumes:
            source, mount = split_volume(volume)
            volumes.append(source)
            mounts.append(mount)
        has_tmp, has_folder = (is_mounted(path, mounts) for path in ("/tmp", self.folder or "/"))  # noqa: S108
        if self.options.restricted and not has_tmp:
            volumes.append({"name": "psij-tmp", "emptyDir": {"medium": "Memory"}})
            mounts.append({"name": "psij-tmp", "mountPath": "/tmp"})  # noqa: S108
        if self.folder and not has_folder and (self.inputs or self.options.outputs):
            volumes.append({"name": "psij-folder", "emptyDir": {}})
            mounts.append({"name": "psij-folder", "mountPath": self.folder})
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

    def _overlaid(self, template: Manifest) -> Manifest:
        """Return `template` with the user's own on top."""
        overlay = self.options.pod
        if not overlay:
            return template
        if not {"metadata", "spec"} >= set(overlay):
            overlay = {"spec": overlay}
        merged: Manifest = merge(template, overlay)
        return merged
