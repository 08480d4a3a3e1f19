"""What may go wrong around a run: a driver that is killed, an API server that is away."""

from __future__ import annotations

import json
import random
import subprocess
import time
import uuid

import pytest
from command import Command
from psij import Job, JobAttributes, JobSpec, JobState
from waiting import PATIENCE_S

N_KILLS = 20
LONGEST_S = 8.0
AWAY_S = 30
BELL = ("bell", "--set", "resources={num_nodes=2, ranks_per_node=1}")


def science(document):
    """Return what a run has found, without when and where."""
    parts = {name: dict(document[name]) for name in ("search", "quantum", "analysis")}
    for part in parts.values():
        part.pop("execution")
    return parts


def killed_again_and_again(run, moments):
    """Begin a run, kill each driver at the next moment until one comes to the end."""
    n_kills = 0
    while True:
        begun = list(run.runs.glob("*/results.json"))
        words = run.command_of_run("resume") if begun else run.arguments(*BELL)
        driver = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        moment = next(moments, None)
        try:
            _, errors = driver.communicate(timeout=PATIENCE_S if moment is None else moment)
        except subprocess.TimeoutExpired:
            driver.kill()
            driver.communicate()
            n_kills += 1
        else:
            assert driver.returncode == 0, errors.decode()
            return n_kills


@pytest.mark.timeout(1200, func_only=True)
def test_a_driver_that_is_killed_at_any_moment_is_followed_by_another(kubernetes, run, tmp_path):
    expected = science(Command("local", tmp_path / "local").document(*BELL))
    before = len(kubernetes.created())
    chance = random.Random(1)
    n_kills = n_runs = 0
    while n_kills < N_KILLS:
        ours = Command("k8s", run.runs / str(n_runs))
        left = N_KILLS - n_kills
        n_kills += killed_again_and_again(
            ours, iter([chance.uniform(0.2, LONGEST_S) for _ in range(min(left, 7))])
        )
        n_runs += 1
        (path,) = ours.runs.glob("*/results.json")
        assert science(json.loads(path.read_text())) == expected
    ours = [each for each in kubernetes.created()[before:] if not each[1].endswith("-launcher")]
    assert len(ours) == len(set(ours)) == 3 * n_runs
    assert sum(kind == "mpijobs" for kind, _ in ours) == n_runs


def test_an_api_server_that_is_away_for_half_a_minute(kubernetes, run, shared_folder):
    go = shared_folder / f"go-{uuid.uuid4()}"
    waiting = ["--set", "problem.kind=failing_problems:Waiting", "--set", f"problem.go={go}"]
    driver = subprocess.Popen(
        run.arguments(*BELL, *waiting), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + PATIENCE_S
    while "launcher" not in kubernetes.kubectl(
        "get", "pods", "--field-selector=status.phase=Running", "-o", "name"
    ):
        assert time.monotonic() < deadline
        time.sleep(0.3)
    command = kubernetes.stop_api_server()
    time.sleep(AWAY_S / 2)
    go.touch()  # the search ends while nobody can be told
    time.sleep(AWAY_S / 2)
    kubernetes.start_api_server(command)
    _, errors = driver.communicate(timeout=PATIENCE_S)
    assert driver.returncode == 0, errors.decode()
    (path,) = run.runs.glob("*/results.json")
    assert json.loads(path.read_text())["run"]["status"] == "completed"


@pytest.mark.timeout(1200, func_only=True)
def test_two_hundred_jobs_at_once(executor):
    attributes = JobAttributes(custom_attributes={"kubernetes.pod": {"hostNetwork": True}})
    jobs = [
        Job(JobSpec("/bin/sh", ["-c", f"exit {number % 3}"], attributes=attributes))
        for number in range(200)
    ]
    for job in jobs:
        executor.submit(job)
    ends = [job.wait() for job in jobs]
    assert [end.exit_code for end in ends] == [number % 3 for number in range(200)]
    assert {end.state for end in ends} == {JobState.COMPLETED, JobState.FAILED}
