"""The pods of a job, and what holds them: a Job, or an MPIJob of the Kubeflow MPI Operator.

The MPIJob is of version v2beta1; its fields are those of the operator's own documentation,
https://github.com/kubeflow/mpi-operator.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hybrid_parsl.psij_kubernetes import names
from hybrid_parsl.psij_kubernetes.command import POD_ADDRESS
from hybrid_parsl.psij_kubernetes.overlay import is_mounted, literal, merge, split_volume
from hybrid_parsl.psij_kubernetes.pod_resources import SHARED_MEMORY, pod_resources, shared_memory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psij import JobSpec

    from hybrid_parsl.psij_kubernetes.command import Layout
    from hybrid_parsl.psij_kubernetes.options import JobOptions

Manifest = dict[str, Any]
_IMPLEMENTATIONS = {"mpich": "MPICH", "openmpi": "OpenMPI", "intel": "Intel"}
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
                "template": self._overlaid(template),
            },
        }

    def mpi_job(self, command: Sequence[str]) -> Manifest:
        """Return an MPIJob whose launcher runs `command` when all workers are there."""
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
                "mpiImplementation": _IMPLEMENTATIONS[self.options.mpi],
                **({"runLauncherAsWorker": True} if self.options.run_launcher_as_worker else {}),
                "runPolicy": {
                    # a worker that failed is left to say why
                    "cleanPodPolicy": "Running",
                    "backoffLimit": 0,
                    "activeDeadlineSeconds": duration + _SLACK_S,
                    "ttlSecondsAfterFinished": self.options.ttl_s,
                    # the operator's default counts the launcher, which is not created until all
                    # workers are ready: a gang scheduler would wait forever (mpi-operator 608)
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
        """Workers of an MPIJob, besides a launcher that is one too."""
        return self.layout.n_nodes - self.options.run_launcher_as_worker

    def _worker(self) -> Manifest:
        """Return the template of a worker."""
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

    def labels(self, component: str) -> dict[str, str]:
        """Return the labels of an object that is the `component` of the job.

        The user's own are laid over the recommended ones, and below those that find the job.
        """
        labels = names.recommended_labels(self.spec.name, self.name, component)
        labels |= {**self.options.labels, names.MANAGED_BY: names.MANAGER}
        if self.spec.attributes.account:
            labels[names.ACCOUNT_LABEL] = names.label_value(self.spec.attributes.account)
        return labels

    def _metadata(self, component: str) -> Manifest:
        """Return labels and annotations of the job itself."""
        labels = self.labels(component)
        if self.spec.attributes.queue_name:
            labels[names.QUEUE_LABEL] = self.spec.attributes.queue_name
        return {"labels": labels, "annotations": dict(self.options.annotations)}

    def _template(self, role: str, command: Sequence[str]) -> Manifest:
        """Return the template of the pods of one role."""
        labels = {**self.labels(role), names.JOB_LABEL: self.name, names.ROLE_LABEL: role}
        has_ranks = role != names.LAUNCHER or self.options.run_launcher_as_worker
        resources = dict(self.options.launcher_resources)
        if has_ranks:
            resources = pod_resources(self.spec, self.options, self.layout)
        volumes, mounts = self._volumes(has_ranks=has_ranks)
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
        """Return the volumes of a pod and where they are mounted."""
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
            "psij-shm": (SHARED_MEMORY, shared, self.layout.is_mpi and has_ranks),
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

    def _overlaid(self, template: Manifest) -> Manifest:
        """Return `template` with the user's own on top."""
        overlay = self.options.pod
        if not overlay:
            return template
        if not {"metadata", "spec"} >= set(overlay):
            overlay = {"spec": overlay}
        merged: Manifest = merge(template, overlay)
        return merged
