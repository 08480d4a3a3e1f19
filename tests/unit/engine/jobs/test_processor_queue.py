from __future__ import annotations

import random
import threading
from concurrent.futures import Future
from typing import Any

import pytest
from waiting import wait_until

from hybrid_parsl.engine.jobs.processor_queue import ProcessorQueue


class Jobs:
    """Jobs that are begun, and dropped, by a queue."""

    def __init__(self, n_processors: int) -> None:
        self.queue = ProcessorQueue(n_processors)
        self.begun: list[str] = []
        self.dropped: list[str] = []

    def start(self, name: str, n_processors: int, error: Exception | None = None) -> Future[Any]:
        future: Future[Any] = Future()

        def begin() -> None:
            if error is not None:
                raise error
            self.begun.append(name)

        self.queue.start(n_processors, future, begin, lambda: self.dropped.append(name))
        return future


def test_jobs_wait_for_processors_in_their_order() -> None:
    jobs = Jobs(3)
    first, second = jobs.start("a", 2), jobs.start("b", 1)
    third, fourth = jobs.start("c", 2), jobs.start("d", 1)
    assert jobs.begun == ["a", "b"]
    second.set_result(None)
    assert not third.done()
    first.set_result(None)
    wait_until(lambda: jobs.begun == ["a", "b", "c", "d"])
    third.set_result(None)
    fourth.set_result(None)
    assert jobs.dropped == []


def test_a_job_that_is_too_large_runs_alone() -> None:
    jobs = Jobs(2)
    large = jobs.start("large", 12)
    small = jobs.start("small", 1)
    assert jobs.begun == ["large"]
    large.set_exception(ValueError())
    wait_until(lambda: jobs.begun == ["large", "small"])
    small.set_result(None)


def test_a_job_that_runs_already_counts() -> None:
    jobs = Jobs(2)
    running: Future[Any] = Future()
    jobs.queue.occupy(5, running)
    jobs.start("a", 1)
    assert jobs.begun == []
    running.set_result(None)
    wait_until(lambda: jobs.begun == ["a"])


def test_a_cancelled_job_never_begins() -> None:
    jobs = Jobs(1)
    first, second, third = (jobs.start(name, 1) for name in "abc")
    second.cancel()
    first.set_result(None)
    wait_until(lambda: jobs.begun == ["a", "c"])
    assert jobs.dropped == ["b"]
    third.set_result(None)


def test_a_job_that_cannot_begin_gives_its_processors_back() -> None:
    jobs = Jobs(1)
    with pytest.raises(ValueError, match="at once"):
        jobs.start("a", 1, ValueError("at once"))
    first = jobs.start("b", 1)
    second = jobs.start("c", 1, ValueError("later"))
    third = jobs.start("d", 1)
    first.set_result(None)
    assert str(second.exception(10)) == "later"
    wait_until(lambda: jobs.begun == ["b", "d"])
    assert jobs.dropped == ["c"]
    third.set_result(None)


def test_closing_cancels_what_waits() -> None:
    jobs = Jobs(1)
    first, second = jobs.start("a", 1), jobs.start("b", 1)
    jobs.queue.close()
    assert second.cancelled()
    assert jobs.dropped == ["b"]
    first.set_result(None)
    assert jobs.begun == ["a"]


def test_no_more_processors_are_used_than_there_are() -> None:
    chance, most, lock = random.Random(1), 4, threading.Lock()
    used, peak, done = 0, 0, 0
    queue = ProcessorQueue(most)

    def start(size: int) -> None:
        future: Future[Any] = Future()

        def end() -> None:
            nonlocal used, done
            with lock:
                used -= size
                done += 1
            future.set_result(None)

        def begin() -> None:
            nonlocal used, peak
            with lock:
                used += size
                peak = max(peak, used)
            threading.Timer(chance.random() / 500, end).start()

        queue.start(size, future, begin, lambda: None)

    for _ in range(300):
        start(chance.randint(1, most))
    wait_until(lambda: done == 300)
    assert peak <= most
