"""Results arrive complete or are an error; finished jobs are deleted."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import psij
import pytest
from psij import Job, JobSpec, JobState, ResourceSpecV1
from psij_jobs import PATIENCE, held_job, run, shell
from waiting import PATIENCE_S, wait_until

from hybrid_parsl.psij_kubernetes.completion import is_expired


@pytest.mark.parametrize("keeps", ["nothing", "half", "tail", "changed"])
@pytest.mark.usefixtures("pods")
def test_incomplete_log_is_an_error_without_result(api, executor, tmp_path, keeps):
    damage = {
        "nothing": lambda _: b"",
        "half": lambda log: log[: len(log) // 2],
        "tail": lambda log: log[log.index(b"F2000") + 40 :],
        "changed": lambda log: log.replace(b"AAAA", b"AAAB", 1),
    }[keeps]
    job = shell(
        "head -c 2000 /dev/zero > r",
        directory=tmp_path / "pod",
        attributes={"outputs": {"r": tmp_path / "r"}},
    )
    api.damage = damage
    status = run(executor, job)
    assert (status.state, status.exit_code) == (JobState.FAILED, 0)
    assert status.metadata["reason"] == "LogIncomplete"
    assert not (tmp_path / "r").exists()


@pytest.mark.usefixtures("pods")
def test_the_end_of_a_log_may_arrive_late(api, executor, tmp_path):
    first_read_s = []

    def damage(log):
        first_read_s.append(time.monotonic())
        return log[: len(log) // 2] if time.monotonic() < first_read_s[0] + 2.5 else log

    api.damage = damage
    wanted = {"outputs": {"r": tmp_path / "r"}}
    job = shell("head -c 2000 /dev/zero > r", directory=tmp_path / "pod", attributes=wanted)
    assert run(executor, job).state == JobState.COMPLETED
    assert (tmp_path / "r").read_bytes() == bytes(2000)


@pytest.mark.usefixtures("pods")
def test_job_with_lost_results_is_replaced_on_resubmission(api, executor, tmp_path):
    wanted = {"key": "k", "outputs": {"r": tmp_path / "r"}}
    for damage, state in ((lambda _: b"", "FAILED"), (bytes, "COMPLETED")):
        api.damage = damage
        script = f"echo x >> {tmp_path}/ran; echo 1 > r"
        job = shell(script, directory=tmp_path / "pod", attributes=wanted)
        assert run(executor, job).state.name == state
    assert (tmp_path / "ran").read_text() == "x\nx\n"


@pytest.mark.usefixtures("pods")
def test_log_fetch_is_retried_while_the_server_is_down(api, executor, tmp_path):
    api.fail("GET", "/log", 503, times=5)
    wanted = {"outputs": {"r": tmp_path / "r"}}
    job = shell("echo 1 > r", directory=tmp_path / "pod", attributes=wanted)
    assert run(executor, job).state == JobState.COMPLETED


@pytest.mark.usefixtures("pods")
def test_job_with_unreadable_log_is_kept_for_adoption(api, make_executor, tmp_path):
    api.fail("GET", "/log", 503, times=99)
    wanted = {"key": "k", "outputs": {"r": tmp_path / "r"}}
    script = f"echo x >> {tmp_path}/ran; echo 1 > r"
    job = shell(script, directory=tmp_path / "pod", attributes=wanted)
    status = run(make_executor(retry_s=0.5), job)
    assert status.metadata["reason"] == "LogUnreadable"
    api.faults.clear()
    again = shell(script, directory=tmp_path / "pod", attributes=wanted)
    assert run(make_executor(), again).state == JobState.COMPLETED
    assert (tmp_path / "ran").read_text() == "x\n"


@pytest.mark.usefixtures("pods")
def test_rotated_log_with_complete_outputs_is_a_warning(api, executor, tmp_path):
    job = shell(
        "echo begin; echo 1 > r",
        directory=tmp_path / "pod",
        stdout_path=tmp_path / "out",
        attributes={"outputs": {"r": tmp_path / "r"}},
    )
    api.damage = lambda log: log[log.index(b"begin") + 1 :]
    status = run(executor, job)
    assert status.state == JobState.COMPLETED
    assert "rotated" in status.message


@pytest.mark.usefixtures("pods")
def test_rotated_log_is_an_error_if_only_streams_are_collected(api, executor, tmp_path):
    job = shell("echo begin", stdout_path=tmp_path / "out")
    api.damage = lambda log: log[log.index(b"begin") + 1 :]
    status = run(executor, job)
    assert status.state == JobState.FAILED
    assert "rotated" in status.message


@pytest.mark.parametrize("action", ["reset", "cut", 500, 429])
@pytest.mark.usefixtures("pods")
def test_log_fetch_is_retried(api, executor, tmp_path, action):
    api.fail("GET", "/log", action, headers={"Retry-After": "0"} if action == 429 else {})
    job = shell("echo whole", stdout_path=tmp_path / "out")
    assert run(executor, job).state == JobState.COMPLETED
    assert (tmp_path / "out").read_text() == "whole\n"


@pytest.mark.usefixtures("pods")
def test_missing_output_file_is_an_error(executor, tmp_path):
    outputs = {"a": tmp_path / "a", "b": tmp_path / "b", "c*": tmp_path / "c"}
    job = shell("echo > a", directory=tmp_path / "pod", attributes={"outputs": outputs})
    status = run(executor, job)
    assert (status.state, status.exit_code) == (JobState.FAILED, 0)
    assert status.metadata["reason"] == "LogIncomplete"
    assert status.message.endswith(" b")
    assert (tmp_path / "a").exists()


@pytest.mark.parametrize(
    "words",
    [
        b"unable to retrieve container logs for containerd://0123abc",
        b'failed to try resolving symlinks in path "/var/log/pods/x/job/0.log": lstat: no file\n',
    ],
)
def test_kubelet_error_message_is_not_output_of_the_job(api, executor, pods, tmp_path, words):
    pods.hold.add("held")
    job = shell("true", name="held", stdout_path=tmp_path / "out")
    executor.submit(job)
    (thing,) = api.store.all("jobs")
    pod = pods.make_pod(thing)
    api.logs[pod[1]] = words
    pods.end(pod, 137)
    status = job.wait(PATIENCE)
    assert (status.state, status.message) == (JobState.FAILED, "exit code 137")
    assert not (tmp_path / "out").exists()


# --- deletion


@pytest.mark.usefixtures("pods")
def test_two_psij_jobs_of_one_cluster_job_both_get_its_results(api, executor, tmp_path):
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


def test_late_deletion_does_not_delete_the_next_attempt(api, make_executor, pods):
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
@pytest.mark.usefixtures("pods")
def test_job_with_unreadable_results_is_kept_and_adopted(
    api, make_executor, tmp_path, keep, path, status
):
    if path == "/pods$":
        api.fail("GET", path, "silent", watch=True)
    executor = make_executor(keep=keep, retry_s=0.4, silence_s=20.0)
    wanted = {"key": "k", "outputs": {"r": tmp_path / "r"}}
    script = f"echo x >> {tmp_path}/ran; echo 1 > r"
    job = shell(script, directory=tmp_path / "pod", attributes=wanted)
    executor.submit(job)
    api.fail("GET", path, status, times=99, watch=False)
    assert job.wait(PATIENCE).metadata["reason"] == "LogUnreadable"
    api.faults.clear()
    again = shell(script, directory=tmp_path / "pod", attributes=wanted)
    assert run(make_executor(), again).state == JobState.COMPLETED
    assert (tmp_path / "ran").read_text() == "x\n"


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
def test_mpijob_expires_after_its_time_to_live(thing, expected):
    assert is_expired(thing, NOW) is expected


def test_expired_mpijobs_of_killed_programs_are_deleted(api, pods, executor):
    pods.hold |= {"old", "new", "running"}
    now = datetime.now(UTC)
    api.store.put("mpijobs", mpi_job("old", ended_s=7200, now=now))
    api.store.put("mpijobs", mpi_job("new", ended_s=60, now=now))
    api.store.put("mpijobs", mpi_job("running"))
    resources = ResourceSpecV1(process_count=2)
    job = Job(JobSpec("true", launcher="mpirun", resources=resources))
    executor.submit(job)
    assert job.wait(timedelta(seconds=20)).state == psij.JobState.COMPLETED
    deadline = time.monotonic() + PATIENCE_S
    while api.store.get("mpijobs", "default", "old"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert api.store.get("mpijobs", "default", "new")
    assert api.store.get("mpijobs", "default", "running")


def test_expiry_uses_the_clock_of_the_server(api, pods, executor, monkeypatch):
    pods.hold |= {"left"}
    monkeypatch.setattr(executor._jobs._api, "_update_clock_offset", lambda _: None)
    executor._jobs._api._clock_offset_s = -7200.0
    api.store.put("mpijobs", mpi_job("left", ended_s=3700, now=datetime.now(UTC)))
    resources = ResourceSpecV1(process_count=2)
    job = Job(JobSpec("true", launcher="mpirun", resources=resources))
    executor.submit(job)
    assert job.wait(timedelta(seconds=20)).state == psij.JobState.COMPLETED
    assert api.store.get("mpijobs", "default", "left")


def test_clock_offset_comes_from_responses(executor):
    assert abs((executor._jobs._api.now() - datetime.now(UTC)).total_seconds()) < 5
    executor.list()
    told = executor._jobs._api._clock_offset_s
    assert -5 < told < 5
    assert told != 0.0
