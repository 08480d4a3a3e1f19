"""The settings of a site that is a Kubernetes cluster."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from parsl import Config
from pydantic import Field

from hybrid_parsl import labels
from hybrid_parsl.engine.jobs.cluster import Cluster
from hybrid_parsl.engine.kubernetes.executor import KubernetesExecutor
from hybrid_parsl.engine.site_settings import SiteSettings
from hybrid_parsl.engine.tasks.folders import TaskFolders
from hybrid_parsl.engine.time_spans import Duration, PositiveDuration  # noqa: TC001 - pydantic reads it

if TYPE_CHECKING:
    from pathlib import Path


class KubernetesSettings(SiteSettings):
    """Settings of a Kubernetes cluster.

    What says how large a search is (``nodes``, ``ranks_per_node``, ``walltime``) replaces what
    the experiment asks for; left out, the experiment decides. A node is a pod.
    """

    image: str = Field(description="Container image with this version of hybrid-parsl.")
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
        default=None, description="Longest time of a job, such as 30m or 1:30:00."
    )
    cpus_per_rank: int | None = Field(default=None, ge=1, description="CPU cores of each rank.")
    memory_gib_per_rank: float | None = Field(
        default=None, gt=0, description="Memory of each rank in GiB, request and limit."
    )
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
    keep: Literal["none", "failed", "all"] = Field(
        default="failed", description="Which finished jobs stay until their time to live is over."
    )
    time_to_live: Duration = Field(
        default=timedelta(hours=1), description="When the cluster removes a finished job."
    )
    start_patience: Duration = Field(
        default=timedelta(seconds=30), description="A job that cannot start fails after so long."
    )

    def cluster(self) -> Cluster:
        """Return where the jobs run."""
        return Cluster(
            self.kubeconfig,
            self.context,
            self.namespace,
            self.keep,
            self.start_patience.total_seconds(),
        )

    def options(self) -> dict[str, Any]:
        """Return what PSI/J has no word for, as its custom attributes are named."""
        values = {
            "image": self.image,
            "image_pull_policy": self.image_pull_policy,
            "image_pull_secrets": self.image_pull_secrets,
            "service_account": self.service_account,
            "node_selector": self.node_selector,
            "tolerations": self.tolerations,
            "volumes": self.volumes,
            "restricted": self.restricted,
            "pod": self.pod,
            "mpi": self.mpi,
            "ttl_s": int(self.time_to_live.total_seconds()),
        }
        return {name: value for name, value in values.items() if value is not None}

    def size(self) -> dict[str, int]:
        """Return what replaces a part of an experiment's resources."""
        values = {
            "num_nodes": self.nodes,
            "ranks_per_node": self.ranks_per_node,
            "walltime_s": int(self.walltime.total_seconds()) if self.walltime else None,
        }
        return {key: value for key, value in values.items() if value is not None}

    def parsl_config(self, directory: Path) -> Config:
        """Return what Parsl needs for a run in `directory`."""
        folders = TaskFolders(directory / "tasks")
        return Config(
            executors=[
                self.executor(labels.MPI, directory / "tasks", folders, "mpirun", self.size()),
                self.executor(labels.QUANTUM, directory / "tasks", folders, "single", {}),
                self.executor(labels.ANALYSIS, directory / "tasks", folders, "single", {}),
            ],
            run_dir=str(directory / "parsl"),
            strategy="none",
        )

    def executor(
        self,
        label: str,
        tasks: Path,
        folders: TaskFolders,
        launcher: str,
        overrides: dict[str, int],
    ) -> KubernetesExecutor:
        """Return the executor of one label, whose tasks have their `folders` in `tasks`."""
        return KubernetesExecutor(
            label,
            tasks,
            self.cluster(),
            self.options(),
            launcher=launcher,
            python=self.python,
            environment=self.environment,
            overrides=overrides,
            queue=self.queue,
            account=self.account,
            cpus_per_rank=self.cpus_per_rank,
            memory_gib_per_rank=self.memory_gib_per_rank,
            folders=folders,
        )
