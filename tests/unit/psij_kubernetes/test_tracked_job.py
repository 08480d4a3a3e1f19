"""Events in the cluster after a job has started."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from psij import JobState
from psij_jobs import (
    PATIENCE,
    held_job,
    held_ranks,
)
from waiting import wait_until

from hybrid_parsl.psij_kubernetes import tracked_job


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        ({"reason": "OOMKilled"}, "OOMKilled"),
        ({"pod_reason": "Evicted", "message": "low on disk"}, "Evicted"),
        ({"pod_reason": "DeadlineExceeded"}, "DeadlineExceeded"),
        ({"pod_reason": "NodeShutdown"}, "NodeShutdown"),
        ({"disrupted": "PreemptionByScheduler"}, "PreemptionByScheduler"),
    ],
)
def test_failure_has_its_reason_and_the_last_lines(api, executor, pods, ending, expected):
    job, thing = held_job(executor, pods)
    pod = pods.make_pod(thing)
    pods.set_running(pod)
    api.logs[pod[1]] = b"the last line\n"
    status = {"message": ending["message"]} if "message" in ending else {}
    if "pod_reason" in ending:
        status["reason"] = ending["pod_reason"]
    if "disrupted" in ending:
        condition = {"type": "DisruptionTarget", "status": "True", "reason": ending["disrupted"]}
        status["conditions"] = [condition]
    pods.end(pod, 137, ending.get("reason"), **status)
    found = job.wait(PATIENCE)
    assert found.state == JobState.FAILED
    assert found.metadata["reason"] == expected
    assert "| the last line" in found.message


def test_lost_node_ends_the_job_without_a_pod_event(executor, pods):
    job, thing = held_job(executor, pods)
    pod = pods.make_pod(thing)
    pods.set_running(pod)
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}
    pods.set_status(pod, conditions=[condition])
    assert job.wait(PATIENCE).metadata["reason"] == "DeletionByTaintManager"


def test_deleted_pod_fails_the_job_without_a_restart(api, executor, pods):
    job, thing = held_job(executor, pods)
    pod = pods.make_pod(thing)
    pods.set_running(pod)
    job.wait(PATIENCE, [JobState.ACTIVE])
    # the controllers of older clusters make another pod before the first is gone
    pods.set_running(pods.make_pod(thing, suffix="-again"))
    pods.store.remove("pods", *pod)
    assert job.wait(PATIENCE).metadata["reason"] == "PodDeleted"
    wait_until(lambda: not api.store.all("jobs"))


def test_pod_deleted_at_the_end_of_the_walltime_has_the_reason_of_its_controller(executor, pods):
    job, thing = held_job(executor, pods)
    pod = pods.make_pod(thing)
    reason = ("DeadlineExceeded", "Job was active longer than specified deadline")
    later = threading.Timer(0.5, pods.finish, ("jobs", thing, 1, *reason))
    later.start()
    pods.store.remove("pods", *pod)
    status = job.wait(PATIENCE)
    later.join()
    assert status.metadata["reason"] == "DeadlineExceeded"
    assert status.message.startswith("DeadlineExceeded: the walltime")


def test_job_deleted_by_another_client_is_cancelled(api, executor, pods):
    job, thing = held_job(executor, pods)
    api.store.remove("jobs", "default", thing["metadata"]["name"])
    status = job.wait(PATIENCE)
    assert status.state == JobState.CANCELED
    assert status.metadata["reason"] == "Deleted"


def test_killed_worker_explains_the_end_of_the_launcher(executor, pods):
    job, thing = held_ranks(executor, pods)
    worker = pods.make_pod(thing, "worker", "-worker-1")
    launcher = pods.make_pod(thing, "launcher", "-launcher-x")
    pods.set_running(launcher)
    pods.end(worker, 137, "OOMKilled")
    pods.end(launcher, 255)
    status = job.wait(PATIENCE)
    assert status.exit_code == 255
    assert "-worker-1: OOMKilled: " in status.message


@pytest.mark.parametrize("code", [255, 7])
def test_worker_deleted_while_ranks_run_is_the_cause(api, executor, pods, code):
    job, thing = held_ranks(executor, pods)
    worker = pods.make_pod(thing, "worker", "-worker-1")
    launcher = pods.make_pod(thing, "launcher", "-launcher-x")
    pods.set_running(launcher)
    ends = [lambda: api.store.remove("pods", *worker), lambda: pods.end(launcher, code)]
    for end in ends if code == 255 else reversed(ends):  # the operator removes workers at the end
        end()
    status = job.wait(PATIENCE)
    assert status.exit_code == code
    assert ("-worker-1: PodDeleted: " in status.message) == (code == 255)


def test_a_suspended_job_waits_in_its_queue(api, executor, pods):
    job, thing = held_job(executor, pods)
    where = ("jobs", "default", thing["metadata"]["name"])
    api.store.update(*where, lambda found: found["spec"].update(suspend=True))
    assert job.wait(timedelta(seconds=3)) is None
    assert api.count("GET", "/events") == 0


def test_suspended_job_runs_after_its_pods_were_withdrawn(api, executor, pods):
    job, thing = held_job(executor, pods)
    where = ("jobs", "default", thing["metadata"]["name"])
    first = pods.make_pod(thing, suffix="-first")
    pods.set_running(first)
    api.store.update(*where, lambda found: found["spec"].update(suspend=True))
    wait_until(lambda: executor._jobs._tracker.find(job).suspended)
    api.store.update("pods", *first, lambda pod: pod["metadata"].update(deletionTimestamp="now"))
    pods.end(first, 143)
    api.store.remove("pods", *first)
    assert job.wait(timedelta(seconds=0.5)) is None
    api.store.update(*where, lambda found: found["spec"].update(suspend=False))
    pods.end(pods.make_pod(thing, suffix="-second"), 0)
    assert job.wait(PATIENCE).state == JobState.COMPLETED


def running_ranks(executor, pods):
    """Return a job of two workers that run, with its launcher and its workers."""
    job, thing = held_ranks(executor, pods)
    workers = [pods.make_pod(thing, "worker", f"-worker-{number}") for number in (0, 1)]
    launcher = pods.make_pod(thing, "launcher", "-launcher")
    for pod in (*workers, launcher):
        pods.set_running(pod)
    job.wait(PATIENCE, [JobState.ACTIVE])
    return job, launcher, workers


def test_launcher_that_misses_the_loss_of_its_workers_fails(api, executor, pods, monkeypatch):
    monkeypatch.setattr(tracked_job, "_WORKER_LOSS_GRACE_S", 0.2)
    job, launcher, workers = running_ranks(executor, pods)
    api.logs[launcher[1]] = b"\x1eabc\nwaiting for my workers\n"
    for pod in workers:
        pods.store.remove("pods", *pod)
    status = job.wait(PATIENCE)
    assert status.state == JobState.FAILED
    assert status.message.startswith(f"{workers[0][1]}: PodDeleted: ")
    assert "waiting for my workers" in status.message
    wait_until(lambda: not api.store.all("mpijobs"))


def test_launcher_that_notices_a_lost_worker_reports_its_exit_code(executor, pods):
    job, launcher, workers = running_ranks(executor, pods)
    pods.store.remove("pods", *workers[0])
    pods.end(launcher, 9)
    status = job.wait(PATIENCE)
    assert (status.state, status.exit_code) == (JobState.FAILED, 9)
    assert status.message.startswith(f"{workers[0][1]}: PodDeleted")
