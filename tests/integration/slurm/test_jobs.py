"""Each task one Slurm job, and what PSI/J gets wrong about it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import rank_functions as functions
from waiting import PATIENCE_S, wait_until

from hybrid_parsl.engine.jobs.backend import JobBackend
from hybrid_parsl.engine.jobs.lookup import find_job
from hybrid_parsl.engine.jobs.scheduler_directives import BatchOptions
from hybrid_parsl.engine.psij_executor import PsiJExecutor
from hybrid_parsl.errors import (
    JobCancelledError,
    JobFailedError,
    JobRejectedError,
    RankFailedError,
    WalltimeExceededError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from slurm_cluster import SlurmCluster

TWO = {"num_nodes": 1, "ranks_per_node": 2}
PMI2 = {"SLURM_MPI_TYPE": "pmi2"}


def make(folder: Path, **keywords: Any) -> PsiJExecutor:
    options: dict[str, Any] = {"launcher": "srun", "environment": PMI2, **keywords}
    executor = PsiJExecutor("mpi", folder, "slurm", **options)
    executor.start()
    return executor


pytestmark = pytest.mark.usefixtures("slurm")


@pytest.fixture(scope="module")
def executor(slurm: SlurmCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    executor = make(tmp_path_factory.mktemp("tasks"))
    yield executor
    executor.shutdown()
    assert slurm.queue() == []


@pytest.fixture(scope="module", autouse=True)
def overdue(executor: PsiJExecutor) -> Future[Any]:
    """A job that runs longer than it may; Slurm looks about once a minute."""
    return executor.submit(functions.sleep, {"num_ranks": 1, "walltime_s": 2}, 300)


def is_running(slurm: SlurmCluster, job_id: str) -> bool:
    return slurm.command("squeue", "-h", "-j", job_id, "-o", "%T").strip() == "RUNNING"


@pytest.mark.parametrize("n_nodes", [1, 2, 3])
@pytest.mark.parametrize("launcher", ["srun", "mpirun"])
def test_ranks_are_on_as_many_nodes_as_asked(tmp_path: Path, n_nodes: int, launcher: str) -> None:
    executor = make(tmp_path, launcher=launcher)
    try:
        resources = {"num_nodes": n_nodes, "ranks_per_node": 1}
        future = executor.submit(functions.everywhere, resources, "SLURMD_NODENAME")
        assert len(set(future.result(PATIENCE_S))) == n_nodes
    finally:
        executor.shutdown()


def test_the_site_decides_where_it_says_so(tmp_path: Path) -> None:
    executor = make(tmp_path, overrides={"num_nodes": 2, "ranks_per_node": 2})
    try:
        assert len(executor.submit(functions.who, TWO).result(PATIENCE_S)) == 4
    finally:
        executor.shutdown()


def test_name_and_options_reach_slurm(slurm: SlurmCluster, tmp_path: Path) -> None:
    # PSI/J drops the name, and keeps the shell's quotes around values with spaces
    options = BatchOptions("one", attributes={"comment": "two words", "nice": "7"})
    executor = make(tmp_path, batch=options)
    try:
        future = executor.submit(functions.sleep, {**TWO, "walltime_s": 60}, 300)
        words = slurm.command("scontrol", "show", "job", future.job.job_id)
    finally:
        executor.shutdown()
    for word in ("JobName=hybrid-parsl-sleep", "Partition=one", "Comment=two words", "Nice=7"):
        assert word in words
    assert slurm.queue() == [] or not is_running(slurm, future.job.job_id)


def test_a_job_is_found_by_its_name(executor: PsiJExecutor) -> None:
    future = executor.submit(functions.environment, TWO, "HOME")
    future.result(PATIENCE_S)
    assert find_job("slurm", future.job.job.spec.name) == future.job.job_id
    assert find_job("slurm", "hybrid-parsl-none") is None


def test_worker_init_runs_before_the_ranks(tmp_path: Path) -> None:
    executor = make(tmp_path, batch=BatchOptions(worker_init="export COLOUR='deep blue'"))
    try:
        assert (
            executor.submit(functions.environment, TWO, "COLOUR").result(PATIENCE_S) == "deep blue"
        )
    finally:
        executor.shutdown()


def test_a_worker_init_that_fails_says_so(tmp_path: Path) -> None:
    executor = make(tmp_path, batch=BatchOptions(worker_init="no_such_command_at_all"))
    try:
        with pytest.raises(JobFailedError, match="no_such_command_at_all: command not found"):
            executor.submit(functions.add, TWO, 1).result(PATIENCE_S)
    finally:
        executor.shutdown()


def test_a_killed_rank_is_named_and_the_others_do_not_wait_for_it(executor: PsiJExecutor) -> None:
    # the cluster leaves KillOnBadExit at its default, 0
    with pytest.raises(RankFailedError) as caught:
        executor.submit(functions.kill_on, TWO, 1).result(PATIENCE_S)
    assert (caught.value.rank, caught.value.job_exit_code) == (1, 137)
    assert caught.value.host.startswith("n")


def test_exception_on_one_rank_names_the_rank(executor: PsiJExecutor) -> None:
    with pytest.raises(RankFailedError, match="ValueError: told to fail on 1") as caught:
        executor.submit(functions.raise_on, TWO, 1).result(PATIENCE_S)
    assert caught.value.rank == 1


def test_a_bad_partition_is_refused(tmp_path: Path) -> None:
    executor = make(tmp_path, batch=BatchOptions("nowhere"))
    try:
        with pytest.raises(JobRejectedError, match="nowhere"):
            executor.submit(functions.add, TWO, 1)
    finally:
        executor.shutdown()


def test_impossible_resources_are_refused(executor: PsiJExecutor) -> None:
    with pytest.raises(JobRejectedError, match="sbatch: error"):
        executor.submit(functions.add, {"num_nodes": 9}, 1)


def test_a_job_that_the_operator_cancels(executor: PsiJExecutor, slurm: SlurmCluster) -> None:
    future = executor.submit(functions.sleep, TWO, 300)
    wait_until(lambda: is_running(slurm, future.job.job_id))
    wait_until(future.job.record.with_name("stderr.log").exists)  # slurmd opens it a little later
    slurm.command("scancel", future.job.job_id)
    with pytest.raises(JobCancelledError) as caught:
        future.result(PATIENCE_S)
    assert caught.value.job_id == future.job.job_id
    assert str(caught.value.stderr_path).endswith("stderr.log")
    assert caught.value.exit_code == 4


def test_canceling_a_future_cancels_the_job(executor: PsiJExecutor, slurm: SlurmCluster) -> None:
    future = executor.submit(functions.sleep, TWO, 300)
    assert future.cancel()
    wait_until(lambda: future.job.job_id not in slurm.queue())


def test_a_reason_of_several_words_does_not_stall_us(
    executor: PsiJExecutor, slurm: SlurmCluster
) -> None:
    # PSI/J counts the columns of squeue, for all jobs of the user
    slurm.command("scontrol", "update", "nodename=n4", "state=drain", "reason=broken fan")
    try:
        other = slurm.command("sbatch", "--parsable", "-w", "n4", "--wrap", "true").strip()
        wait_until(lambda: "," in slurm.command("squeue", "-h", "-j", other, "-o", "%r"))
        assert executor.submit(functions.add, TWO, 1).result(PATIENCE_S) == 1
        slurm.command("scancel", other)
    finally:
        slurm.command("scontrol", "update", "nodename=n4", "state=resume")


def test_a_job_that_nobody_knows_ends_without_an_exit_code(tmp_path: Path) -> None:
    from hybrid_parsl.engine.jobs.psij_loading import load_psij
    from hybrid_parsl.engine.jobs.registry import SubmittedJob

    ends: list[Any] = []
    backend = JobBackend("slurm", tmp_path)
    try:
        job = load_psij().Job(load_psij().JobSpec(executable="/bin/true"))
        backend._attach(SubmittedJob(job, ends.append, None), "7")
        wait_until(lambda: ends)
    finally:
        backend.close()
    assert (ends[0].state, ends[0].exit_code) == ("COMPLETED", None)


@pytest.mark.usefixtures("pbs")
def test_jobs_are_listed_without_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # PSI/J asks for the login name of the terminal; cron has none
    def no_terminal() -> str:
        raise OSError(6, "No such device or address")

    monkeypatch.setattr(os, "getlogin", no_terminal)
    backend = JobBackend("pbs_classic", tmp_path)
    try:
        assert isinstance(backend._executor.list(), list)
    finally:
        backend.close()


def test_shutdown_leaves_no_job(slurm: SlurmCluster, tmp_path: Path) -> None:
    executor = make(tmp_path)
    futures = [executor.submit(functions.sleep, {"num_ranks": 4}, 300) for _ in range(6)]
    executor.shutdown()
    wait_until(lambda: not {future.job.job_id for future in futures} & set(slurm.queue()))


def test_a_folder_with_a_space_is_refused(tmp_path: Path) -> None:
    from hybrid_parsl.errors import ConfigurationError

    with pytest.raises(ConfigurationError, match="folder with such a path"):
        PsiJExecutor("mpi", tmp_path / "my runs", "slurm").start()


def test_walltime(overdue: Future[Any]) -> None:
    with pytest.raises(WalltimeExceededError, match="walltime exceeded") as caught:
        overdue.result(PATIENCE_S)
    assert caught.value.exit_code == 4


def test_slurm_is_asked_once_a_second_for_all_jobs(tmp_path: Path) -> None:
    executor = make(tmp_path)
    try:
        options = executor._backend._executor.config
        assert (options.queue_polling_interval, options.initial_queue_polling_delay) == (1.0, 1.0)
    finally:
        executor.shutdown()
