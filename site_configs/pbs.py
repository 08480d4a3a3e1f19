"""A PBS cluster: each search is a batch job; the circuit and the analysis run where you are."""

from typing import Literal

from parsl import Config
from pydantic import Field

from hybrid_parsl import labels
from hybrid_parsl.engine.batch_site import BatchSettings
from hybrid_parsl.engine.psij_executor import PsiJExecutor
from hybrid_parsl.engine.sites import SiteRun
from hybrid_parsl.engine.warm_processes import WarmProcesses, WarmProcessExecutor


class Settings(BatchSettings):
    """What ``hybrid-parsl sites pbs`` lists."""

    dialect: Literal["pbs", "pbs_classic"] = Field(
        default="pbs",
        description="How nodes are asked for: select= (PBS Pro, OpenPBS) or nodes= (Torque).",
    )
    mpi_launcher: Literal["mpirun", "srun"] = Field(
        default="mpirun", description="What starts the ranks."
    )


def config(run: SiteRun, settings: Settings) -> Config:
    """Return what Parsl needs to run on the cluster."""
    tasks = run.directory / "tasks"
    processes = WarmProcesses(1)
    return Config(
        executors=[
            PsiJExecutor(labels.MPI, tasks, settings.dialect, **settings.job_options()),
            WarmProcessExecutor(labels.QUANTUM, tasks, processes),
            WarmProcessExecutor(labels.ANALYSIS, tasks, processes),
        ],
        run_dir=str(run.directory / "parsl"),
        strategy="none",
    )
