"""What a batch scheduler costs, on a Slurm of four nodes that this program starts on this host.

    python benchmarks/slurm.py [--rounds 3] [--searches 200] [--points 1000] [--alone 40]

The first part times the default experiment with a batch job for its search, and the same three
stages as one batch script that somebody wrote by hand, in turn. The second part times many
searches of 0.1 s, each a job of its own, and the same inside one block of nodes. The third part
times a study of many points of some 50 ms, in packs and with a job each; the latter for fewer
points, multiplied. The fourth part measures how much processor time the driver takes, with all
programs it starts, while as many jobs wait in the queue. A part whose number is 0 is left out.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

import pipeline  # noqa: E402 - the programs of the three stages
import studies  # noqa: E402 - a project whose workflow is one search
from slurm_cluster import SlurmCluster  # noqa: E402 - the cluster that the tests run on

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPT = """#!/bin/bash
#SBATCH --nodes=1
#SBATCH --ntasks=2
#SBATCH --output=/dev/null
set -e
export SLURM_MPI_TYPE=pmi2 OMP_NUM_THREADS=1
srun {python} -m mpi4py search.py {experiment}
{python} quantum.py {experiment}
{python} analysis.py {experiment}
touch finished
"""
SEARCH_S = 0.1
ONE_RANK = {"num_nodes": 1, "ranks_per_node": 1}
VARIABLES = {"SLURM_MPI_TYPE": "pmi2"}
WATCH_S = 30.0


def compare_with_script(n_rounds: int) -> None:
    """Print the times of the workflow and of the batch script."""
    experiment = ROOT / "experiments" / "maxcut.toml"
    workflow, bare = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        programs = (pipeline.SEARCH, pipeline.QUANTUM, pipeline.ANALYSIS)
        for stage, program in zip(("search", "quantum", "analysis"), programs, strict=True):
            (folder / f"{stage}.py").write_text(program)
        script = SCRIPT.format(python=sys.executable, experiment=experiment)
        (folder / "bare.sh").write_text(script)
        run = [
            sys.executable,
            str(ROOT / "run.py"),
            "--site",
            "slurm",
            "--no-cache",
            "--runs-dir",
            "runs",
        ]
        pipeline.timed(run, folder)
        for _ in range(n_rounds):
            workflow.append(pipeline.timed(run, folder))
            bare.append(_timed_script(folder))
    differences = [ours - theirs for ours, theirs in zip(workflow, bare, strict=True)]
    print("the default experiment, a job for its search")
    print(f"run.py        {statistics.median(workflow):.2f} s")
    print(f"batch script  {statistics.median(bare):.2f} s")
    print(f"difference    {statistics.median(differences):+.2f} s (target at most +3 s)\n")


def _timed_script(folder: Path) -> float:
    """Return the seconds from the submission of the batch script to its end."""
    finished = folder / "finished"
    finished.unlink(missing_ok=True)
    begun = time.perf_counter()
    subprocess.run(["sbatch", "bare.sh"], cwd=folder, check=True, capture_output=True)  # noqa: S607
    while not finished.exists():
        time.sleep(0.01)
    return time.perf_counter() - begun


def compare_many(n_searches: int) -> None:
    """Print the times of many short searches, as jobs and inside one block."""
    from parsl import Config

    from hybrid_parsl.engine.blocks.pilot import PilotMPIExecutor
    from hybrid_parsl.engine.jobs.batch_scheduler import BatchOptions
    from hybrid_parsl.engine.psij_executor import PsiJExecutor
    from hybrid_parsl.engine.psij_provider import PsiJProvider

    times = {}
    with tempfile.TemporaryDirectory() as name:
        tasks = Path(name) / "tasks"
        jobs = PsiJExecutor("mpi", tasks / "jobs", "slurm", "srun", environment=VARIABLES)
        provider = PsiJProvider("slurm", BatchOptions(), 3600, 4, environment=VARIABLES)
        block = PilotMPIExecutor("mpi", tasks / "block", provider)
        for kind, executor in (("a job each", jobs), ("in one block", block)):
            config = Config([executor], run_dir=str(Path(name) / kind[:2]), strategy_period=1)
            times[kind] = _with_session(config, lambda it=executor: _timed_searches(it, n_searches))
            print(f"{n_searches} searches of {SEARCH_S} s, {kind}: {times[kind]:.1f} s")
    print(f"ratio: {times['a job each'] / times['in one block']:.1f}x (target 3x)\n")


def _with_session(config: Any, measure: Callable[[], float]) -> float:
    """Return what `measure` says while Parsl runs with `config`."""
    import parsl

    with parsl.load(config):
        value = measure()
    for executor in config.executors:
        close = getattr(getattr(executor, "provider", None), "close", None)
        if close is not None:
            close()
    parsl.clear()
    return value


def _timed_searches(executor: Any, n_searches: int) -> float:
    """Return the seconds from the first submission to the last result."""
    begun = time.perf_counter()
    futures = [executor.submit(time.sleep, ONE_RANK, SEARCH_S) for _ in range(n_searches)]
    for future in futures:
        future.result()
    return time.perf_counter() - begun


def compare_packs(n_points: int, n_alone: int) -> None:
    """Print the times of a study, in packs and with a job for each of a few of its points."""
    with tempfile.TemporaryDirectory() as name:
        project = Path(name) / "project"
        studies.make_project(project, 4)
        run = ["run", "points", "--site", "slurm", "--runs-dir", "runs", "--no-cache"]

        def study_s(number: int, *options: str) -> float:
            sweep = f"problem.seed={{range=[0,{number}]}}"
            return studies.timed([*run, "--sweep", sweep, *options], project)

        study_s(2)
        packed_s = study_s(n_points)
        alone_s = study_s(n_alone, "--set", "resources.pack=1")
    all_s = alone_s * n_points / n_alone
    print(f"{n_points} points in packs: {packed_s:.1f} s")
    print(f"{n_alone} points with a job each: {alone_s:.1f} s, so {n_points}: {all_s:.0f} s")
    print(f"ratio: {all_s / packed_s:.1f}x (target 10x)\n", flush=True)


def measure_waiting(n_jobs: int) -> None:
    """Print the share of a core that the driver takes while jobs wait."""
    from hybrid_parsl.engine.jobs.batch_scheduler import BatchOptions
    from hybrid_parsl.engine.psij_executor import PsiJExecutor

    with tempfile.TemporaryDirectory() as name:
        options = BatchOptions(attributes={"begin": "now+1hour"})
        executor = PsiJExecutor("mpi", name, "slurm", "srun", batch=options)
        executor.start()
        try:
            for _ in range(n_jobs):
                executor.submit(time.sleep, ONE_RANK, SEARCH_S)
            begun, used = time.perf_counter(), _processor_seconds()
            time.sleep(WATCH_S)
            share = (_processor_seconds() - used) / (time.perf_counter() - begun)
        finally:
            executor.shutdown()
    print(f"driver while {n_jobs} jobs wait: {share:.1%} of a core (target 5%)")


def _processor_seconds() -> float:
    """Return the processor time of this process and of the programs it has waited for."""
    times = psutil.Process().cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def main() -> None:
    """Start a cluster, run all parts, and stop it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="runs of the default experiment")
    parser.add_argument("--searches", type=int, default=200, help="searches, and jobs that wait")
    parser.add_argument("--points", type=int, default=1000, help="of the study in packs")
    parser.add_argument("--alone", type=int, default=40, help="points with a job each")
    options = parser.parse_args()
    cluster = SlurmCluster.start()
    os.environ["SLURM_CONF"] = str(cluster.configuration)
    try:
        if options.rounds:
            compare_with_script(options.rounds)
        if options.searches:
            compare_many(options.searches)
        if options.points:
            compare_packs(options.points, options.alone)
        if options.searches:
            measure_waiting(options.searches)
    finally:
        cluster.stop()


if __name__ == "__main__":
    main()
