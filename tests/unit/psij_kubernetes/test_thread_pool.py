"""The pool runs every task, and a hanging task does not keep the process alive."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest
from waiting import PATIENCE_S

from hybrid_parsl.psij_kubernetes.thread_pool import DaemonThreadPool


@pytest.fixture
def pool():
    pool = DaemonThreadPool(2)
    yield pool
    pool.close()


def test_all_tasks_run_on_at_most_n_threads(pool):
    names, barrier = set(), threading.Barrier(2)

    def task():
        barrier.wait(PATIENCE_S)  # two tasks run at the same time
        names.add(threading.current_thread().name)

    for _ in range(10):
        pool.submit(task)
    pool.drain(10)
    assert len(names) == 2


def test_an_error_does_not_end_a_thread(caplog):
    pool, done = DaemonThreadPool(1), threading.Event()
    pool.submit(lambda: 1 / 0)
    pool.submit(done.set)
    assert done.wait(PATIENCE_S)
    pool.close()
    assert [record.exc_info[0] for record in caplog.records] == [ZeroDivisionError]


def test_tasks_run_on_the_existing_threads_if_the_system_has_no_more(pool, monkeypatch):
    started = threading.Event()
    pool.submit(started.set)
    assert started.wait(PATIENCE_S)

    def refuse(_thread):
        message = "can't start new thread"
        raise RuntimeError(message)

    done = [threading.Event() for _ in range(3)]
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for event in done:
            pool.submit(event.set)
    assert all(event.wait(PATIENCE_S) for event in done)


def test_close_stops_the_threads(pool):
    pool.submit(lambda: None)
    pool.close()
    assert not [each for each in pool._threads if each.is_alive()]


@pytest.mark.parametrize(("seconds", "expected"), [(0.2, "done"), (600, "")])
def test_exit_waits_for_tasks_but_not_long(seconds, expected):
    program = (
        "import time\n"
        "from hybrid_parsl.psij_kubernetes import thread_pool\n"
        "thread_pool._EXIT_TIMEOUT_S = 1.0\n"
        "pool = thread_pool.DaemonThreadPool(1)\n"
        f"pool.submit(lambda: (time.sleep({seconds}), print('done', flush=True)))\n"
    )
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    assert done.stdout.strip() == expected
    assert time.monotonic() - begun < 30
