"""This computer: the search on MPI ranks, the circuit and the analysis in a warm process."""

from parsl import Config

from hybrid_parsl import labels
from hybrid_parsl.engine.psij_executor import PsiJExecutor
from hybrid_parsl.engine.sites import SiteRun
from hybrid_parsl.engine.warm_processes import WarmProcesses, WarmProcessExecutor


def config(run: SiteRun) -> Config:
    """Return what Parsl needs to run on this computer."""
    processes = WarmProcesses(1)
    tasks = run.directory / "tasks"
    return Config(
        executors=[
            PsiJExecutor(labels.MPI, tasks, backend="local", launcher="mpirun"),
            WarmProcessExecutor(labels.QUANTUM, tasks, processes),
            WarmProcessExecutor(labels.ANALYSIS, tasks, processes),
        ],
        run_dir=str(run.directory / "parsl"),
        strategy="none",
    )
