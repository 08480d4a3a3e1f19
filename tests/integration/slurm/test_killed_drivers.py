"""The driver is killed again and again: one job a search, and the same result."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import failing_problems
from command import Command
from waiting import PATIENCE_S, wait_until

if TYPE_CHECKING:
    import pytest
    from slurm_cluster import SlurmCluster

N_KILLS = 20
LONGEST_LIFE_S = 7.0
SETTINGS = ["problem.nodes=6", "search.starts=6", "analysis.landscape=8", "quantum.shots=200"]
SMALL = ["maxcut", *[word for each in SETTINGS for word in ("--set", each)]]
STAGES = ("search", "quantum", "analysis")


def begin(run: Command) -> subprocess.Popen[bytes]:
    """Start the run, or go on with it."""
    begun = any(run.runs.glob("*/experiment.toml"))
    command = run.command_of_run("resume") if begun else run.arguments(*SMALL)
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ)
    )


def wait_for_moment(run: Command, driver: subprocess.Popen[bytes], chance: random.Random) -> None:
    """Wait for a random time; in most new runs, until the job is just being submitted."""

    def submits() -> bool:
        return any(run.runs.glob("*/tasks/search/job.lock"))

    deadline = time.monotonic() + chance.uniform(0.0, LONGEST_LIFE_S)
    if not submits() and chance.random() < 0.7:
        deadline += LONGEST_LIFE_S
        while driver.poll() is None and not submits() and time.monotonic() < deadline:
            time.sleep(0.001)
        deadline = time.monotonic() + chance.uniform(0.0, 0.1)
    while driver.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)


def physics(run: Command) -> dict[str, dict[str, object]]:
    """Return what the run found."""
    found = {}
    for path in run.runs.glob("*/results.json"):
        document = json.loads(path.read_text())
        if document["run"]["status"] == "completed":
            for stage in STAGES:
                document[stage].pop("execution")
                found[stage] = document[stage]
    return found


def test_one_job_a_search_and_the_same_result(slurm: SlurmCluster, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    chance = random.Random(seed)
    here = Command("local", tmp_path / "local")
    here.document(*SMALL)
    expected = physics(here)
    n_kills, runs = 0, []
    while n_kills < N_KILLS:
        run = Command("slurm", tmp_path / f"runs-{len(runs)}")
        runs.append(run)
        while True:
            driver = begin(run)
            if n_kills < N_KILLS:
                wait_for_moment(run, driver, chance)
            if driver.poll() is None and n_kills < N_KILLS:
                driver.kill()
                n_kills += 1
            if driver.wait(PATIENCE_S) == 0:
                break
            assert driver.returncode == -signal.SIGKILL, seed
        assert physics(run) == expected, seed
    log = slurm.job_log()
    for run in runs:
        jobs = [line for line in log if f"WorkDir={run.runs}/" in line]
        assert len(jobs) == 1, (seed, jobs)
    assert slurm.queue() == []


def test_blocks_of_a_dead_driver_are_cancelled_before_the_next_one_begins(
    slurm: SlurmCluster, tmp_path: Path
) -> None:
    run = Command("slurm", tmp_path / "runs")
    pilot = ["--site-set", "mpi=pilot", "--site-set", "stages=blocks"]
    driver = subprocess.Popen(
        run.arguments(*SMALL, *pilot), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + PATIENCE_S
    while not any(run.runs.glob("*/tasks/search/stdout.log")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    left = set(slurm.queue())
    assert left
    driver.kill()
    driver.wait()
    status = json.loads(run.of_run("status", "--json").stdout)
    assert status["state"] == "left"
    assert {job["id"] for job in status["jobs"]} == left
    assert {job["state"] for job in status["jobs"]} <= {"QUEUED", "ACTIVE"}
    done = run.of_run("resume", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    here = Command("local", tmp_path / "local")
    here.document(*SMALL)
    assert physics(run) == physics(here)
    assert slurm.queue() == []
    assert all(f"Name={name} " in "\n".join(slurm.job_log()) for name in names_of(run))


def names_of(run: Command) -> list[str]:
    """Return the names of all blocks of a run."""
    records = run.runs.glob("*/parsl/*/submit_scripts/*.block.json")
    return [json.loads(path.read_text())["name"] for path in records]


def test_a_pack_of_searches_goes_on_without_its_driver(
    slurm: SlurmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(failing_problems.__file__).parent))
    run, go = Command("slurm", tmp_path / "runs"), tmp_path / "go"
    waiting = ["problem.kind=failing_problems:Waiting", f"problem.go={go}", "analysis.landscape=0"]
    asked = [word for each in waiting for word in ("--set", each)]
    asked += ["--sweep", "search.seed={range=[0,6]}"]
    command = run.arguments("bell", *asked)
    driver = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: any(run.runs.glob("*/tasks/0.search/ranks.json")))
    driver.kill()
    driver.wait()
    left = set(slurm.queue())
    assert left
    resumed = subprocess.Popen(
        run.command_of_run("resume"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    wait_until(lambda: "run resumed" in next(run.runs.glob("*/events.jsonl")).read_text())
    go.touch()
    said, _ = resumed.communicate(timeout=PATIENCE_S)
    assert resumed.returncode == 0, said
    (path,) = run.runs.glob("*/results.json")
    tasks = json.loads(path.read_text())["tasks"]
    jobs = {task["job"] for name, task in tasks.items() if name.endswith("search")}
    assert left <= jobs  # more than one if the driver was slow, and no search in two of them
    assert len([line for line in slurm.job_log() if f"WorkDir={run.runs}/" in line]) == len(jobs)
    assert slurm.queue() == []
