"""The settings that sites with a batch scheduler have in common."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from pydantic import Field

from hybrid_parsl.engine.batch_scheduler import BatchOptions
from hybrid_parsl.engine.site_settings import Duration, ShellText, SiteSettings


class BatchSettings(SiteSettings):
    """Settings of a site with a batch scheduler.

    What says how large a search is (``nodes``, ``ranks_per_node``, ``walltime``) replaces what
    the experiment asks for; left out, the experiment decides.
    """

    partition: str | None = Field(
        default=None, description="Partition or queue; the scheduler's default if left out."
    )
    account: str | None = Field(default=None, description="Account or project that is charged.")
    walltime: Duration | None = Field(
        default=None, description="Longest time of a job, such as 30m or 1:30:00."
    )
    nodes: int | None = Field(default=None, ge=1, description="Nodes of a search.")
    ranks_per_node: int | None = Field(default=None, ge=1, description="MPI ranks on each node.")
    modules: list[ShellText] = Field(
        default=[], description="Environment modules that each job loads."
    )
    worker_init: ShellText = Field(
        default="", description="Shell commands that each job runs first, after the modules."
    )
    mpi_launcher: Literal["srun", "mpirun"] = Field(
        default="srun", description="What starts the ranks."
    )
    mpi_type: str = Field(
        default="pmi2", description="How srun tells the ranks of each other; see srun --mpi=list."
    )
    attributes: dict[str, str] = Field(
        default={}, description='More options of the scheduler, such as { qos = "debug" }.'
    )
    python: str | None = Field(
        default=None, description="Interpreter on the nodes; the same path as here if left out."
    )
    polling_interval: Duration = Field(
        default=timedelta(seconds=1), description="Time between two questions to the scheduler."
    )

    def batch_options(self) -> BatchOptions:
        """Return what each job tells the scheduler besides its size."""
        loads = [f"module load {module}" for module in self.modules]
        return BatchOptions(
            queue_name=self.partition,
            account=self.account,
            attributes=self.attributes,
            worker_init="\n".join([*loads, *filter(None, [self.worker_init])]),
            polling_interval_s=self.polling_interval.total_seconds(),
        )

    def size(self) -> dict[str, int]:
        """Return what replaces a part of an experiment's resources."""
        values = {
            "num_nodes": self.nodes,
            "ranks_per_node": self.ranks_per_node,
            "walltime_s": int(self.walltime.total_seconds()) if self.walltime else None,
        }
        return {key: value for key, value in values.items() if value is not None}

    def job_options(self) -> dict[str, Any]:
        """Return the options of a `PsiJExecutor` that runs each search as a job of its own."""
        variables = {"SLURM_MPI_TYPE": self.mpi_type} if self.mpi_launcher == "srun" else {}
        return {
            "launcher": self.mpi_launcher,
            "python": self.python,
            "environment": variables,
            "batch": self.batch_options(),
            "overrides": self.size(),
        }
