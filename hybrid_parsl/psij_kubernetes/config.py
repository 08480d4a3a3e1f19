"""How an executor reaches its cluster, and how patient it is."""

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
        Path of a kubeconfig; those of ``$KUBECONFIG`` or ``~/.kube/config`` if None, and inside
        a cluster, where there is none, the service account.
    context
        Its context; the current one if None.
    namespace
        Where jobs run; the context's, or inside a cluster the executor's own, if None.
    options
        What every job starts from; a job's custom attributes come on top.
    keep
        Which finished jobs are left to their ``ttl_s`` instead of being deleted at once:
        ``"none"``, ``"failed"`` or ``"all"``.
    start_patience_s
        Seconds until a job whose pod cannot start fails, where the cause may pass by itself: an
        image that is not pulled, a volume that is not mounted. A cause that cannot pass fails it
        at once, and a cluster that is only busy never does.
    live_log_s
        Seconds between two looks at the log of a job that runs, so that the files of its streams
        grow; None to write them when it has ended.
    retry_s
        Seconds for which a call is repeated while the API server does not answer; one try waits
        no longer for a connection or an answer.
    silence_s
        Seconds without a word after which a watch is taken for broken; the API server speaks
        once a minute.
    n_threads
        Threads for logs and deletions, for all jobs together.
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
        """Return this configuration with another context of the kubeconfig, if one is given."""
        return self if context is None else replace(self, context=context)

    def keeps(self, state: str) -> bool:
        """Return whether a job that ended in the state `state` is left to its time to live."""
        return self.keep == "all" or (self.keep == "failed" and state != "COMPLETED")
