"""A PSI/J executor for Kubernetes: Jobs, and MPIJobs of the Kubeflow MPI Operator.

Any PSI/J program can use it: ``psij.JobExecutor.get_instance("kubernetes")``. Options that PSI/J
does not have are custom attributes; see `hybrid_parsl.psij_kubernetes.options`.

``import psij`` loads all executors, so the heavy imports wait until an instance is created.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hybrid_parsl.psij_kubernetes.config import KubernetesExecutorConfig
    from hybrid_parsl.psij_kubernetes.options import JobOptions

__all__ = ["JobOptions", "KubernetesExecutorConfig"]


def __getattr__(name: str) -> Any:
    """Import a public class on first use."""
    if name == "JobOptions":
        from hybrid_parsl.psij_kubernetes.options import JobOptions

        return JobOptions
    if name == "KubernetesExecutorConfig":
        from hybrid_parsl.psij_kubernetes.config import KubernetesExecutorConfig

        return KubernetesExecutorConfig
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
