"""What a site sets reaches Slurm as it is set, and what the user's shell sets does not."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import rank_functions as functions
from waiting import PATIENCE_S

from hybrid_parsl.engine.jobs.scheduler_directives import BatchOptions
from hybrid_parsl.engine.psij_executor import PsiJExecutor

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from slurm_cluster import SlurmCluster

TWO = {"num_nodes": 1, "ranks_per_node": 2, "walltime_s": 60}
DRIVER = """
import sys

import rank_functions as functions

from hybrid_parsl.engine.psij_executor import PsiJExecutor

pmi2 = {"SLURM_MPI_TYPE": "pmi2"}
executor = PsiJExecutor("mpi", sys.argv[1], "slurm", launcher="srun", environment=pmi2)
executor.start()
print(executor.submit(functions.add, {"num_ranks": 2}, 20, 3).result(600))
executor.shutdown()
"""
ODD = """it's a "b" \\c $HOME `id` # d, 100% = e"""


def submitted(folder: Path, asked: dict[str, Any], **options: Any) -> tuple[PsiJExecutor, Any]:
    executor = PsiJExecutor(
        "mpi",
        folder,
        "slurm",
        launcher="srun",
        environment={"SLURM_MPI_TYPE": "pmi2"},
        batch=BatchOptions(**options),
    )
    executor.start()
    return executor, executor.submit(functions.everywhere, asked, "SLURM_CPUS_PER_TASK")


def test_variables_of_the_users_shell_do_not_count(
    slurm: SlurmCluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    variables = {
        "SBATCH_PARTITION": "nowhere",
        "SBATCH_TIMELIMIT": "3",
        "SBATCH_ACCOUNT": "nobody",
        "SQUEUE_PARTITION": "one",
        "SQUEUE_ACCOUNT": "nobody",
        "SQUEUE_NAMES": "others",
        "SQUEUE_STATES": "PD",
        "SQUEUE_FORMAT": "%i",
        "SLURM_MEM_PER_CPU": "200",
        "SLURM_MEM_PER_NODE": "300",
        "SLURM_CPU_BIND_TYPE": "mask_cpu:",
        "SLURM_CPU_BIND_LIST": "0x1",
        "SLURM_NTASKS": "7",
        "SLURM_CLUSTERS": "elsewhere",
    }
    with monkeypatch.context() as shell, caplog.at_level(logging.WARNING):
        for name, value in variables.items():
            shell.setenv(name, value)
        executor, future = submitted(tmp_path, TWO)
        try:
            assert len(future.result(PATIENCE_S)) == 2
        finally:
            executor.shutdown()
    words = slurm.command("scontrol", "show", "job", future.job.job_id)
    assert "Partition=debug" in words
    assert "TimeLimit=00:01:00" in words
    assert "SBATCH_PARTITION=nowhere of your environment is ignored" in caplog.text
    assert "SQUEUE" not in caplog.text


def test_a_driver_inside_an_allocation_with_little_memory(
    slurm: SlurmCluster, tmp_path: Path
) -> None:
    done = subprocess.run(
        ["salloc", "-n1", "--mem=200", sys.executable, "-c", DRIVER, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        env=slurm.environment,
    )
    assert done.stdout == "23\n", done.stderr


def test_any_line_of_text_reaches_slurm_as_it_is(slurm: SlurmCluster, tmp_path: Path) -> None:
    executor, future = submitted(tmp_path, TWO, attributes={"comment": ODD, "exclusive": ""})
    try:
        future.result(PATIENCE_S)
        words = slurm.command("scontrol", "show", "job", future.job.job_id)
    finally:
        executor.shutdown()
    assert f"Comment={ODD} \n" in words
    assert "OverSubscribe=NO" in words


def test_cores_and_memory_of_a_rank(slurm: SlurmCluster, tmp_path: Path) -> None:
    asked = {**TWO, "cores_per_rank": 2, "memory_gib_per_rank": 0.25}
    executor, future = submitted(tmp_path, asked)
    try:
        assert future.result(PATIENCE_S) == ["2", "2"]
        words = slurm.command("scontrol", "show", "job", future.job.job_id)
    finally:
        executor.shutdown()
    for word in ("NumCPUs=4", "CPUs/Task=2", "MinMemoryNode=512M"):
        assert word in words
