"""Reasons why a job does not start, and whether to wait or fail."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from psij import Job, JobState, ResourceSpecV1
from psij_jobs import (
    PATIENCE,
    held_job,
    held_ranks,
    make_job,
    unschedulable,
    warn,
)
from waiting import wait_until

from hybrid_parsl.psij_kubernetes import names
from hybrid_parsl.psij_kubernetes.diagnostics import Patience, StartProblem
from hybrid_parsl.psij_kubernetes.job_plan import NOTHING
from hybrid_parsl.psij_kubernetes.pending import overdue_problem
from hybrid_parsl.psij_kubernetes.tracked_job import PodState, TrackedJob


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("InvalidImageName", "bad name"),
        ("ErrImageNeverPull", "not there"),
        ("ErrImagePull", "manifest unknown"),
        ("ErrImagePull", "connection timed out"),
        ("CreateContainerError", "no such user"),
    ],
)
def test_pod_that_cannot_start_fails_the_job_and_is_deleted(api, executor, pods, reason, message):
    job, thing = held_job(executor, pods)
    pods.set_waiting(pods.make_pod(thing), reason, message)
    status = job.wait(PATIENCE)
    assert status.state == JobState.FAILED
    assert status.message == f"{reason}: {message}"
    assert status.metadata["reason"] == reason
    assert api.store.all("jobs") == api.store.all("pods") == []


def test_image_pull_backoff_reports_the_first_cause(executor, pods):
    job, thing = held_job(executor, pods)
    pod = pods.make_pod(thing)
    pods.set_waiting(pod, "ErrImagePull", "registry does not answer")
    pods.set_waiting(pod, "ImagePullBackOff", "Back-off pulling image")
    assert "registry does not answer" in job.wait(PATIENCE).message


def test_temporary_problem_is_tolerated(make_executor, pods):
    executor = make_executor(start_patience_s=2.0)
    job, thing = held_job(executor, pods)
    pod = pods.make_pod(thing)
    pods.set_waiting(pod, "ErrImagePull", "registry does not answer")
    time.sleep(0.7)
    pods.set_running(pod)
    time.sleep(2)
    pods.end(pod, 0)
    assert job.wait(PATIENCE).state == JobState.COMPLETED


def test_unschedulable_pod_fails_the_job(executor, pods):
    job, thing = held_job(executor, pods)
    message = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."
    pods.make_pod(thing, **unschedulable(message))
    assert job.wait(PATIENCE).metadata["reason"] == "Unschedulable"


def test_pending_reason_is_written_while_the_job_waits(executor, pods, tmp_path):
    why = tmp_path / "why"
    job, thing = held_job(executor, pods, pending_reason=str(why))
    pod = pods.make_pod(thing, **unschedulable("0/1 nodes are available: 1 Insufficient cpu."))
    wait_until(why.exists)
    expected = "Unschedulable: 0/1 nodes are available: 1 Insufficient cpu.\n"
    wait_until(lambda: why.read_text() == expected)
    pods.set_running(pod)
    wait_until(lambda: not why.exists())
    pods.end(pod, 0)
    assert job.wait(PATIENCE).state == JobState.COMPLETED


def test_busy_cluster_does_not_fail_the_job(api, executor, pods):
    job, thing = held_job(executor, pods)
    api.nodes = [{"status": {"allocatable": {"cpu": "8", "memory": "16Gi"}}}]
    pod = pods.make_pod(thing, **unschedulable("0/1 nodes are available: 1 Insufficient cpu."))
    assert job.wait(timedelta(seconds=1)) is None
    pods.end(pod, 0)
    assert job.wait(PATIENCE).state == JobState.COMPLETED


def test_job_larger_than_every_node_fails(api, make_executor, pods):
    api.nodes = [{"status": {"allocatable": {"cpu": "8", "memory": "16Gi"}}}]
    pods.hold.add("held")
    job = make_job("true", name="held", resources=ResourceSpecV1(cpu_cores_per_process=9))
    make_executor().submit(job)
    (thing,) = api.store.all("jobs")
    pods.make_pod(thing, **unschedulable("0/1 nodes are available: 1 Insufficient cpu."))
    assert "no node is large enough" in job.wait(PATIENCE).message


QUOTA = (
    "Error creating: pods is forbidden: exceeded quota: q, requested: cpu={}, "
    "used: cpu=3, limited: cpu=4"
)


def test_job_larger_than_a_quota_fails(api, executor, pods):
    job, thing = held_job(executor, pods)
    warn(api, thing, "FailedCreate", QUOTA.format(5))
    status = job.wait(PATIENCE)
    assert status.metadata["reason"] == "QuotaExceeded"


def test_quota_in_use_does_not_fail_the_job(api, executor, pods):
    job, thing = held_job(executor, pods)
    warn(api, thing, "FailedCreate", QUOTA.format(2))
    assert job.wait(timedelta(seconds=1.5)) is None
    pods.end(pods.make_pod(thing), 0)
    assert job.wait(PATIENCE).state == JobState.COMPLETED


def test_forbidden_pod_fails_the_job(api, executor, pods):
    job, thing = held_job(executor, pods)
    warn(api, thing, "FailedCreate", "Error creating: violates PodSecurity restricted")
    assert job.wait(PATIENCE).metadata["reason"] == "FailedCreate"


def test_forbidden_worker_fails_the_job_despite_other_workers(api, executor, pods):
    job, thing = held_ranks(executor, pods)
    pods.make_pod(thing, "worker", "-worker-0")
    refused = "worker pod created failed: pods is forbidden: violates PodSecurity restricted"
    warn(api, thing, "MPIJobFailed", refused)
    status = job.wait(PATIENCE)
    assert status.metadata["reason"] == "FailedCreate"
    assert refused in status.message


def test_job_whose_own_pods_exceed_a_quota_fails(api, executor, pods):
    job, thing = held_ranks(executor, pods)
    pods.make_pod(thing, "worker", "-worker-0")
    over = "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"
    warn(api, thing, "MPIJobFailed", f"worker pod created failed: pods is forbidden: {over}")
    assert job.wait(PATIENCE).metadata["reason"] == "QuotaExceeded"


@pytest.mark.parametrize("role", ["worker", "launcher"])
def test_creation_failure_of_an_existing_pod_is_ignored(api, executor, pods, role):
    job, thing = held_ranks(executor, pods)
    for number in range(2):
        pods.make_pod(thing, "worker", f"-worker-{number}")
    launcher = pods.make_pod(thing, "launcher", "-launcher-x")
    warn(api, thing, "MPIJobFailed", f"{role} pod created failed: try again")
    assert job.wait(timedelta(seconds=1.5)) is None
    pods.end(launcher, 0)
    assert job.wait(PATIENCE).state == JobState.COMPLETED


def test_validation_error_of_the_operator_fails_the_job(api, executor, pods):
    job, thing = held_ranks(executor, pods)
    warn(api, thing, "ValidationError", "Found validation errors: spec.slotsPerWorker")
    assert job.wait(PATIENCE).metadata["reason"] == "ValidationError"


def test_failed_mount_fails_the_job(api, executor, pods):
    job, thing = held_job(executor, pods)
    pods.make_pod(thing)
    warn(api, thing, "FailedMount", 'secret "data" not found')
    assert job.wait(PATIENCE).metadata["reason"] == "FailedMount"


def test_failed_mount_is_resolved_by_later_progress(api, make_executor, pods, tmp_path):
    why = tmp_path / "why"
    job, thing = held_job(make_executor(start_patience_s=3.0), pods, pending_reason=str(why))
    pod = pods.make_pod(thing)
    about = {"involvedObject": {"kind": "Pod", "name": pod[1]}}
    warn(api, thing, "FailedMount", 'secret "inputs" not found', **about)
    wait_until(why.exists)
    warn(api, thing, "Pulling", "pulling image", **about, type="Normal")
    wait_until(lambda: not why.exists())
    assert job.wait(timedelta(seconds=3.5)) is None
    pods.end(pod, 0)
    assert job.wait(PATIENCE).state == JobState.COMPLETED


def test_failed_mount_before_the_adoption_does_not_count(api, make_executor, pods):
    first, second = make_executor(), make_executor(start_patience_s=1.0)
    _, thing = held_job(first, pods, key="k")
    pod = pods.make_pod(thing)
    first.close()
    before = datetime.now(UTC)
    about = {"involvedObject": {"kind": "Pod", "name": pod[1]}}
    message = 'secret "old" not found'
    warn(api, thing, "FailedMount", message, **about, lastTimestamp=before.isoformat())
    time.sleep(1.1)  # times of events are whole seconds
    job = make_job("true", name="held", attributes={"key": "k"})
    second.submit(job)
    assert job.wait(timedelta(seconds=4.5)) is None  # the kubelet tries again in up to 122 s
    after = (before + timedelta(hours=1)).isoformat()
    warn(api, thing, "FailedMount", 'secret "new" not found', **about, lastTimestamp=after)
    assert '"new" not found' in job.wait(PATIENCE).message


def test_time_in_a_busy_cluster_does_not_count(make_executor, pods):
    executor = make_executor(start_patience_s=3.0)
    job, thing = held_job(executor, pods)
    pod = pods.make_pod(thing, **unschedulable("0/1 nodes are available: 1 Insufficient cpu."))
    time.sleep(3.5)
    pods.set_status(pod, **unschedulable("0/1 nodes are available: 1 node(s) had a taint."))
    assert job.wait(timedelta(seconds=0.4)) is None
    pods.end(pod, 0)
    assert job.wait(PATIENCE).state == JobState.COMPLETED


@pytest.mark.parametrize("nodes", [[], [{"status": {"allocatable": {"cpu": "8"}}}]])
def test_scale_up_does_not_fail_the_job(api, executor, pods, nodes):
    api.nodes = nodes
    pods.hold.add("held")
    job = make_job("true", name="held", resources=ResourceSpecV1(cpu_cores_per_process=9))
    executor.submit(job)
    (thing,) = api.store.all("jobs")
    pod = pods.make_pod(thing, **unschedulable("0/1 nodes are available: 1 Insufficient cpu."))
    about = {"involvedObject": {"kind": "Pod", "name": pod[1]}, "type": "Normal"}
    warn(api, thing, "TriggeredScaleUp", "pod triggered scale-up", **about)
    assert job.wait(timedelta(seconds=1.5)) is None
    pods.end(pod, 0)
    assert job.wait(PATIENCE).state == JobState.COMPLETED


@pytest.mark.parametrize(
    "changes",
    [
        {"involvedObject": {"kind": "MPIJob", "name": None}},
        {"involvedObject": {"kind": "MPIJob", "name": "held", "uid": "of an earlier one"}},
        {"involvedObject": None},
    ],
)
def test_events_of_other_objects_are_ignored(api, make_executor, pods, changes):
    job, thing = held_ranks(make_executor(start_patience_s=30), pods)
    if (changes.get("involvedObject") or {}).get("name"):
        changes["involvedObject"]["name"] = thing["metadata"]["name"]
    warn(api, thing, "ValidationError", "of another one", **changes)
    assert job.wait(timedelta(seconds=1)) is None
    warn(api, thing, "ValidationError", "of this one")
    assert job.wait(PATIENCE).message == "ValidationError: of this one"


def test_launcher_creation_failure_counts_only_when_workers_run(api, executor, pods):
    job, thing = held_ranks(executor, pods)
    workers = [pods.make_pod(thing, "worker", f"-worker-{number}") for number in range(2)]
    warn(api, thing, "MPIJobFailed", "launcher pod created failed: Internal error")
    assert job.wait(timedelta(seconds=1.5)) is None
    for worker in workers:
        pods.set_running(worker)
    assert "FailedCreate: launcher pod created failed" in job.wait(PATIENCE).message


def test_mpijob_without_operator_fails(make_executor, pods):
    job, _ = held_ranks(make_executor(start_patience_s=1.0), pods)
    assert job.wait(PATIENCE).metadata["reason"] == "NotReconciled"


def test_mpijob_reconciled_late_does_not_fail(api, make_executor, pods):
    job, thing = held_ranks(make_executor(start_patience_s=3.0), pods)
    time.sleep(1)
    status = {"conditions": [{"type": "Created", "status": "True"}]}
    where = ("mpijobs", "default", thing["metadata"]["name"])
    api.store.update(*where, lambda found: found.update(status=status))
    assert job.wait(timedelta(seconds=3.5)) is None
    pods.end(pods.make_pod(thing, "launcher", "-launcher-x"), 0)
    assert job.wait(PATIENCE).state == JobState.COMPLETED


# --- maximum wait

BORN = "2026-01-01T00:00:00Z"


def job(**more):
    return TrackedJob(
        names.NativeId("job", "space", "x"), Job(), NOTHING, creation_timestamp=BORN, **more
    )


def after(seconds):
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def test_job_is_overdue_after_its_maximum_wait():
    assert overdue_problem(job(), after(60), 60) is None
    found = overdue_problem(job(), after(61), 60)
    assert (found.reason, found.patience) == ("WaitedTooLong", Patience.NONE)
    assert "0:01:00" in found.message


def test_overdue_problem_includes_the_cause():
    problem = StartProblem("Unschedulable", "1 Insufficient cpu", Patience.UNLIMITED)
    found = overdue_problem(job(problem=problem), after(7201), 7200)
    assert "2:00:00" in found.message
    assert str(problem) in found.message


def test_time_in_a_queue_counts():
    assert overdue_problem(job(suspended=True), after(61), 60) is not None


@pytest.mark.parametrize(
    "state",
    [
        {"pods": {"p": PodState("p", names.MAIN, running=True)}},
        {"succeeded": True},
        {"completing": True},
    ],
)
def test_started_job_is_not_overdue(state):
    assert overdue_problem(job(**state), after(1e9), 60) is None


def test_job_not_yet_created_is_not_overdue():
    tracked = job()
    tracked.creation_timestamp = ""
    assert overdue_problem(tracked, after(1e9), 60) is None


def test_overdue_job_fails_and_is_deleted(api, executor, pods):
    job, thing = held_job(executor, pods, longest_wait_s=1)
    pods.make_pod(thing, **unschedulable("0/1 nodes are available: 1 Insufficient cpu."))
    status = job.wait(PATIENCE)
    assert status.state == JobState.FAILED
    assert status.metadata["reason"] == "WaitedTooLong"
    assert "Unschedulable: 0/1 nodes" in status.message
    assert api.store.all("jobs") == api.store.all("pods") == []
