"""Configuration of the executor: cluster, timeouts and defaults of all jobs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from psij import JobExecutorConfig

from hybrid_parsl.psij_kubernetes.options import JobOptions

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(kw_only=True)
class KubernetesExecutorConfig(JobExecutorConfig):  # type: ignore[misc]
    """Configuration of the executor for Kubernetes.

    Attributes
    ----------
    kubeconfig
        Path of a kubeconfig. If None: ``$KUBECONFIG``, ``~/.kube/config`` or, inside a cluster
        without either, the service account.
    context
        Context of the kubeconfig; the current context if None.
    namespace
        Namespace of the jobs. If None, that of the context or, inside a cluster, of the pod.
    options
        Defaults of all jobs; custom attributes of a job override them.
    keep
        Which finished jobs to keep until their ``ttl_s`` expires instead of deleting them at once:
        ``"none"``, ``"failed"`` or ``"all"``.
    start_patience_s
        Seconds until a job fails if its pod cannot start for a reason that may be temporary, such
        as an image that cannot be pulled or a volume that cannot be mounted. A permanent reason
        fails the job at once; a busy cluster never does.
    live_log_s
        Seconds between two fetches of the log of a running job, so that its stream files grow;
        None to write them only when the job has ended.
    retry_s
        Seconds during which a failed API call is retried; also the upper limit of the connect and
        read timeouts of one attempt.
    silence_s
        Read timeout of a watch in seconds; the API server sends a bookmark every minute.
    n_threads
        Maximum number of threads for logs and deletions of all jobs.
    """

    kubeconfig: str | Path | None = None
    context: str | None = None
    namespace: str | None = None
    options: JobOptions = field(default_factory=JobOptions)
    keep: str = "failed"
    start_patience_s: float = 30.0
    live_log_s: float | None = None
    retry_s: float = 60.0
    silence_s: float = 100.0
    n_threads: int = 8

    def __post_init__(self) -> None:
        super().__init__()

    def in_context(self, context: str | None) -> KubernetesExecutorConfig:
        """Return a copy with `context`; this configuration if it is None."""
        return self if context is None else replace(self, context=context)

    def keeps(self, state: str) -> bool:
        """Return whether a job that ended in `state` is kept until its time to live expires."""
        return self.keep == "all" or (self.keep == "failed" and state != "COMPLETED")
