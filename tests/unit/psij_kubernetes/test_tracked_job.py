"""What a cluster may do to a job that has started."""

from __future__ import annotations

from datetime import timedelta

import pytest
from psij import JobState
from psij_jobs import (
    PATIENCE,
    held_job,
    held_ranks,
    shell,
)
from waiting import wait_until

from hybrid_parsl.psij_kubernetes import tracked_job


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        ({"reason": "OOMKilled"}, "OOMKilled: the container exceeded its memory limit"),
        ({"pod_reason": "Evicted", "message": "low on disk"}, "Evicted: evicted by its node"),
        ({"pod_reason": "DeadlineExceeded"}, "DeadlineExceeded: the walltime of 600 s is over"),
        ({"pod_reason": "NodeShutdown"}, "NodeShutdown: its node was shut down"),
        ({"disrupted": "PreemptionByScheduler"}, "preempted by a pod of higher priority"),
    ],
)
def test_an_end_is_told_as_what_it_is_with_the_last_lines(api, executor, pods, ending, expected):
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
    assert expected in found.message
    assert "| the last line" in found.message


def test_a_node_that_is_gone_is_told_though_its_pod_never_ends(executor, pods):
    job, thing = held_job(executor, pods)
    pod = pods.make_pod(thing)
    pods.set_running(pod)
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}
    pods.set_status(pod, conditions=[condition])
    assert "its node was lost" in job.wait(PATIENCE).message


def test_a_pod_that_somebody_deletes_is_told_and_the_job_does_not_run_again(api, executor, pods):
    job, thing = held_job(executor, pods)
    pod = pods.make_pod(thing)
    pods.set_running(pod)
    job.wait(PATIENCE, [JobState.ACTIVE])
    # the controllers of older clusters make another pod before the first is gone
    pods.set_running(pods.make_pod(thing, suffix="-again"))
    pods.store.remove("pods", *pod)
    assert "the pod was deleted" in job.wait(PATIENCE).message
    wait_until(lambda: not api.store.all("jobs"))


def test_a_job_that_somebody_deletes_was_canceled(api, executor, pods):
    job, thing = held_job(executor, pods)
    api.store.remove("jobs", "default", thing["metadata"]["name"])
    status = job.wait(PATIENCE)
    assert status.state == JobState.CANCELED
    assert "another client" in status.message


def test_a_worker_that_is_killed_explains_the_launcher(executor, pods):
    job, thing = held_ranks(executor, pods)
    worker = pods.make_pod(thing, "worker", "-worker-1")
    launcher = pods.make_pod(thing, "launcher", "-launcher-x")
    pods.set_running(launcher)
    pods.end(worker, 137, "OOMKilled")
    pods.end(launcher, 255)
    status = job.wait(PATIENCE)
    assert status.exit_code == 255
    assert "-worker-1: OOMKilled: the container exceeded" in status.message


@pytest.mark.parametrize("code", [255, 7])
def test_a_worker_that_was_taken_away_while_the_ranks_ran_is_told(api, executor, pods, code):
    job, thing = held_ranks(executor, pods)
    worker = pods.make_pod(thing, "worker", "-worker-1")
    launcher = pods.make_pod(thing, "launcher", "-launcher-x")
    pods.set_running(launcher)
    ends = [lambda: api.store.remove("pods", *worker), lambda: pods.end(launcher, code)]
    for end in ends if code == 255 else reversed(ends):  # the operator removes workers at the end
        end()
    status = job.wait(PATIENCE)
    assert status.exit_code == code
    assert ("-worker-1: PodDeleted: the pod" in status.message) == (code == 255)


def test_a_suspended_job_waits_in_its_queue(api, executor, pods):
    job, thing = held_job(executor, pods)
    where = ("jobs", "default", thing["metadata"]["name"])
    api.store.update(*where, lambda found: found["spec"].update(suspend=True))
    assert job.wait(timedelta(seconds=3)) is None
    assert api.count("GET", "/events") == 0


def test_a_job_whose_place_is_taken_back_runs_later(api, executor, pods):
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


@pytest.mark.usefixtures("pods")
def test_the_output_of_a_job_that_runs_can_be_read(make_executor, tmp_path):
    out, go = tmp_path / "out", tmp_path / "go"
    out.write_text("of an earlier try, and longer than the new one")
    script = f"echo one; while [ ! -e {go} ]; do sleep .05; done; echo two"
    job = shell(script, stdout_path=out)
    make_executor(live_log_s=0.1).submit(job)
    wait_until(lambda: out.read_text() == "one\n")
    go.touch()
    assert job.wait(PATIENCE).state == JobState.COMPLETED
    assert out.read_text() == "one\ntwo\n"


def running_ranks(executor, pods):
    """Return a job of two workers that run, with its launcher and its workers."""
    job, thing = held_ranks(executor, pods)
    workers = [pods.make_pod(thing, "worker", f"-worker-{number}") for number in (0, 1)]
    launcher = pods.make_pod(thing, "launcher", "-launcher")
    for pod in (*workers, launcher):
        pods.set_running(pod)
    job.wait(PATIENCE, [JobState.ACTIVE])
    return job, launcher, workers


def test_a_launcher_that_does_not_notice_the_loss_of_its_workers(api, executor, pods, monkeypatch):
    monkeypatch.setattr(tracked_job, "_WORKER_LOSS_GRACE_S", 0.2)
    job, launcher, workers = running_ranks(executor, pods)
    api.logs[launcher[1]] = b"\x1eabc\nwaiting for my workers\n"
    for pod in workers:
        pods.store.remove("pods", *pod)
    status = job.wait(PATIENCE)
    assert status.state == JobState.FAILED
    assert status.message.startswith(f"{workers[0][1]}: PodDeleted: the pod was deleted")
    assert "waiting for my workers" in status.message
    wait_until(lambda: not api.store.all("mpijobs"))


def test_a_launcher_that_notices_says_how_it_ended(executor, pods):
    job, launcher, workers = running_ranks(executor, pods)
    pods.store.remove("pods", *workers[0])
    pods.end(launcher, 9)
    status = job.wait(PATIENCE)
    assert (status.state, status.exit_code) == (JobState.FAILED, 9)
    assert status.message.startswith(f"{workers[0][1]}: PodDeleted")
