"""What a cluster can do to a run: each is survived, or told with job, log and reason."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import rank_functions as functions
from command import Command
from waiting import PATIENCE_S, wait_until

from hybrid_parsl.engine.jobs import backend as job_backend
from hybrid_parsl.engine.jobs.scheduler_directives import BatchOptions
from hybrid_parsl.engine.jobs.submission import patiently
from hybrid_parsl.engine.psij_executor import PsiJExecutor
from hybrid_parsl.errors import BackendUnavailableError, JobFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from slurm_cluster import SlurmCluster

ROOT = Path(__file__).parents[3]
TWO = {"num_nodes": 1, "ranks_per_node": 2}
SLOW = ("--set", "problem.kind=failing_problems:Slow")


def start(folder: Path, *arguments: str, settings: tuple[str, ...] = ()) -> Any:
    assignments = [word for each in settings for word in ("--site-set", each)]
    command = [sys.executable, str(ROOT / "run.py"), "bell", "--site", "slurm"]
    return subprocess.Popen(
        [*command, "--runs-dir", str(folder / "runs"), *arguments, *assignments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )


@pytest.fixture
def make(slurm: SlurmCluster, tmp_path: Path) -> Iterator[Callable[..., PsiJExecutor]]:
    """Return what makes an executor on the cluster, which is shut down in the end."""
    made = []

    def make_executor(**attributes: str) -> PsiJExecutor:
        variables = {"SLURM_MPI_TYPE": "pmi2"}
        batch = BatchOptions(attributes={k.replace("_", "-"): v for k, v in attributes.items()})
        folder = tmp_path / "tasks"
        executor = PsiJExecutor("mpi", folder, "slurm", "srun", None, variables, batch)
        executor.start()
        made.append(executor)
        return executor

    yield make_executor
    for executor in made:
        executor.shutdown()
    wait_until(lambda: slurm.queue() == [])


@pytest.mark.parametrize("mode", [(), ("mpi=pilot",), ("stages=blocks",)])
@pytest.mark.usefixtures("slurm")
def test_a_partition_that_is_not_there(tmp_path: Path, mode: tuple[str, ...]) -> None:
    process = start(tmp_path, settings=("partition=nowhere", *mode))
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 3, errors
    assert "the slurm backend did not take the job: " in errors
    assert "invalid partition specified: nowhere" in errors


def test_a_search_that_the_operator_cancels(slurm: SlurmCluster, tmp_path: Path) -> None:
    process = start(tmp_path, *SLOW)
    wait_until(lambda: list(tmp_path.glob("runs/*/tasks/search/ranks.json")))
    (job_id,) = slurm.queue()
    follow = Command("slurm", tmp_path / "runs").command_of_run("logs", "--follow")
    follower = subprocess.Popen(follow, stdout=subprocess.PIPE, text=True)
    slurm.command("scancel", job_id)
    _, errors = process.communicate(timeout=PATIENCE_S)
    logs, _ = follower.communicate(timeout=PATIENCE_S)
    assert process.returncode == 4, errors
    assert f"job {job_id}: was cancelled" in errors
    assert re.search(r"log: \S+/tasks/search/stderr.log", errors)
    assert "CANCELLED AT" in errors
    assert follower.returncode == 0
    assert "CANCELLED AT" in logs


def test_a_search_over_its_walltime_goes_on_from_its_finished_starts(
    slurm: SlurmCluster, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    stalling = ("--set", "problem.kind=failing_problems:Stalling", "--set", f"problem.go={go}")
    starts = ("--set", "search.method=cobyla", "--set", "search.starts=5")
    process = start(tmp_path, *stalling, *starts, settings=("walltime=2s",))
    _, errors = process.communicate(timeout=PATIENCE_S)  # Slurm looks once a minute
    assert process.returncode == 4, errors
    assert re.search(r"job \d+: walltime exceeded", errors)
    assert re.search(r"log: \S+/tasks/search/stderr.log", errors)
    assert "DUE TO TIME LIMIT" in errors
    (folder,) = (tmp_path / "runs").iterdir()
    assert f"; resume with: hybrid-parsl resume {folder} --site-set walltime=4s\n" in errors
    first = journal_of(folder)
    assert len(first) == 3
    go.touch()
    run = Command("slurm", tmp_path / "runs")
    done = run.of_run("resume", "--quiet", "--site-set", "walltime=10m")
    assert (done.returncode, done.stderr) == (0, "")
    assert first < journal_of(folder)
    assert len(journal_of(folder)) == 5
    jobs = [line for line in slurm.job_log() if f"WorkDir={folder}/" in line]
    assert [re.search(r"JobState=(\w+)", line)[1] for line in jobs] == ["TIMEOUT", "COMPLETED"]
    here = Command("local", tmp_path / "local").document("bell", *stalling, *starts)
    there = json.loads((folder / "results.json").read_text())
    assert {**there["search"], "execution": None} == {**here["search"], "execution": None}


def journal_of(folder: Path) -> set[str]:
    """Return the finished starts of a run's search."""
    files = (folder / "tasks" / "search").glob("starts-*.jsonl")
    return {line for path in files for line in path.read_text().splitlines() if "index" in line}


