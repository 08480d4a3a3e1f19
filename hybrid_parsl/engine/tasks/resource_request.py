"""What a task asks of a site, in Parsl's words, and the same in PSI/J's."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from hybrid_parsl.engine.jobs.psij_loading import load_psij
from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.tasks.folder import N_RANKS_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psij import ResourceSpecV1

_GIB = 1 << 30
_LONGEST_S = 31 * 86_400
GROWTH = "growth"
"""The key of a resource specification with the factors that numbers have grown by since."""


@dataclass(frozen=True)
class ResourceRequest:
    """Nodes, ranks, time and the resources of each rank of one task.

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
    cores_per_rank
        CPU cores of each rank, at least 1; the site decides if None.
    memory_gib_per_rank
        Memory of each rank in GiB, above 0; the site decides if None.
    gpus_per_rank
        GPUs of each rank, at least 1; the site decides if None.
    """

    num_nodes: int
    ranks_per_node: int
    num_ranks: int
    walltime_s: int
    cores_per_rank: int | None = None
    memory_gib_per_rank: float | None = None
    gpus_per_rank: int | None = None

    @classmethod
    def from_parsl(
        cls, specification: Mapping[str, Any], overrides: Mapping[str, float | None] | None = None
    ) -> ResourceRequest:
        """Read Parsl's resource specification; the default is one rank for one hour.

        Parameters
        ----------
        specification
            What a task asks for.
        overrides
            Keys that the site decides; where they change the layout, all places get a rank. What
            a further try gets more of is relative to them.

        Raises
        ------
        ConfigurationError
            If a key is unknown, or a value is out of range or contradicts another.
        """
        source = "resource specification"
        specification = dict(specification)
        growth = specification.pop(GROWTH, {})
        if overrides:
            specification = {**specification, **overrides}
            if {"num_nodes", "ranks_per_node"} & set(overrides):
                specification.pop("num_ranks", None)
        for key, value in specification.items():
            if key not in RESOURCE_KEYS:
                raise ConfigurationError("unknown key", source, key, key, ", ".join(RESOURCE_KEYS))
            if value is None and key in _PER_RANK:
                continue
            if key == "memory_gib_per_rank":
                if type(value) not in (int, float) or not 0 < value < math.inf:
                    message, valid = "must be a positive number", "GiB, above 0"
                    raise ConfigurationError(message, source, key, repr(value), valid)
            elif type(value) is not int or value < 1:
                message = "must be a positive integer"
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
        walltime_s = specification.get("walltime_s", 3600)
        per_rank = {key: specification.get(key) for key in _PER_RANK}
        return cls(nodes, each, total, walltime_s, **per_rank).grown(growth)

    def grown(self, growth: Mapping[str, float]) -> ResourceRequest:
        """Return the request with its walltime, up to 31 days, or memory times a factor."""
        walltime_s = math.ceil(self.walltime_s * growth.get("walltime_s", 1.0))
        memory = self.memory_gib_per_rank
        if memory is not None:
            memory *= growth.get("memory_gib_per_rank", 1.0)
        longest_s = max(self.walltime_s, _LONGEST_S)
        return replace(self, walltime_s=min(longest_s, walltime_s), memory_gib_per_rank=memory)

    def check_even(self) -> None:
        """Refuse what PSI/J cannot request: nodes with different numbers of ranks.

        Raises
        ------
        ConfigurationError
            If the ranks do not share out evenly among the nodes.
        """
        if self.num_nodes > 1 and self.num_ranks != self.num_nodes * self.ranks_per_node:
            raise ConfigurationError(
                "a batch job has the same number of ranks on each of its nodes",
                "resources",
                "num_ranks",
                str(self.num_ranks),
                f"{self.num_nodes * self.ranks_per_node}, or another ranks_per_node",
            )

    def check_whole_places(self) -> None:
        """Refuse what Torque cannot be asked for: cores of ranks on several nodes.

        Its list of nodes has a line for each core, which MPI takes for the place of a rank.

        Raises
        ------
        ConfigurationError
            If there are several nodes, and several cores a rank.
        """
        if self.num_nodes > 1 and (self.cores_per_rank or 1) > 1:
            raise ConfigurationError(
                "Torque knows no cores of a rank on several nodes",
                "resources",
                "cores_per_rank",
                str(self.cores_per_rank),
                "1, or one node, or PBS Pro and OpenPBS (dialect = pbs)",
            )

    def launcher_variables(self, launcher: str) -> dict[str, str]:
        """Return what launcher and ranks read of the request.

        The job itself gives srun no cores, and some sites let srun wait when a rank is killed.
        """
        variables = {N_RANKS_VARIABLE: str(self.num_ranks)}
        if launcher == "srun":
            variables["SLURM_KILL_BAD_EXIT"] = "1"
            if self.cores_per_rank is not None:
                variables["SRUN_CPUS_PER_TASK"] = str(self.cores_per_rank)
        return variables

    def launcher_options(self, launcher: str) -> str:
        """Return what a launcher inside a block is to give each rank; only srun can."""
        asked = {"--cpus-per-task": self.cores_per_rank, "--gpus-per-task": self.gpus_per_rank}
        given = [f"{option}={number}" for option, number in asked.items() if number is not None]
        return " ".join(given) if launcher == "srun" else ""

    def check_fits(self, nodes_per_block: int) -> None:
        """Refuse what no block can hold.

        Raises
        ------
        ConfigurationError
            If the request needs more nodes than a block has.
        """
        if self.num_nodes > nodes_per_block:
            raise ConfigurationError(
                "more nodes than a block of the site has",
                "resources",
                "num_nodes",
                str(self.num_nodes),
                f"1 to {nodes_per_block}, or a larger setting nodes of the site",
            )

    def spread_over(self, ranks_per_node: int, nodes_per_block: int) -> ResourceRequest:
        """Return the same number of ranks, at most `ranks_per_node` of them on each node.

        Raises
        ------
        ConfigurationError
            If a block of `nodes_per_block` nodes holds fewer ranks.
        """
        most = nodes_per_block * ranks_per_node
        if self.num_ranks > most:
            raise ConfigurationError(
                f"a block of {nodes_per_block} nodes with {ranks_per_node} ranks each holds fewer",
                "resources",
                "num_ranks",
                str(self.num_ranks),
                f"1 to {most}, or larger settings nodes and ranks_per_node of the site",
            )
        nodes = -(-self.num_ranks // ranks_per_node)
        return replace(self, num_nodes=nodes, ranks_per_node=ranks_per_node)

    def to_psij(self) -> ResourceSpecV1:
        """Return the same as PSI/J's resource specification."""
        layout = {"process_count": self.num_ranks}
        if self.num_ranks == self.num_nodes * self.ranks_per_node:
            layout = {"node_count": self.num_nodes, "processes_per_node": self.ranks_per_node}
        return load_psij().ResourceSpecV1(
            **layout,
            cpu_cores_per_process=self.cores_per_rank,
            gpu_cores_per_process=self.gpus_per_rank,
            memory=None if (each := self.memory_bytes_per_rank) is None else each * self.num_ranks,
        )

    @property
    def n_processors(self) -> int:
        """All cores of all ranks, one of each rank if the site decides."""
        return self.num_ranks * (self.cores_per_rank or 1)

    @property
    def memory_bytes_per_rank(self) -> int | None:
        """The memory of each rank in bytes; None if the site decides."""
        memory = self.memory_gib_per_rank
        return None if memory is None else math.ceil(memory * _GIB)


RESOURCE_KEYS = tuple(field.name for field in fields(ResourceRequest))
_PER_RANK = tuple(key for key in RESOURCE_KEYS if key.endswith("_per_rank"))
