"""PSI/J behind one door, and the defects of PSI/J that it hides."""

from __future__ import annotations

import errno
import queue
import subprocess
import sys
import tempfile
import threading
import time
from datetime import timedelta

import pytest
from waiting import PATIENCE_S, wait_until

from hybrid_parsl.engine.jobs.backend import JobBackend
from hybrid_parsl.engine.jobs.psij_loading import load_psij
from hybrid_parsl.engine.jobs.registry import SubmittedJob
from hybrid_parsl.errors import (
    BackendUnavailableError,
    ConfigurationError,
    JobRejectedError,
    StorageError,
)


@pytest.fixture
def backend(tmp_path):
    backend = JobBackend("local", tmp_path)
    yield backend
    backend.close()


def spec(*command, duration_s=60, **keywords):
    psij = load_psij()
    attributes = psij.JobAttributes(duration=timedelta(seconds=duration_s))
    return psij.JobSpec(
        executable=command[0], arguments=list(command[1:]), attributes=attributes, **keywords
    )


def submit(backend, *command, **keywords):
    ends = queue.Queue()
    submitted = backend.submit(spec(*command, **keywords), ends.put)
    return submitted, ends


@pytest.mark.parametrize(("code", "state"), [(0, "COMPLETED"), (3, "FAILED")])
def test_the_end_of_a_job_is_told_once_with_its_exit_code(backend, code, state):
    submitted, ends = submit(backend, "/bin/sh", "-c", f"exit {code}")
    end = ends.get(timeout=PATIENCE_S)
    assert (end.state, end.exit_code, end.job_id) == (state, code, submitted.job_id)
    assert not end.timed_out
    time.sleep(0.3)
    assert ends.empty()


def test_scripts_that_cannot_be_written_are_told(tmp_path):
    (tmp_path / "file").touch()
    backend = JobBackend("local", tmp_path / "file" / "scripts")
    try:
        with pytest.raises(StorageError, match=r"cannot write .*/file/scripts: Not a directory"):
            submit(backend, "/bin/true")
    finally:
        backend.close()


def test_ends_are_told_on_one_thread_of_the_backend(backend):
    # PSI/J calls back on the thread that polls all jobs: long work there would hold up all
    threads = queue.Queue()
    for _ in range(3):
        backend.submit(spec("/bin/true"), lambda _end: threads.put(threading.current_thread().name))
    assert {threads.get(timeout=PATIENCE_S) for _ in range(3)} == {"local jobs"}


def test_an_error_in_on_end_does_not_silence_the_next(backend):
    def fail(_end):
        raise RuntimeError("on purpose")

    backend.submit(spec("/bin/true"), fail)
    _, ends = submit(backend, "/bin/true")
    assert ends.get(timeout=PATIENCE_S).state == "COMPLETED"


def test_the_first_final_state_stands(backend):
    # PSI/J's local backend flips a job that has just completed to CANCELED
    psij = load_psij()
    told = queue.Queue()
    job = psij.Job(spec("/bin/true"))
    backend._jobs.add(SubmittedJob(job, told.put), "1")
    backend._status_changed(job, psij.JobStatus(psij.JobState.COMPLETED, exit_code=0))
    backend._status_changed(job, psij.JobStatus(psij.JobState.CANCELED))
    assert told.get(timeout=PATIENCE_S).state == "COMPLETED"
    time.sleep(0.2)
    assert told.empty()


def test_canceling_a_job_that_is_done_is_no_error(backend):
    submitted, ends = submit(backend, "/bin/true")
    assert ends.get(timeout=PATIENCE_S).state == "COMPLETED"
    backend.cancel(submitted)
    assert ends.empty()


def test_canceling_ends_every_process_of_the_job(backend):
    marker = f"1234.{time.time_ns()}"
    script = f"sleep {marker} & (sleep {marker}; true) & sleep {marker}"
    submitted, ends = submit(backend, "/bin/bash", "-c", script)
    wait_until(lambda: _count(marker) >= 3)
    backend.cancel(submitted)
    assert ends.get(timeout=PATIENCE_S).state == "CANCELED"
    wait_until(lambda: _count(marker) == 0)


def test_the_duration_of_a_job_is_kept(backend):
    begun = time.monotonic()
    _, ends = submit(backend, "/bin/sleep", "100", duration_s=1)
    end = ends.get(timeout=PATIENCE_S)
    assert end.timed_out
    assert time.monotonic() - begun < 20


def test_closing_cancels_what_still_runs(tmp_path):
    backend = JobBackend("local", tmp_path)
    _, ends = submit(backend, "/bin/sleep", "100")
    backend.close()
    assert ends.get(timeout=PATIENCE_S).state == "CANCELED"


def test_unknown_backend(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        JobBackend("slrum", tmp_path)
    assert "local" in caught.value.valid
    assert caught.value.suggestion == "slurm"


def test_a_job_that_can_never_run_is_rejected(backend):
    psij = load_psij()
    with pytest.raises(JobRejectedError):
        backend.submit(psij.JobSpec(), print)


def test_a_job_that_is_not_taken_this_time_may_be_tried_again(backend, tmp_path):
    with pytest.raises(BackendUnavailableError) as caught:
        submit(backend, "/bin/true", directory=tmp_path / "missing")
    assert caught.value.retryable
    assert "missing" in str(caught.value)


def test_a_childs_end_handler_of_the_caller_survives_the_import_of_psij():
    program = """
import signal, subprocess, time
seen = []
signal.signal(signal.SIGCHLD, lambda *_: seen.append(1))
from hybrid_parsl.engine.jobs.psij_loading import load_psij
load_psij()
subprocess.run(["true"])
time.sleep(0.2)
raise SystemExit(0 if seen else 1)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def _count(marker):
    found = subprocess.run(["pgrep", "-fc", f"sleep {marker}"], capture_output=True, check=False)
    return int(found.stdout)


def test_the_end_is_told_though_it_cannot_be_written_down(backend, tmp_path, monkeypatch):
    ends = []
    backend.submit(spec("true"), ends.append, tmp_path / "job.json")

    def fail(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("hybrid_parsl.engine.jobs.registry.SubmittedJob.note_end", fail)
    wait_until(lambda: ends)
    assert ends[0].state == "COMPLETED"


def test_a_local_job_leaves_no_list_of_nodes(backend, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ends = []
    resources = load_psij().ResourceSpecV1(process_count=2)
    backend.submit(spec("true", resources=resources, launcher="single"), ends.append)
    wait_until(lambda: ends)
    assert not list(tmp_path.glob("*.nodelist"))
