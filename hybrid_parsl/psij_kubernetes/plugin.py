"""What PSI/J loads, as a module of its own: nothing but the name of the executor."""

from hybrid_parsl.psij_kubernetes.executor import KubernetesJobExecutor

__all__ = ["KubernetesJobExecutor"]
