"""The settings of a site that is a Kubernetes cluster."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from parsl import Config
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from hybrid_parsl import __version__, labels
from hybrid_parsl.engine.jobs.kube_context import KubeContext
from hybrid_parsl.engine.kubernetes.executor import KubernetesExecutor
from hybrid_parsl.engine.site_settings import SiteSettings
from hybrid_parsl.engine.tasks.folders import TaskFolders
from hybrid_parsl.engine.time_spans import Duration, PositiveDuration  # noqa: TC001 - pydantic reads it
from hybrid_parsl.engine.warm_processes import WarmProcesses, WarmProcessExecutor
from hybrid_parsl.psij_kubernetes.names import label_value

if TYPE_CHECKING:
    from pathlib import Path

    from parsl.executors.base import ParslExecutor


_OPTIONS = (
    "image", "image_pull_policy", "image_pull_secrets", "service_account", "node_selector",
    "tolerations", "volumes", "annotations", "restricted", "pod", "mpi", "priority_class",
    "launcher_resources", "run_launcher_as_worker", "scheduling_policy", "scratch_limit",
    "gpu_resource",
)  # fmt: skip
"""Settings that the executor's `JobOptions` has under the same name."""
_APP = "app.kubernetes.io"


class SchedulingPolicy(BaseModel):
    """``runPolicy.schedulingPolicy`` of an MPIJob, in the operator's words or in snake case."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )

    min_available: int | None = Field(default=None, ge=1)
    min_resources: dict[str, str] | None = None
    queue: str | None = None
    priority_class: str | None = None
    schedule_timeout_seconds: int | None = Field(default=None, ge=0)


class KubernetesSettings(SiteSettings):
    """Settings of a Kubernetes cluster.

    What says how large a search is (``nodes``, ``ranks_per_node``, ``walltime``) replaces what
    the experiment asks for; left out, the experiment decides. A node is a pod.
    """

    image: str = Field(description="Container image with this version of hybrid-parsl.")
    stages: Literal["pods", "driver"] = Field(
        default="pods",
        description="Where circuit and analysis run: in pods, or with the driver, where the "
        "account of a QPU may be.",
    )
    context: str | None = Field(
        default=None, description="Context of the kubeconfig; the current one if left out."
    )
    kubeconfig: str | None = Field(
        default=None,
        description="Path of the kubeconfig; $KUBECONFIG or ~/.kube/config if not set.",
    )
    namespace: str | None = Field(
        default=None, description="Namespace of the jobs; the context's if left out."
    )
    nodes: int | None = Field(default=None, ge=1, description="Pods of a search.")
    ranks_per_node: int | None = Field(default=None, ge=1, description="MPI ranks in each pod.")
    walltime: PositiveDuration | None = Field(
        default=None, description="Longest time of a job, such as 30min or 1:30:00."
    )
    cores_per_rank: float | None = Field(
        default=None,
        ge=0,
        description="CPU cores that each rank requests; 1 if neither this nor the experiment "
        "says it.",
    )
    core_limit_per_rank: float | None = Field(
        default=None, gt=0, description="CPU cores that each rank may use; no limit if left out."
    )
    memory_gib_per_rank: float | None = Field(
        default=None,
        gt=0,
        description="Memory of each rank in GiB, request and limit; 0.5 without a limit "
        "if neither this nor the experiment says it.",
    )
    memory_limit_gib_per_rank: float | None = Field(
        default=None, gt=0, description="Memory limit of each rank in GiB, apart from the request."
    )
    gpus_per_rank: int | None = Field(
        default=None, ge=1, description="GPUs of each rank of a search."
    )
    gpu_resource: str = Field(default="nvidia.com/gpu", description="Resource name of a GPU.")
    launcher_resources: dict[Literal["requests", "limits"], dict[str, str]] | None = Field(
        default=None,
        description="Resources of the launcher's pod; requests of 100m CPU and 64Mi if left out.",
    )
    run_launcher_as_worker: bool = Field(
        default=False, description="Run ranks in the launcher's pod too: one pod fewer."
    )
    scheduling_policy: SchedulingPolicy | None = Field(
        default=None,
        description="For an MPI Operator with gang scheduling: minAvailable (the workers, if left "
        "out), minResources, queue, priorityClass, scheduleTimeoutSeconds.",
    )
    priority_class: str | None = Field(default=None, description="PriorityClass of the pods.")
    labels: dict[str, str] = Field(default={}, description="Labels of all objects.")
    annotations: dict[str, str] = Field(default={}, description="Annotations of jobs and pods.")
    queue: str | None = Field(default=None, description="Local queue of Kueue.")
    account: str | None = Field(default=None, description="Account or project, kept as a label.")
    mpi: Literal["mpich", "openmpi", "intel"] = Field(
        default="mpich", description="MPI in the image."
    )
    node_selector: dict[str, str] = Field(default={}, description="Labels that nodes must have.")
    tolerations: list[dict[str, Any]] = Field(
        default=[], description="Tolerations, as in a pod's specification."
    )
    volumes: list[dict[str, Any]] = Field(
        default=[], description="Volumes: name, mountPath, and a source such as hostPath."
    )
    service_account: str | None = Field(
        default=None, description="Service account of the pods; without one they get no token."
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        default=None, description="When the image is pulled; Kubernetes decides if left out."
    )
    image_pull_secrets: list[str] = Field(default=[], description="Secrets for the registry.")
    environment: dict[str, str] = Field(default={}, description="Variables of the ranks.")
    python: str = Field(default="python", description="Interpreter in the image.")
    restricted: bool = Field(
        default=True, description="Keep to the Pod Security Standard 'restricted'."
    )
    pod: dict[str, Any] = Field(default={}, description="Laid over the pods' specification.")
    scratch_limit: str = Field(
        default="1Gi", description="Size limit of /tmp and of the task's folder in each pod."
    )
    keep: Literal["none", "failed", "all"] = Field(
        default="failed", description="Which finished jobs stay until their time to live is over."
    )
    time_to_live: Duration = Field(
        default=timedelta(hours=1), description="When the cluster removes a finished job."
    )
    start_patience: Duration = Field(
        default=timedelta(seconds=30), description="A job that cannot start fails after so long."
    )
    longest_wait: PositiveDuration = Field(
        default=timedelta(days=7),
        description="A job that waits longer for a queue or for its pods fails.",
    )

    def cluster(self) -> KubeContext:
        """Return where the jobs run."""
        return KubeContext(
            self.kubeconfig,
            self.context,
            self.namespace,
            self.keep,
            self.start_patience.total_seconds(),
        )

    def options(self, run: str) -> dict[str, Any]:
        """Return what PSI/J has no word for, as its custom attributes are named.

        Parameters
        ----------
        run
            The id of the run, for the label ``app.kubernetes.io/instance``.
        """
        app = {
            f"{_APP}/name": "hybrid-parsl",
            f"{_APP}/instance": label_value(run),
            f"{_APP}/version": label_value(__version__),
            f"{_APP}/part-of": "hybrid-parsl",
        }
        limits = {
            "cpu": self.core_limit_per_rank and f"{self.core_limit_per_rank:g}",
            "memory": self.memory_limit_gib_per_rank and f"{self.memory_limit_gib_per_rank:g}Gi",
        }
        return {
            **self.model_dump(include=set(_OPTIONS), exclude_none=True, by_alias=True),
            "labels": app | self.labels,
            "requests": {} if self.cores_per_rank is None else {"cpu": f"{self.cores_per_rank:g}"},
            "limits": {name: amount for name, amount in limits.items() if amount},
            "ttl_s": int(self.time_to_live.total_seconds()),
            "longest_wait_s": int(self.longest_wait.total_seconds()),
        }

    def size(self) -> dict[str, float | None]:
        """Return what replaces a part of a search's resources."""
        values = {
            "num_nodes": self.nodes,
            "ranks_per_node": self.ranks_per_node,
            "walltime_s": int(self.walltime.total_seconds()) if self.walltime else None,
            "gpus_per_rank": self.gpus_per_rank,
        }
        return {key: value for key, value in values.items() if value is not None} | self.rank()

    def rank(self) -> dict[str, float | None]:
        """Return what replaces a part of the resources of each process of any stage."""
        found: dict[str, float | None] = {}
        if self.cores_per_rank is not None:  # maybe a fraction: the options request it
            found["cores_per_rank"] = None
        if self.memory_gib_per_rank is not None:
            found["memory_gib_per_rank"] = self.memory_gib_per_rank
        return found

    def parsl_config(self, directory: Path) -> Config:
        """Return what Parsl needs for a run in `directory`."""
        folders = TaskFolders(directory / "tasks")
        return Config(
            executors=[
                self.executor(labels.MPI, directory, folders, "mpirun", self.size()),
                *self.stage_executors(directory, folders),
            ],
            run_dir=str(directory / "parsl"),
            strategy="none",
        )

    def stage_executors(self, directory: Path, folders: TaskFolders) -> list[ParslExecutor]:
        """Return the executors of circuit and analysis, for a run in `directory`."""
        others = (labels.QUANTUM, labels.ANALYSIS)
        if self.stages == "pods":
            size = self.rank()
            return [self.executor(label, directory, folders, "single", size) for label in others]
        processes = WarmProcesses(1)
        tasks = directory / "tasks"
        return [WarmProcessExecutor(label, tasks, processes) for label in others]

    def executor(
        self,
        label: str,
        directory: Path,
        folders: TaskFolders,
        launcher: str,
        overrides: dict[str, float | None],
    ) -> KubernetesExecutor:
        """Return the executor of one label, for a run in `directory`."""
        return KubernetesExecutor(
            label,
            directory / "tasks",
            self.cluster(),
            self.options(directory.name),
            launcher=launcher,
            python=self.python,
            environment=self.environment,
            overrides=overrides,
            queue=self.queue,
            account=self.account,
            folders=folders,
        )
