"""Jobs are canceled, attached and adopted at any moment, and none is lost."""

from __future__ import annotations

import threading
import time

import psij
import pytest
from psij import Job, JobState
from psij_jobs import PATIENCE, held_job, history, make_job, run, shell
from waiting import wait_until


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
        thread.join(30)
        assert not thread.is_alive()


def test_a_job_that_is_canceled_while_it_is_submitted_does_not_run_on(api, executor, pods, start):
    pods.hold.add("held")
    api.fail("POST", "/jobs", (0.6,))
    job = make_job("true", name="held")
    submitting = start(executor.submit, job)
    wait_until(lambda: api.count("POST", "/jobs"))
    job.cancel()
    submitting.join()
    assert job.wait(PATIENCE).state == JobState.CANCELED
    wait_until(lambda: not api.store.all("jobs"))


def test_what_happens_while_a_cancellation_fails_is_told(api, make_executor, pods, start):
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
    assert (status.state, status.message.partition(":")[0]) == (JobState.FAILED, "DeadlineExceeded")
    assert begun.wait(PATIENCE, [JobState.ACTIVE]).state == JobState.ACTIVE
    api.faults.clear()
    begun.cancel()
    assert begun.wait(PATIENCE).state == JobState.CANCELED


def test_a_job_that_goes_while_it_is_attached_is_told(api, make_executor, pods, start):
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


def test_an_adopted_job_goes_on_if_its_inputs_cannot_be_made_again(
    api, make_executor, pods, tmp_path
):
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
    assert pods


def test_a_job_that_cannot_be_adopted_now_is_not_followed(api, make_executor, pods):
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


def test_a_closed_executor_makes_nothing(api, executor):
    executor.close()
    with pytest.raises(psij.SubmitException, match="has been closed"):
        executor.submit(make_job("true"))
    assert not api.store.all("jobs")
    assert not [each for each in threading.enumerate() if each.name.startswith("psij-kub")]


def test_a_callback_may_do_what_it_likes(executor, pods):
    job, other = make_job("true", name="held"), make_job("true", name="held")
    pods.hold.add("held")
    executor.submit(other)
    states = history(other)

    def cancel_other(_, status):
        if status.state == JobState.QUEUED:
            canceling = threading.Thread(target=other.cancel)
            canceling.start()
            canceling.join(20)
            assert not canceling.is_alive()

    job.set_job_status_callback(cancel_other)
    executor.submit(job)
    assert other.wait(PATIENCE).state == JobState.CANCELED
    assert states[-1] == "CANCELED"


def test_two_may_follow_one_job_and_be_told_slowly(executor, pods, start):
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
