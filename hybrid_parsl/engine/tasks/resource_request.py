"""What a task asks of a site, in Parsl's words, and the same in PSI/J's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hybrid_parsl.engine.jobs.psij_loading import load_psij
from hybrid_parsl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psij import ResourceSpecV1

RESOURCE_KEYS = ("num_nodes", "ranks_per_node", "num_ranks", "walltime_s")


@dataclass(frozen=True)
class ResourceRequest:
    """Nodes, ranks and time of one task.

    Attributes
    ----------
    num_nodes
        Number of nodes, at least 1.
    ranks_per_node
        MPI ranks on a node, at least 1.
    num_ranks
        All MPI ranks, at most ``num_nodes * ranks_per_node``.
    walltime_s
        Longest run time in seconds, at least 1.
    """

    num_nodes: int
    ranks_per_node: int
    num_ranks: int
    walltime_s: int

    @classmethod
    def from_parsl(
        cls, specification: Mapping[str, Any], overrides: Mapping[str, int] | None = None
    ) -> ResourceRequest:
        """Read Parsl's resource specification; what is left out is one rank for one hour.

        Parameters
        ----------
        specification
            What a task asks for.
        overrides
            Keys that the site decides; where they change the layout, all places get a rank.

        Raises
        ------
        ConfigurationError
            A key is not known, or a value is no positive whole number or contradicts another.
        """
        source = "resource specification"
        if overrides:
            specification = {**specification, **overrides}
            if {"num_nodes", "ranks_per_node"} & set(overrides):
                specification.pop("num_ranks", None)
        for key, value in specification.items():
            if key not in RESOURCE_KEYS:
                raise ConfigurationError("unknown key", source, key, key, ", ".join(RESOURCE_KEYS))
            if type(value) is not int or value < 1:
                message = "is no positive whole number"
                raise ConfigurationError(message, source, key, repr(value), "1 or more")
        nodes = specification.get("num_nodes", 1)
        total = specification.get("num_ranks")
        each = specification.get("ranks_per_node", -(-(total or nodes) // nodes))
        total = nodes * each if total is None else total
        if not nodes <= total <= nodes * each:
            raise ConfigurationError(
                f"does not fit num_nodes = {nodes} with ranks_per_node = {each}",
                source,
                "num_ranks",
                str(total),
                f"{nodes} to {nodes * each}",
            )
        return cls(nodes, each, total, specification.get("walltime_s", 3600))

    def check_even(self) -> None:
        """Refuse what PSI/J cannot tell a batch scheduler: nodes with different numbers of ranks.

        Raises
        ------
        ConfigurationError
            The ranks do not share out evenly among the nodes.
        """
        if self.num_nodes > 1 and self.num_ranks != self.num_nodes * self.ranks_per_node:
            raise ConfigurationError(
                "a batch job has the same number of ranks on each of its nodes",
                "resources",
                "num_ranks",
                str(self.num_ranks),
                f"{self.num_nodes * self.ranks_per_node}, or another ranks_per_node",
            )

    def check_fits(self, nodes_per_block: int) -> None:
        """Refuse what no block can hold.

        Raises
        ------
        ConfigurationError
            More nodes are asked for than a block has.
        """
        if self.num_nodes > nodes_per_block:
            raise ConfigurationError(
                "more nodes than a block of the site has",
                "resources",
                "num_nodes",
                str(self.num_nodes),
                f"1 to {nodes_per_block}, or a larger setting nodes of the site",
            )

    def to_psij(self) -> ResourceSpecV1:
        """Return the same as PSI/J's resource specification."""
        psij = load_psij()
        if self.num_ranks == self.num_nodes * self.ranks_per_node:
            return psij.ResourceSpecV1(
                node_count=self.num_nodes, processes_per_node=self.ranks_per_node
            )
        return psij.ResourceSpecV1(process_count=self.num_ranks)
