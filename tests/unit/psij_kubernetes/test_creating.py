"""What is created is created once, whatever the server says to the first try."""

from __future__ import annotations

import psij
import pytest
from psij import JobState
from psij_jobs import held_job, make_job, run, shell

QUOTA = 'Operation cannot be fulfilled on resourcequotas "q": the object has been modified'


@pytest.mark.parametrize("plural", ["jobs", "secrets"])
@pytest.mark.usefixtures("pods")
def test_a_server_that_was_beaten_at_counting_is_asked_again(api, executor, tmp_path, plural):
    api.fail("POST", f"/{plural}", 409, reason="Conflict", message=QUOTA)
    job = shell("cat a", directory=tmp_path / "pod", attributes={"inputs": {"a": b"1"}})
    assert run(executor, job).state == JobState.COMPLETED


def test_a_name_that_is_never_free_is_waited_for_in_peace(api, make_executor):
    api.fail("POST", "/jobs", 409, times=999)
    with pytest.raises(psij.SubmitException, match="still being deleted") as caught:
        make_executor(retry_s=0.6).submit(make_job("true"))
    assert caught.value.transient
    assert api.count("POST", "/jobs") < 10


def test_a_job_that_is_about_to_fail_is_no_other_try(api, executor, pods):
    _, thing = held_job(executor, pods, key="k")
    failing = {"type": "FailureTarget", "status": "True", "reason": "BackoffLimitExceeded"}
    name = thing["metadata"]["name"]
    api.store.update(
        "jobs", "default", name, lambda it: it.update(status={"conditions": [failing]})
    )
    job = make_job("true", name="held", attributes={"key": "k"})
    executor.submit(job)
    (found,) = api.store.all("jobs")
    assert found["metadata"]["uid"] != thing["metadata"]["uid"]
