"""Tasks inside blocks of nodes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import parsl
import pytest
import rank_functions as functions
from parsl import Config
from waiting import PATIENCE_S, wait_until

from hybrid_parsl.engine.blocks.pilot import PilotMPIExecutor
from hybrid_parsl.engine.jobs.scheduler_directives import BatchOptions
from hybrid_parsl.engine.psij_provider import PsiJProvider
from hybrid_parsl.errors import (
    ConfigurationError,
    JobCancelledError,
    JobFailedError,
    RankFailedError,
    StorageError,
    WalltimeExceededError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slurm_cluster import SlurmCluster

pytestmark = [  # Parsl looks for this host's addresses and leaves its sockets open
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
    ),
]
ROOT = Path(__file__).parents[3]
ONE = {"num_nodes": 1, "ranks_per_node": 2}
VARIABLES = {"SLURM_MPI_TYPE": "pmi2", "SLURM_KILL_BAD_EXIT": "1"}


@pytest.fixture(scope="module")
def executor(slurm: SlurmCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("pilot")
    options = BatchOptions(polling_interval_s=1)
    provider = PsiJProvider("slurm", options, 600, nodes_per_block=2, environment=VARIABLES)
    executor = PilotMPIExecutor("mpi", folder / "tasks", provider)
    config = Config([executor], run_dir=str(folder / "parsl"), strategy_period=1)
    with parsl.load(config):
        yield executor
    provider.close()
    assert slurm.queue() == []


def run(site: str, runs: Path, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, str(ROOT / "run.py"), "bell", "--site", site, "--json"]
    done = subprocess.run(
        [*command, "--runs-dir", str(runs), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    for stage in ("search", "quantum", "analysis"):
        document[stage].pop("execution")
    return document


def test_a_run_in_blocks_of_pbs_gives_what_this_computer_gives(
    pbs: SlurmCluster, tmp_path: Path
) -> None:
    # before the other tests hold nodes: this needs a block for each of three executors
    blocks = ["--site-set", "mpi=pilot", "--site-set", "stages=blocks"]
    there = run("pbs", tmp_path, *blocks)
    here = run("local", tmp_path)
    for stage in ("search", "quantum", "analysis"):
        assert there[stage] == here[stage]
    assert pbs.queue() == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_the_process_group_leaves_no_block(
    slurm: SlurmCluster, tmp_path: Path, number: int, code: int
) -> None:
    # the interchange of Parsl is a process of the driver; without it, blocks cannot be ended
    slow = ["--set", "problem.kind=failing_problems:Slow", "--site-set", "mpi=pilot"]
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "run.py"), "bell", "--site", "slurm", *slow],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        start_new_session=True,
    )
    wait_until(lambda: list(tmp_path.glob("runs/*/tasks/search/ranks.json")))
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code
    assert "Traceback" not in errors
    wait_until(lambda: slurm.queue() == [])


def test_there_are_as_many_blocks_as_there_is_work_for(slurm: SlurmCluster, tmp_path: Path) -> None:
    provider = PsiJProvider("slurm", BatchOptions(), 600, max_blocks=2, environment=VARIABLES)
    executor = PilotMPIExecutor("mpi", tmp_path / "tasks", provider)
    config = Config(
        [executor],
        run_dir=str(tmp_path / "parsl"),
        strategy="simple",
        strategy_period=1,
        max_idletime=2,
    )
    go = tmp_path / "go"
    try:
        with parsl.load(config):
            first = [executor.submit(functions.wait_for, ONE, str(go)) for _ in range(3)]
            wait_until(lambda: len(slurm.queue()) == 2)
            go.touch()
            assert [future.result(PATIENCE_S) for future in first] == [2, 2, 2]
            wait_until(lambda: slurm.queue() == [])
            assert executor.submit(functions.add, ONE, 1).result(PATIENCE_S) == 1
            assert len(slurm.queue()) == 1
            wait_until(lambda: slurm.queue() == [])
    finally:
        provider.close()
        parsl.clear()
    assert len(provider.resources) == 3


@pytest.mark.parametrize(
    ("loss", "kind", "words"),
    [
        ("scancel", JobCancelledError, "its block was cancelled"),
        ("node", JobFailedError, "node required by the job is down"),
    ],
)
def test_a_block_that_is_lost_is_named_at_once(
    slurm: SlurmCluster, tmp_path: Path, loss: str, kind: type, words: str
) -> None:
    provider = PsiJProvider("slurm", BatchOptions(), 600, environment=VARIABLES)
    executor = PilotMPIExecutor("mpi", tmp_path / "tasks", provider)
    config = Config([executor], run_dir=str(tmp_path / "parsl"), strategy_period=1)
    mark = tmp_path / "mark"
    try:
        with parsl.load(config):
            future = executor.submit(functions.write_and_sleep, ONE, str(mark), 300)
            wait_until(mark.exists)
            job_id = str(*provider.resources)
            if loss == "node":
                slurm.lose_node_of(job_id)
            else:
                slurm.command("scancel", job_id)
            with pytest.raises(kind, match=words) as caught:
                future.result(110)  # Parsl itself would find out after two minutes
            assert caught.value.job_id == job_id
            assert Path(str(caught.value.stderr_path)).exists()
            assert executor.submit(functions.add, ONE, 1).result(PATIENCE_S) == 1
    finally:
        provider.close()
        parsl.clear()
    assert len(provider.resources) == 2


def test_a_task_spans_the_nodes_of_its_block(executor: Any) -> None:
    future = executor.submit(
        functions.everywhere, {"num_nodes": 2, "ranks_per_node": 1}, "SLURMD_NODENAME"
    )
    assert len(set(future.result(PATIENCE_S))) == 2


def test_many_tasks_share_one_block(executor: Any, slurm: SlurmCluster) -> None:
    futures = [executor.submit(functions.add, ONE, number) for number in range(8)]
    assert [future.result(PATIENCE_S) for future in futures] == list(range(8))
    assert len(slurm.queue()) == 1


def test_two_hundred_searches(executor: Any, slurm: SlurmCluster) -> None:
    alone = {"num_nodes": 1, "ranks_per_node": 1}
    futures = [executor.submit(functions.add, alone, number) for number in range(200)]
    assert [future.result(PATIENCE_S) for future in futures] == list(range(200))
    assert len(slurm.queue()) == 1


def test_errors_are_those_of_jobs(executor: Any) -> None:
    with pytest.raises(RankFailedError, match="ValueError: told to fail on 1") as caught:
        executor.submit(functions.raise_on, ONE, 1).result(PATIENCE_S)
    assert caught.value.rank == 1
    with pytest.raises(RankFailedError, match=r"rank 0 on .* raised ValueError: told to fail on 0"):
        executor.submit(functions.raise_on, ONE, 0).result(PATIENCE_S)
    with pytest.raises(StorageError, match="cannot write /some/file"):
        executor.submit(functions.raise_ours, {"num_nodes": 2, "ranks_per_node": 1}).result(
            PATIENCE_S
        )
    assert executor.submit(functions.add, ONE, 3).result(PATIENCE_S) == 3
    with pytest.raises(RankFailedError, match=r"rank 1 on n. was killed by signal 9"):
        executor.submit(functions.kill_on, ONE, 1).result(PATIENCE_S)
    with pytest.raises(WalltimeExceededError):
        executor.submit(functions.sleep, {**ONE, "walltime_s": 1}, 300).result(PATIENCE_S)


def test_more_nodes_than_a_block_has(executor: Any) -> None:
    with pytest.raises(ConfigurationError, match="more nodes than a block"):
        executor.submit(functions.add, {"num_nodes": 3, "ranks_per_node": 1}, 1)
