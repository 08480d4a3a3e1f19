"""Retries and errors of the API client."""

from __future__ import annotations

import threading
import time

import psij
import pytest
from psij import JobState
from psij_jobs import (
    PATIENCE,
    held_job,
    make_job,
    run,
    shell,
)
from waiting import wait_until


@pytest.mark.parametrize("action", [429, 500, 502, 503, 504, "reset"])
@pytest.mark.usefixtures("pods")
def test_every_request_is_retried(api, executor, tmp_path, action):
    for method, path in [
        ("GET", "/jobs"),
        ("GET", "/pods"),
        ("POST", "/jobs"),
        ("DELETE", "/jobs"),
    ]:
        api.fail(method, path, action, watch=False)
    job = shell("echo 1", stdout_path=tmp_path / "out")
    assert run(executor, job).state == JobState.COMPLETED
    wait_until(lambda: not api.store.all("jobs"))


def test_retry_after_is_respected(api, executor):
    api.fail("GET", "/jobs", 429, headers={"Retry-After": "1"})
    begun = time.monotonic()
    executor.list()
    assert time.monotonic() - begun >= 1


def test_unreachable_server_is_a_transient_error(api, make_executor):
    executor = make_executor(retry_s=0.3)
    api.stop()
    job = make_job("true")
    with pytest.raises(psij.SubmitException, match="does not answer") as caught:
        executor.submit(job)
    assert caught.value.transient
    api.restart()


def test_forbidden_request_is_a_permanent_error(api, executor):
    api.denied.add(("create", "jobs"))
    with pytest.raises(psij.SubmitException, match="forbidden") as caught:
        executor.submit(make_job("true"))
    assert not caught.value.transient


def test_forbidden_watch_fails_before_the_job_is_created(api, executor):
    api.denied.add(("get", "pods"))
    with pytest.raises(psij.SubmitException, match="pods is forbidden"):
        executor.submit(make_job("true"))
    assert not api.store.all("jobs")


def test_a_quota_of_jobs_is_transient(api, executor):
    api.fail("POST", "/jobs", 403, message="exceeded quota: count/jobs.batch")
    with pytest.raises(psij.SubmitException) as caught:
        executor.submit(make_job("true"))
    assert caught.value.transient


def test_job_rejected_by_validation_is_invalid(api, executor):
    api.fail("POST", "/jobs", 422, message="spec.template: Invalid value")
    with pytest.raises(psij.InvalidJobException, match="Invalid value"):
        executor.submit(make_job("true"))


@pytest.mark.usefixtures("pods")
def test_jobs_survive_a_restart_of_the_server(api, executor, tmp_path):
    job = shell("sleep 1.5; echo 1", stdout_path=tmp_path / "out")
    executor.submit(job)
    job.wait(PATIENCE, [JobState.ACTIVE])
    api.stop()
    time.sleep(2)
    api.restart()
    assert job.wait(PATIENCE).state == JobState.COMPLETED
    assert (tmp_path / "out").read_text() == "1\n"


def test_job_missing_from_a_relist_fails(api, executor, pods):
    job, thing = held_job(executor, pods)
    wait_until(lambda: api.count("GET", "/jobs", watch=True))
    api.stop()
    api.store.objects["jobs"].pop(("default", thing["metadata"]["name"]))
    api.store.version += 1
    api.store.compact()
    api.restart()
    status = job.wait(PATIENCE)
    assert status.state == JobState.FAILED
    assert status.metadata["reason"] == "Gone"


@pytest.mark.usefixtures("pods")
def test_an_expired_token_is_renewed_from_the_kubeconfig(api, make_executor, tmp_path):
    api.token = "first"
    token = tmp_path / "token"
    token.write_text("first")
    executor = make_executor(user={"tokenFile": str(token)})
    assert executor.list() == []
    api.token = "second"
    token.write_text("second")
    assert run(executor, make_job("true")).state == JobState.COMPLETED


def test_renewal_of_credentials_is_retried(api, make_executor, tmp_path, pods):
    api.token = "first"
    token = tmp_path / "token"
    token.write_text("first")
    executor = make_executor(user={"tokenFile": str(token)})
    job, thing = held_job(executor, pods)
    api.stop()
    file = tmp_path / "kubeconfig"
    text = file.read_text()
    file.write_text("{}")
    token.write_text("second")
    api.token = "second"
    api.restart()
    restore = threading.Timer(1, file.write_text, [text])
    restore.start()
    pods.end(pods.make_pod(thing), 0)
    assert job.wait(PATIENCE).state == JobState.COMPLETED
    restore.join()
