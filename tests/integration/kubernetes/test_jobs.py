"""Jobs on a real cluster: files there and back, and what goes wrong told as what it is."""

from __future__ import annotations

import os
import time
from datetime import timedelta

from psij import Job, JobAttributes, JobSpec, JobState
from waiting import PATIENCE_S

PATIENCE = timedelta(seconds=PATIENCE_S)


def run(executor, text, *, duration=600, attributes=None, **more):
    custom = {f"kubernetes.{name}": value for name, value in (attributes or {}).items()}
    about = JobAttributes(duration=timedelta(seconds=duration), custom_attributes=custom)
    job = Job(JobSpec("/bin/sh", ["-c", text], attributes=about, **more))
    executor.submit(job)
    return job.wait(PATIENCE)


def test_files_go_there_and_come_back_from_a_pod_that_is_not_root(executor, tmp_path):
    data = os.urandom(700_000)
    (tmp_path / "in").write_bytes(data)
    attributes = {
        "inputs": {"a": tmp_path / "in", "b": b"x"},
        "outputs": {"c": tmp_path / "c", "many-*": tmp_path / "many"},
        "restricted": True,
        "pod": {"securityContext": {"runAsUser": 1000}},
    }
    text = "cat a b > c; echo 1 > many-1; echo 2 > many-2; id -u; echo error >&2"
    out, err = tmp_path / "out", tmp_path / "err"
    more = {"stdout_path": out, "stderr_path": err, "directory": "/home/me/run"}
    status = run(executor, text, attributes=attributes, **more)
    assert status.state == JobState.COMPLETED, status
    assert (tmp_path / "c").read_bytes() == data + b"x"
    assert sorted(path.name for path in (tmp_path / "many").iterdir()) == ["many-1", "many-2"]
    assert (out.read_text(), err.read_text()) == ("1000\n", "error\n")


def test_nothing_is_left_of_a_job_that_completed(kubernetes, executor):
    custom = {"kubernetes.inputs": {"a": b"1"}}
    job = Job(JobSpec("/bin/true", attributes=JobAttributes(custom_attributes=custom)))
    executor.submit(job)
    assert job.wait(PATIENCE).state == JobState.COMPLETED
    name = job.native_id.rpartition("/")[2]
    deadline = time.monotonic() + PATIENCE_S
    while name in kubernetes.kubectl("get", "jobs,pods,secrets", "-o", "name"):
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_an_image_that_there_is_not(executor):
    status = run(executor, "true", attributes={"image": "localhost/none:none"})
    assert status.message.startswith("ErrImageNeverPull: ")


def test_a_node_that_there_is_not(executor):
    status = run(executor, "true", attributes={"node_selector": {"kind": "none"}})
    assert status.message.startswith("Unschedulable: 0/1 nodes are available")


def test_a_program_that_there_is_not(executor):
    job = Job(JobSpec("/there/is/none"))
    executor.submit(job)
    status = job.wait(PATIENCE)
    assert "/there/is/none" in status.message


def test_a_walltime_that_is_over(executor):
    status = run(executor, "echo last words; sleep 300", duration=2)
    assert status.message.startswith("DeadlineExceeded: the walltime of 2 s is over")


def test_a_pod_that_somebody_deletes(kubernetes, executor):
    job = Job(JobSpec("/bin/sh", ["-c", "sleep 300"]))
    executor.submit(job)
    job.wait(PATIENCE, [JobState.ACTIVE])
    name = job.native_id.rpartition("/")[2]
    kubernetes.kubectl("delete", "pod", "-l", f"psij/job={name}", "--wait=false")
    status = job.wait(PATIENCE)
    assert status.state == JobState.FAILED
    assert "PodDeleted" in status.message
    deadline = time.monotonic() + PATIENCE_S
    while kubernetes.kubectl("get", "pods", "-l", f"psij/job={name}", "-o", "name"):
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_the_last_lines_of_a_failure(executor):
    status = run(executor, "echo out; sleep 1; echo err >&2; exit 5")
    assert status.exit_code == 5
    assert status.message.splitlines()[1:] == ["| out", "| err"]
