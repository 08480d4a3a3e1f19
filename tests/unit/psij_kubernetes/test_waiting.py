"""A job may wait only so long before it starts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from psij import Job, JobState
from psij_jobs import PATIENCE, held_job, unschedulable

from hybrid_parsl.psij_kubernetes import names
from hybrid_parsl.psij_kubernetes.explain import Patience, Trouble
from hybrid_parsl.psij_kubernetes.manifests import NOTHING
from hybrid_parsl.psij_kubernetes.pod_state import PodState
from hybrid_parsl.psij_kubernetes.tracking import TrackedJob
from hybrid_parsl.psij_kubernetes.waiting import overdue

BORN = "2026-01-01T00:00:00Z"


def job(**more):
    return TrackedJob(names.NativeId("job", "space", "x"), Job(), NOTHING, born=BORN, **more)


def after(seconds):
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def test_a_job_is_overdue_when_its_time_has_passed():
    assert overdue(job(), after(60), 60) is None
    found = overdue(job(), after(61), 60)
    assert (found.reason, found.patience) == ("WaitedTooLong", Patience.NONE)
    assert found.message == "it has not started in 0:01:00"


def test_it_says_for_what_it_has_waited():
    trouble = Trouble("Unschedulable", "1 Insufficient cpu", Patience.ANY)
    found = overdue(job(trouble=trouble), after(7201), 7200)
    assert found.message == "it has not started in 2:00:00; Unschedulable: 1 Insufficient cpu"


def test_time_in_a_queue_counts():
    assert overdue(job(suspended=True), after(61), 60) is not None


@pytest.mark.parametrize(
    "state",
    [
        {"pods": {"p": PodState("p", names.MAIN, running=True)}},
        {"succeeded": True},
        {"finishing": True},
    ],
)
def test_one_that_has_started_is_not_overdue(state):
    assert overdue(job(**state), after(1e9), 60) is None


def test_one_that_is_not_there_yet_is_not_overdue():
    tracked = job()
    tracked.born = ""
    assert overdue(tracked, after(1e9), 60) is None


def test_a_job_that_waits_too_long_fails_and_is_removed(api, executor, pods):
    job, thing = held_job(executor, pods, longest_wait_s=1)
    pods.make_pod(thing, **unschedulable("0/1 nodes are available: 1 Insufficient cpu."))
    status = job.wait(PATIENCE)
    assert status.state == JobState.FAILED
    assert status.metadata["reason"] == "WaitedTooLong"
    assert "it has not started in 0:00:01; Unschedulable: 0/1 nodes" in status.message
    assert api.store.all("jobs") == api.store.all("pods") == []
