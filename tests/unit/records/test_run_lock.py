"""Only one process drives a run."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from hybrid_parsl.errors import RunOverlapError, StorageError
from hybrid_parsl.records.run_lock import Driver, driver_of, run_lock

HOLDER = """
import sys
from pathlib import Path
from hybrid_parsl.records.run_lock import run_lock
with run_lock(Path(sys.argv[1]), "run x"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "driver.lock"


def test_who_holds_the_lock_is_known_until_the_block_ends(path):
    assert driver_of(path) is None
    with run_lock(path, "run x"):
        driver = driver_of(path)
        assert driver is not None
        assert (driver.pid, driver.is_here()) == (os.getpid(), True)
    assert driver_of(path) is None


def test_a_second_holder_is_refused_and_told_of_the_first_until_that_one_is_dead(path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"held\n"
    expected = f"run x is still running: process {process.pid} on {os.uname().nodename}"
    with pytest.raises(RunOverlapError, match=expected), run_lock(path, "run x"):
        pass
    process.kill()
    process.communicate()
    with run_lock(path, "run x"):
        pass


def test_a_holder_that_has_not_told_its_name_is_one_all_the_same(path):
    with run_lock(path, "run x"):
        path.write_text("")
        driver = driver_of(path)
        assert driver is not None
        assert not driver.is_here()


def test_a_folder_that_is_gone_is_told(tmp_path):
    lock = run_lock(tmp_path / "gone" / "driver.lock", "run x")
    with pytest.raises(StorageError, match="gone"), lock:
        pass


def test_a_file_system_without_locks_says_so(monkeypatch, tmp_path):
    def fail(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", fail)
    told = r"cannot be locked .*another --runs-dir"
    with pytest.raises(StorageError, match=told), run_lock(tmp_path / "lock", "run x"):
        pass
    assert driver_of(tmp_path / "lock") is None


def test_a_driver_is_signalled_only_if_it_began_when_it_says(path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"held\n"
        driver = driver_of(path)
        with pytest.raises(RunOverlapError, match="not the process that took the lock"):
            replace(driver, began=driver.began - 1).terminate("run x")
        assert process.poll() is None
        driver.terminate("run x")
        assert process.wait() == -signal.SIGTERM
    driver.terminate("run x")  # it has ended: nothing to do


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"host": 1, "pid": 1}', '{"host": "a"}', "[" * 4000]
)
def test_a_lock_that_names_no_process(path, text):
    with run_lock(path, "run x"):
        path.write_text(text)
        assert str(driver_of(path)) == "process 0 on an unknown host"


@pytest.mark.parametrize("pid", [0, -1, 2**40])
def test_a_number_that_no_process_has_is_not_signalled(pid):
    Driver("here", pid, 1.0).terminate("run x")
