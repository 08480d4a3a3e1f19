"""Jobs are tracked through disconnects and namesakes."""

from __future__ import annotations

from psij import JobState
from psij_jobs import PATIENCE, held_job
from waiting import wait_until


def test_another_job_of_the_same_name_is_not_confused(api, executor, pods):
    job, thing = held_job(executor, pods)
    wait_until(lambda: api.count("GET", "/jobs", watch=True))
    api.stop()
    api.store.remove("jobs", "default", thing["metadata"]["name"])
    another = {**thing, "metadata": {**thing["metadata"], "uid": "another"}}
    api.store.put("jobs", another)
    api.store.compact()
    api.restart()
    status = job.wait(PATIENCE)
    assert status.state == JobState.FAILED
    assert status.metadata["reason"] == "Gone"
    assert api.store.all("jobs")[0]["metadata"]["uid"] == "another"


def test_invalid_list_is_retried(api, executor, pods):
    job, thing = held_job(executor, pods)
    wait_until(lambda: api.count("GET", "/jobs", watch=True))
    api.stop()
    api.store.compact()
    for _ in range(2):
        api.fail("GET", "/jobs$", "page", watch=False)
    api.restart()
    pods.end(pods.make_pod(thing), 0)
    pods.finish("jobs", thing, 0)
    assert job.wait(PATIENCE).state == JobState.COMPLETED
