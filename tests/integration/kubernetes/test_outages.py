"""What may go wrong around a run: a driver that is killed, an API server that is away."""

from __future__ import annotations

import json
import random
import subprocess
import threading
import time
import uuid

import pytest
from command import Command
from kubernetes import client, config, watch
from psij import Job, JobSpec, JobState

N_KILLS = 20
LONGEST_S = 8.0
AWAY_S = 30
PATIENCE_S = 120
BELL = ("bell", "--set", "resources={num_nodes=2, ranks_per_node=1}")


class Created:
    """Notes what is created in the cluster, as the API server tells it."""

    def __init__(self, kubeconfig):
        api = client.ApiClient(config.load_kube_config(str(kubeconfig)))
        self._custom, self._batch = client.CustomObjectsApi(api), client.BatchV1Api(api)
        self.uids = {"mpijobs": {}, "jobs": {}}
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._follow, args=(plural,), daemon=True)
            for plural in self.uids
        ]
        for thread in self._threads:
            thread.start()

    def _follow(self, plural):
        lists = {
            "mpijobs": (
                self._custom.list_namespaced_custom_object,
                ("kubeflow.org", "v2beta1", "default", "mpijobs"),
            ),
            "jobs": (self._batch.list_namespaced_job, ("default",)),
        }
        call, words = lists[plural]
        while not self._stopped.is_set():
            for event in watch.Watch().stream(call, *words, timeout_seconds=2):
                metadata = event["raw_object"]["metadata"]
                if "ownerReferences" not in metadata:
                    self.uids[plural].setdefault(metadata["name"], set()).add(metadata["uid"])

    def stop(self):
        self._stopped.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def created(kubernetes):
    noted = Created(kubernetes.kubeconfig)
    yield noted
    noted.stop()


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


@pytest.mark.timeout(600)
def test_a_driver_that_is_killed_at_any_moment_is_followed_by_another(run, created, tmp_path):
    expected = science(Command("local", tmp_path / "local").document(*BELL))
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
    mpi_jobs, jobs = created.uids["mpijobs"], created.uids["jobs"]
    assert len(mpi_jobs) == n_runs
    assert len(jobs) == 2 * n_runs
    assert all(len(uids) == 1 for uids in [*mpi_jobs.values(), *jobs.values()])


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


@pytest.mark.timeout(600)
def test_two_hundred_jobs_at_once(executor):
    jobs = [Job(JobSpec("/bin/sh", ["-c", f"exit {number % 3}"])) for number in range(200)]
    for job in jobs:
        executor.submit(job)
    ends = [job.wait() for job in jobs]
    assert [end.exit_code for end in ends] == [number % 3 for number in range(200)]
    assert {end.state for end in ends} == {JobState.COMPLETED, JobState.FAILED}
