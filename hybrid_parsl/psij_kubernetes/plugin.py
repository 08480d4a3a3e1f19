"""Entry point for PSI/J: a module that contains only the executor class."""

from hybrid_parsl.psij_kubernetes.executor import KubernetesJobExecutor

__all__ = ["KubernetesJobExecutor"]
