"""Tells PSI/J of the executor for Kubernetes."""

from packaging.version import Version
from psij.descriptor import Descriptor

__PSI_J_EXECUTORS__ = [
    Descriptor(
        name="kubernetes",
        nice_name="Kubernetes",
        version=Version("0.1.0"),
        cls="hybrid_parsl.psij_kubernetes.plugin.KubernetesJobExecutor",
    )
]
