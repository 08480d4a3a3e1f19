"""A Slurm cluster: each search is a batch job; the circuit and the analysis run where you are."""

from parsl import Config

from hybrid_parsl import labels
from hybrid_parsl.engine.batch_site import BatchSettings
from hybrid_parsl.engine.psij_executor import PsiJExecutor
from hybrid_parsl.engine.sites import SiteRun
from hybrid_parsl.engine.warm_processes import WarmProcesses, WarmProcessExecutor


class Settings(BatchSettings):
    """What ``hybrid-parsl sites slurm`` lists."""


def config(run: SiteRun, settings: Settings) -> Config:
    """Return what Parsl needs to run on the cluster."""
    tasks = run.directory / "tasks"
    processes = WarmProcesses(1)
    return Config(
        executors=[
            PsiJExecutor(labels.MPI, tasks, "slurm", **settings.job_options()),
            WarmProcessExecutor(labels.QUANTUM, tasks, processes),
            WarmProcessExecutor(labels.ANALYSIS, tasks, processes),
        ],
        run_dir=str(run.directory / "parsl"),
        strategy="none",
    )
