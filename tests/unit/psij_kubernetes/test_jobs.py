"""Submission, cancellation and attachment under races and lost responses."""

from __future__ import annotations

import threading
import time

import psij
import pytest
from psij import Job, JobState
from psij_jobs import PATIENCE, held_job, history, make_job, run, shell
from waiting import PATIENCE_S, wait_until


@pytest.fixture
def start():
    """Return a function that calls another on a thread."""
    threads = []

    def start_thread(call, *arguments):
        thread = threading.Thread(target=call, args=arguments, daemon=True)
        threads.append(thread)
        thread.start()
        return thread

    yield start_thread
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def test_cancel_during_submission_deletes_the_job(api, executor, pods, start):
    pods.hold.add("held")
    api.fail("POST", "/jobs", (0.6,))
    job = make_job("true", name="held")
    submitting = start(executor.submit, job)
    wait_until(lambda: api.count("POST", "/jobs"))
    job.cancel()
    submitting.join()
    assert job.wait(PATIENCE).state == JobState.CANCELED
    wait_until(lambda: not api.store.all("jobs"))


def test_events_during_a_failed_cancellation_are_processed(api, make_executor, pods, start):
    executor = make_executor(retry_s=0.8)
    ended, ended_thing = held_job(executor, pods)
    begun, _ = held_job(executor, pods, key="second")
    begun_thing = api.store.get("jobs", "default", begun.native_id.rpartition("/")[2])
    api.fail("DELETE", "/jobs", 503, times=99)

    def cancel(job):
        with pytest.raises(psij.SubmitException, match="told to fail"):
            job.cancel()

    threads = [start(cancel, job) for job in (ended, begun)]
    wait_until(lambda: api.count("DELETE", "/jobs") >= 2)
    pods.finish("jobs", ended_thing, 1, "DeadlineExceeded", "too long")
    pods.set_running(pods.make_pod(begun_thing))
    for thread in threads:
        thread.join()
    status = ended.wait(PATIENCE)
    assert (status.state, status.metadata["reason"]) == (JobState.FAILED, "DeadlineExceeded")
    assert begun.wait(PATIENCE, [JobState.ACTIVE]).state == JobState.ACTIVE
    api.faults.clear()
    begun.cancel()
    assert begun.wait(PATIENCE).state == JobState.CANCELED


def test_job_deleted_while_attaching_fails(api, make_executor, pods, start):
    first = make_executor()
    job, thing = held_job(first, pods)
    first.close()
    api.fail("GET", "/jobs$", (0.6,), watch=False)
    again = Job()
    attaching = start(make_executor().attach, again, job.native_id)
    wait_until(lambda: api.count("GET", "/jobs$", watch=False) >= 2)
    api.store.remove("jobs", "default", thing["metadata"]["name"])
    attaching.join()
    assert again.wait(PATIENCE).state == JobState.FAILED


@pytest.mark.usefixtures("pods")
def test_adopted_job_continues_if_its_inputs_cannot_be_created(api, make_executor, tmp_path):
    wanted = {"key": "k", "inputs": {"a": b"1"}}
    go = tmp_path / "go"
    script = f"while [ ! -e {go} ]; do sleep .05; done"
    first, second = (shell(script, directory=tmp_path / "p", attributes=wanted) for _ in range(2))
    make_executor().submit(first)
    first.wait(PATIENCE, [JobState.ACTIVE])
    api.fail("POST", "/secrets", 403, times=1)
    with pytest.raises(psij.SubmitException, match="told to fail"):
        make_executor().submit(second)
    go.touch()
    assert first.wait(PATIENCE).state == JobState.COMPLETED


def test_job_that_cannot_be_adopted_is_not_tracked(api, make_executor, pods):
    first = make_executor()
    held_job(first, pods, key="k")
    executor = make_executor(retry_s=0.2)
    executor.submit(make_job("true", name="other"))
    api.fail("GET", "/pods", 503, times=99, watch=False)
    job = make_job("true", name="held", attributes={"key": "k"})
    with pytest.raises(psij.SubmitException, match="told to fail"):
        executor.submit(job)
    assert executor._jobs._tracker.find(job) is None
    api.faults.clear()
    assert len(api.store.all("jobs")) >= 1


def test_closed_executor_creates_nothing(api, executor):
    executor.close()
    with pytest.raises(psij.SubmitException, match="has been closed"):
        executor.submit(make_job("true"))
    assert not api.store.all("jobs")
    assert not [each for each in threading.enumerate() if each.name.startswith("psij-kub")]


def test_callback_may_cancel_another_job(executor, pods):
    job, other = make_job("true", name="held"), make_job("true", name="held")
    pods.hold.add("held")
    executor.submit(other)
    states = history(other)

    def cancel_other(_, status):
        if status.state == JobState.QUEUED:
            cancelling = threading.Thread(target=other.cancel)
            cancelling.start()
            cancelling.join(PATIENCE_S)
            assert not cancelling.is_alive()

    job.set_job_status_callback(cancel_other)
    executor.submit(job)
    assert other.wait(PATIENCE).state == JobState.CANCELED
    assert states[-1] == "CANCELED"


def test_slow_callbacks_of_two_jobs_do_not_block_each_other(executor, pods, start):
    pods.hold.add("held")
    jobs = [make_job("true", name="held", attributes={"key": "k"}) for _ in range(2)]
    for job in jobs:
        job.set_job_status_callback(lambda *_: time.sleep(0.1))
    for thread in [start(executor.submit, job) for job in jobs]:
        thread.join()
    (thing,) = pods.store.all("jobs")
    pods.end(pods.make_pod(thing), 0)
    pods.finish("jobs", thing, 0)
    assert [job.wait(PATIENCE).state for job in jobs] == [JobState.COMPLETED] * 2


# --- creation


QUOTA = 'Operation cannot be fulfilled on resourcequotas "q": the object has been modified'


@pytest.mark.parametrize("plural", ["jobs", "secrets"])
@pytest.mark.usefixtures("pods")
def test_write_conflict_in_the_server_is_retried(api, executor, tmp_path, plural):
    api.fail("POST", f"/{plural}", 409, reason="Conflict", message=QUOTA)
    job = shell("cat a", directory=tmp_path / "pod", attributes={"inputs": {"a": b"1"}})
    assert run(executor, job).state == JobState.COMPLETED


def test_occupied_name_is_polled_with_backoff(api, make_executor):
    api.fail("POST", "/jobs", 409, times=999)
    with pytest.raises(psij.SubmitException, match="still being deleted") as caught:
        make_executor(retry_s=0.6).submit(make_job("true"))
    assert caught.value.transient
    assert api.count("POST", "/jobs") < 10


def test_job_about_to_fail_is_replaced(api, executor, pods):
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
