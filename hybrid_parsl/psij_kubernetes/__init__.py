"""A PSI/J executor for Kubernetes: Jobs, and MPIJobs of the Kubeflow MPI Operator.

Any PSI/J program can use it, ``psij.JobExecutor.get_instance("kubernetes")``, and sets what PSI/J
has no word for with custom attributes: see `hybrid_parsl.psij_kubernetes.options`.

PSI/J loads every executor whenever it is imported, so nothing else is imported before one is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hybrid_parsl.psij_kubernetes.config import KubernetesExecutorConfig
    from hybrid_parsl.psij_kubernetes.options import JobOptions

__all__ = ["JobOptions", "KubernetesExecutorConfig"]


def __getattr__(name: str) -> Any:
    """Import what is asked for."""
    if name == "JobOptions":
        from hybrid_parsl.psij_kubernetes.options import JobOptions

        return JobOptions
    if name == "KubernetesExecutorConfig":
        from hybrid_parsl.psij_kubernetes.config import KubernetesExecutorConfig

        return KubernetesExecutorConfig
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