def test_a_node_that_fails(slurm: SlurmCluster, tmp_path: Path, make: Any) -> None:
    future = make(no_requeue="").submit(functions.write_and_sleep, TWO, str(tmp_path / "m"), 300)
    wait_until((tmp_path / "m").exists)
    slurm.lose_node_of(future.job.job_id)
    # whether Slurm first hears of the node or of the job that is gone decides about the words
    reasons = "node required by the job is down|job could not be launched"
    with pytest.raises(JobFailedError, match=reasons) as caught:
        future.result(PATIENCE_S)
    assert caught.value.job_id == future.job.job_id
    assert str(caught.value.stderr_path).endswith("write_and_sleep/stderr.log")


def test_a_job_that_slurm_starts_again_on_another_node(
    slurm: SlurmCluster, tmp_path: Path, make: Any
) -> None:
    mark = tmp_path / "mark"
    future = make(requeue="").submit(functions.write_and_sleep, TWO, str(mark), 7)
    job_id = future.job.job_id
    wait_until(mark.exists)
    slurm.lose_node_of(job_id)
    time.sleep(6)  # Slurm itself waits for two minutes
    slurm.command("scontrol", "update", f"jobid={job_id}", "starttime=now")
    assert future.result(PATIENCE_S) == "slept"
    assert "Restarts=1" in slurm.command("scontrol", "show", "job", job_id)


def test_a_controller_that_comes_back_gets_the_job_once(slurm: SlurmCluster, make: Any) -> None:
    executor = make()
    slurm.stop_controller()
    with ThreadPoolExecutor() as pool:
        submission = pool.submit(executor.submit, functions.add, TWO, 1)
        time.sleep(8)
        slurm.start_controller()
        future = submission.result(PATIENCE_S)
    assert future.result(PATIENCE_S) == 1
    assert slurm.job_names().count(future.job.job.spec.name) == 1


def test_a_controller_that_stays_away(
    slurm: SlurmCluster, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = make()
    monkeypatch.setattr(job_backend, "patiently", partial(patiently, pauses_s=(0.1,)))
    slurm.stop_controller()
    try:
        with pytest.raises(BackendUnavailableError, match="Unable to contact") as caught:
            executor.submit(functions.add, TWO, 1)
    finally:
        slurm.start_controller()
    assert (caught.value.exit_code, caught.value.retryable) == (3, True)


def test_a_controller_that_is_away_for_a_minute(slurm: SlurmCluster, tmp_path: Path) -> None:
    go = tmp_path / "go"
    waiting = ("--set", "problem.kind=failing_problems:Waiting", "--set", f"problem.go={go}")
    process = start(tmp_path, *waiting)
    wait_until(lambda: list(tmp_path.glob("runs/*/tasks/search/ranks.json")))
    slurm.stop_controller()
    try:
        time.sleep(54)
        go.touch()  # the search ends while nobody can be asked
        time.sleep(6)
        assert process.poll() is None, process.communicate()
    finally:
        slurm.start_controller()
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    assert "does not answer" in errors  # PSI/J calls all jobs failed after three questions
    assert "Traceback" not in errors  # PSI/J logs one for each question without an answer
