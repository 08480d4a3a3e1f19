"""A job that has ended is deleted, and nothing else is."""

from __future__ import annotations

import pytest
from psij import JobState
from psij_jobs import PATIENCE, held_job, run, shell
from waiting import wait_until


@pytest.mark.usefixtures("pods")
def test_two_that_follow_one_job_both_get_its_results(api, executor, tmp_path):
    api.fail("GET", "/log", (0.3,))
    jobs = [
        shell(
            "sleep .3; echo 1 > r",
            directory=tmp_path / "pod",
            attributes={"key": "k", "outputs": {"r": tmp_path / f"r{number}"}},
        )
        for number in range(2)
    ]
    for job in jobs:
        executor.submit(job)
    assert [job.wait(PATIENCE).state for job in jobs] == [JobState.COMPLETED] * 2
    assert (tmp_path / "r0").read_text() == (tmp_path / "r1").read_text() == "1\n"
    wait_until(lambda: not api.store.all("jobs"))


def test_a_late_deletion_leaves_the_next_try_alone(api, make_executor, pods):
    executor = make_executor(keep="none")
    first, thing = held_job(executor, pods, key="k")
    api.fail("DELETE", "/jobs/", 503, times=2)
    pods.end(pods.make_pod(thing), 1)
    pods.finish("jobs", thing, 1)
    assert first.wait(PATIENCE).state == JobState.FAILED
    second, another = held_job(executor, pods, key="k")  # of the same name
    assert another["metadata"]["uid"] != thing["metadata"]["uid"]
    pods.end(pods.make_pod(another), 0)
    pods.finish("jobs", another, 0)
    assert second.wait(PATIENCE).state == JobState.COMPLETED


@pytest.mark.parametrize("keep", ["none", "failed"])
@pytest.mark.parametrize(("path", "status"), [("/log$", 401), ("/log$", 403), ("/pods$", 503)])
def test_results_that_cannot_be_read_now_stay(
    api, make_executor, pods, tmp_path, keep, path, status
):
    if path == "/pods$":
        api.fail("GET", path, "silent", watch=True)
    executor = make_executor(keep=keep, retry_s=0.4, silence_s=20.0)
    wanted = {"key": "k", "outputs": {"r": tmp_path / "r"}}
    script = f"echo x >> {tmp_path}/ran; echo 1 > r"
    job = shell(script, directory=tmp_path / "pod", attributes=wanted)
    executor.submit(job)
    api.fail("GET", path, status, times=99, watch=False)
    assert job.wait(PATIENCE).message.startswith("LogUnreadable: ")
    api.faults.clear()
    again = shell(script, directory=tmp_path / "pod", attributes=wanted)
    assert run(make_executor(), again).state == JobState.COMPLETED
    assert (tmp_path / "ran").read_text() == "x\n"
    assert pods
