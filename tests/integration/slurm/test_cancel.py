"""No job is called cancelled before Slurm has said so, and none is forgotten."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from command import Command
from waiting import PATIENCE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from slurm_cluster import SlurmCluster

SLOW = ("bell", "--set", "problem.kind=failing_problems:Slow")
PILOT = ("--site-set", "mpi=pilot")


@contextmanager
def away(slurm: SlurmCluster) -> Iterator[None]:
    """Let Slurm's controller not answer; jobs go on."""
    slurm.stop_controller()
    try:
        yield
    finally:
        slurm.start_controller()


@pytest.fixture
def run(slurm: SlurmCluster, tmp_path: Path) -> Iterator[Command]:
    """Return a run on the cluster, of which no job is left in the end."""
    yield Command("slurm", tmp_path / "runs")
    wait_until(lambda: slurm.queue() == [])


def start(run: Command, *arguments: str) -> subprocess.Popen[str]:
    """Start a run, and wait until its ranks work."""
    process = subprocess.Popen(
        run.arguments(*arguments),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    wait_until(lambda: list(run.runs.glob("*/tasks/search/ranks.json")))
    return process


def records(run: Command) -> list[dict[str, Any]]:
    """Return the records of all jobs of a run."""
    files = [*run.runs.glob("*/tasks/*/job.json"), *run.runs.rglob("*.block.json")]
    return [json.loads(path.read_text()) for path in files]


def end(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str]:
    """Send a signal to a driver, and return its exit code and what it wrote."""
    process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE_S)
    return process.returncode, errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_job_that_could_not_be_cancelled_is_named_and_can_be_cancelled_later(
    slurm: SlurmCluster, run: Command, number: signal.Signals
) -> None:
    process = start(run, *SLOW)
    (job_id,) = slurm.queue()
    with away(slurm):
        code, errors = end(process, number)
        assert code == 3, errors
        assert f"job {job_id} (slurm) could not be cancelled and may still run: " in errors
        assert "Unable to contact slurm controller" in errors
        assert "cancel again with: hybrid-parsl cancel " in errors
        (record,) = records(run)
        assert (record["job_id"], record["ended"]) == (job_id, None)
        assert record["cancel_asked"]
        again = run.of_run("cancel")
        assert again.returncode == 3, again.stderr
        assert f"job {job_id} (slurm) could not be cancelled and may still run: " in again.stderr
        begun = time.monotonic()
        status = json.loads(run.of_run("status", "--json").stdout)
        assert time.monotonic() - begun < 60  # 10 s on a computer with nothing else to do
        (job,) = status["jobs"]
        assert (job["id"], job["state"], job["cancel_asked"]) == (job_id, "UNKNOWN", True)
    assert slurm.queue() == [job_id]
    done = run.of_run("cancel")
    assert done.returncode == 0, done.stderr
    assert f"jobs: {job_id}" in done.stdout
    assert slurm.queue() == []
    assert [record["ended"] for record in records(run)] == ["CANCELED"]
    assert "has ended already" in run.of_run("cancel").stdout


@pytest.mark.parametrize("mode", [(), PILOT])
def test_the_next_driver_cancels_a_job_that_its_last_one_could_not(
    slurm: SlurmCluster, run: Command, tmp_path: Path, mode: tuple[str, ...]
) -> None:
    go = tmp_path / "go"
    stalling = ("--set", "problem.kind=failing_problems:Stalling", "--set", f"problem.go={go}")
    starts = ("--set", "search.method=cobyla", "--set", "search.starts=5")
    process = start(run, "bell", *stalling, *starts, *mode)
    (job_id,) = slurm.queue()
    with away(slurm):
        code, errors = end(process, signal.SIGTERM)
        assert code == 3, errors
        resumed = run.of_run("resume")
        assert resumed.returncode == 3, resumed.stderr
        assert f"job {job_id}" in resumed.stderr
        assert [record["ended"] for record in records(run)] == [None]
    resumes = subprocess.Popen(run.command_of_run("resume", "--quiet"))

    def has_another_job() -> bool:
        nonlocal resumes
        if resumes.poll() == 3:  # on a busy machine, the first job may end later than it waits
            resumes = subprocess.Popen(run.command_of_run("resume", "--quiet"))
        return slurm.queue() not in ([], [job_id])

    try:
        wait_until(has_another_job)
        assert job_id not in slurm.queue()
        go.touch()
        assert resumes.wait(PATIENCE_S) == 0
    finally:
        resumes.kill()
        resumes.wait()
    states = [
        line.split("JobState=")[1].split()[0]
        for line in slurm.job_log()
        if f"WorkDir={run.runs}/" in line
    ]
    assert states[0] == "CANCELLED"
    assert len(states) == 2


def test_a_hang_up_leaves_the_job_in_the_queue_for_the_next_driver(
    slurm: SlurmCluster, run: Command, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    stalling = ("--set", "problem.kind=failing_problems:Stalling", "--set", f"problem.go={go}")
    starts = ("--set", "search.method=cobyla", "--set", "search.starts=5")
    process = start(run, "bell", *stalling, *starts)
    (job_id,) = slurm.queue()
    code, errors = end(process, signal.SIGHUP)
    assert code == 129, errors
    assert f"job {job_id} (slurm) goes on" in errors
    assert "resume with: hybrid-parsl resume" in errors
    assert slurm.queue() == [job_id]
    status = json.loads(run.of_run("status", "--json").stdout)
    assert status["state"] == "interrupted"
    assert [job["state"] for job in status["jobs"]] == ["ACTIVE"]
    go.touch()
    assert run.of_run("resume", "--quiet").returncode == 0
    assert [line for line in slurm.job_log() if f"JobId={job_id} " in line]
    assert len([line for line in slurm.job_log() if f"WorkDir={run.runs}/" in line]) == 1
