"""Status callbacks are delivered in order, without the lock, and survive errors."""

from __future__ import annotations

import threading

import pytest
from psij import Job, JobState, JobStatus

from hybrid_parsl.psij_kubernetes import names
from hybrid_parsl.psij_kubernetes.callbacks import StatusCallbacks
from hybrid_parsl.psij_kubernetes.job_plan import NOTHING
from hybrid_parsl.psij_kubernetes.tracked_job import TrackedJob

QUEUED, ACTIVE, COMPLETED = JobState.QUEUED, JobState.ACTIVE, JobState.COMPLETED


@pytest.fixture
def tracked():
    return TrackedJob(names.NativeId("job", "space", "x"), Job(), NOTHING)


def change(callbacks, tracked, *states):
    with callbacks.locked(tracked):
        tracked.unreported.extend(JobStatus(state) for state in states)


def test_a_callback_runs_after_the_lock_is_released(tracked):
    def try_lock():
        free.append(tracked.lock.acquire(timeout=5))
        if free[-1]:
            tracked.lock.release()

    def report(_job, _status):
        other = threading.Thread(target=try_lock)
        other.start()
        other.join()

    free = []
    change(StatusCallbacks(report), tracked, QUEUED)
    assert free == [True]


def test_statuses_added_during_a_callback_follow_in_order(tracked):
    states = []

    def report(_job, status):
        if status.state == QUEUED:
            other = threading.Thread(target=change, args=(callbacks, tracked, COMPLETED))
            other.start()
            other.join()  # it leaves the delivery to this thread
        states.append(status.state)

    callbacks = StatusCallbacks(report)
    change(callbacks, tracked, QUEUED, ACTIVE)
    assert states == [QUEUED, ACTIVE, COMPLETED]


def test_an_error_of_a_callback_does_not_stop_later_ones(tracked, caplog):
    states = []

    def report(_job, status):
        states.append(status.state)
        raise ValueError(status.state)

    change(StatusCallbacks(report), tracked, QUEUED, ACTIVE)
    assert states == [QUEUED, ACTIVE]
    assert [record.exc_info[0] for record in caplog.records] == [ValueError] * 2


def test_statuses_are_delivered_even_if_the_change_fails(tracked):
    states = []
    callbacks = StatusCallbacks(lambda _, status: states.append(status.state))

    def fail():
        with callbacks.locked(tracked):
            tracked.unreported.append(JobStatus(QUEUED))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert states == [QUEUED]
