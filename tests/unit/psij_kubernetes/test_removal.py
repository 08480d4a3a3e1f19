"""What nobody needs any more goes."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import psij
import pytest
from psij import Job, JobSpec, ResourceSpecV1

from hybrid_parsl.psij_kubernetes.removal import is_over

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def mpi_job(name="left", *, ended_s=None, ttl_s=3600, now=NOW, **metadata):
    about = {"name": name, "namespace": "default", **metadata}
    about["labels"] = {"app.kubernetes.io/managed-by": "psij"}
    thing = {"metadata": about, "spec": {"runPolicy": {"ttlSecondsAfterFinished": ttl_s}}}
    if ended_s is not None:
        ended = now - timedelta(seconds=ended_s)
        thing["status"] = {"completionTime": ended.strftime("%Y-%m-%dT%H:%M:%SZ")}
    return thing


@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        (mpi_job(), False),
        (mpi_job(ended_s=3599), False),
        (mpi_job(ended_s=3601), True),
        (mpi_job(ended_s=3601, ttl_s=None), False),
        (mpi_job(ended_s=3601, deletionTimestamp="now"), False),
        ({"metadata": {}}, False),
    ],
)
def test_only_a_time_to_live_that_is_over_is(thing, expected):
    assert is_over(thing, NOW) is expected


def test_mpi_jobs_that_a_killed_program_left_go_when_their_time_is_over(api, pods, executor):
    pods.hold |= {"old", "new", "running"}
    now = datetime.now(UTC)
    api.store.put("mpijobs", mpi_job("old", ended_s=7200, now=now))
    api.store.put("mpijobs", mpi_job("new", ended_s=60, now=now))
    api.store.put("mpijobs", mpi_job("running"))
    resources = ResourceSpecV1(process_count=2)
    job = Job(JobSpec("true", launcher="mpirun", resources=resources))
    executor.submit(job)
    assert job.wait(timedelta(seconds=20)).state == psij.JobState.COMPLETED
    deadline = time.monotonic() + 10
    while api.store.get("mpijobs", "default", "old"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert api.store.get("mpijobs", "default", "new")
    assert api.store.get("mpijobs", "default", "running")


def test_it_is_the_clock_of_the_server_that_counts(api, pods, executor, monkeypatch):
    pods.hold |= {"left"}
    monkeypatch.setattr(executor._jobs._api, "_compare_clocks", lambda _: None)
    executor._jobs._api._ahead_s = -7200.0
    api.store.put("mpijobs", mpi_job("left", ended_s=3700, now=datetime.now(UTC)))
    resources = ResourceSpecV1(process_count=2)
    job = Job(JobSpec("true", launcher="mpirun", resources=resources))
    executor.submit(job)
    assert job.wait(timedelta(seconds=20)).state == psij.JobState.COMPLETED
    assert api.store.get("mpijobs", "default", "left")


def test_the_clock_of_the_server_is_known_from_its_answers(executor):
    assert abs((executor._jobs._api.now() - datetime.now(UTC)).total_seconds()) < 5
    executor.list()
    told = executor._jobs._api._ahead_s
    assert -5 < told < 5
    assert told != 0.0
