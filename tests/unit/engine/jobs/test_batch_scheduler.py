from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hybrid_parsl.engine.jobs.batch_scheduler import (
    is_poll_failure,
    is_time_over,
    is_unreachable,
    unique_job_name,
)
from hybrid_parsl.engine.jobs.scheduler_directives import BatchOptions
from hybrid_parsl.engine.psij_executor import PsiJExecutor
from hybrid_parsl.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


def test_what_a_scheduler_says() -> None:
    assert is_time_over("The job exhausted its time limit.")
    assert is_time_over("job killed: walltime 12 exceeded limit 10")
    assert is_time_over("TIMEOUT")
    assert not is_time_over("A node required by the job is down.")
    assert not is_time_over(None)
    assert is_unreachable("Unable to contact slurm controller (connect failure)")
    assert not is_unreachable("sbatch: error: invalid partition specified: nope")
    assert is_poll_failure("Failed to poll for job status: Traceback")
    assert not is_poll_failure(None)


@pytest.mark.parametrize(
    ("backend", "words"),
    [
        ("slurm", ["#SBATCH --nodes=2", "#SBATCH --ntasks=6", "#SBATCH --time=0:2:0"]),
        ("pbs_classic", ["#PBS -l nodes=2:ppn=3", "#PBS -l walltime=0:2:0", '#PBS -N "search-']),
        ("pbs", ["#PBS -l select=2", "mpiprocs=3"]),
        ("lsf", ["#BSUB -nnodes 2", "#BSUB -n 6", "#BSUB -W 0:2", '#BSUB -J "hybrid-parsl-search']),
        ("cobalt", ["#COBALT --nodecount=2", "#COBALT --time=2\n", '#COBALT --jobname="hybrid-']),
    ],
)
def test_the_script_is_shown_without_being_written(
    tmp_path: Path, backend: str, words: list[str]
) -> None:
    executor = PsiJExecutor("mpi", tmp_path / "tasks", backend, batch=BatchOptions("debug"))
    resources = {"num_nodes": 2, "ranks_per_node": 3, "walltime_s": 120}
    text = executor.preview("search", resources).documents["search.sh"]
    for word in [*words, "debug", f"-m hybrid_parsl.mpi {tmp_path}/tasks/search"]:
        assert word in text
    assert f"{tmp_path}/tasks/.psij/{backend}" in text
    assert list(tmp_path.iterdir()) == []


def test_no_two_jobs_have_the_same_name_and_pbs_takes_it() -> None:
    for backend, prefix in (("slurm", "hybrid-parsl-search-"), ("pbs_classic", "search-")):
        names = {unique_job_name(backend, "search") for _ in range(50)}
        assert len(names) == 50
        assert all(name.startswith(prefix) for name in names)
    assert len(unique_job_name("pbs", "a_function_of_a_long_name")) == 15


def test_ranks_that_do_not_share_out_evenly_are_refused(tmp_path: Path) -> None:
    executor = PsiJExecutor("mpi", tmp_path, "slurm")
    with pytest.raises(ConfigurationError, match="same number of ranks") as caught:
        executor.preview("search", {"num_nodes": 2, "ranks_per_node": 2, "num_ranks": 3})
    assert caught.value.key == "num_ranks"
