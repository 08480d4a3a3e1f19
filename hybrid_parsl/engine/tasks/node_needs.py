"""What a block has to ask for on each of its nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hybrid_parsl.engine.jobs.psij_loading import load_psij

if TYPE_CHECKING:
    from psij import ResourceSpecV1

    from hybrid_parsl.engine.tasks.resource_request import ResourceRequest


@dataclass(frozen=True)
class NodeNeeds:
    """The most that the ranks of any task need on one node.

    Attributes
    ----------
    cores, gpus, memory_bytes
        At least 0; 0 requests nothing.
    """

    cores: int = 0
    gpus: int = 0
    memory_bytes: int = 0

    def including(self, request: ResourceRequest) -> NodeNeeds:
        """Return what a further task needs as well."""
        each = request.ranks_per_node
        return NodeNeeds(
            max(self.cores, each * (request.cores_per_rank or 0)),
            max(self.gpus, each * (request.gpus_per_rank or 0)),
            max(self.memory_bytes, each * (request.memory_bytes_per_rank or 0)),
        )

    def to_psij(self, n_nodes: int) -> ResourceSpecV1:
        """Return a block of `n_nodes` nodes of its own in PSI/J's words."""
        return load_psij().ResourceSpecV1(
            node_count=n_nodes,
            processes_per_node=1,
            exclusive_node_use=True,
            cpu_cores_per_process=self.cores or None,
            gpu_cores_per_process=self.gpus or None,
            memory=self.memory_bytes * n_nodes or None,
        )
