"""Jobs of this host that an earlier driver has started."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from dataclasses import replace

import pytest

from hybrid_parsl.engine.jobs.batch_scheduler import load_executor
from hybrid_parsl.engine.jobs.lookup import find_job, job_id_of, job_state
from hybrid_parsl.engine.jobs.orphans import cancel_jobs, job_states
from hybrid_parsl.engine.jobs.psij_loading import load_psij
from hybrid_parsl.engine.jobs.record import JobRecord
from hybrid_parsl.errors import BackendUnavailableError, JobsLeftError
from hybrid_parsl.process_start import process_began

NAME = str(uuid.uuid4())


@pytest.fixture
def process():
    program = "import sys; print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, NAME]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()  # for a moment, a process that begins has no arguments yet
        yield process
        process.stdin.close()


def test_a_process_is_found_by_its_name(process):
    assert find_job("local", NAME) == str(process.pid)
    assert find_job("local", f"{NAME}-2") is None


def test_a_process_is_not_found_by_an_argument_that_is_no_name_of_a_job(process):
    assert "-c" in process.args
    assert find_job("local", "-c") is None


def test_a_process_is_under_way_until_it_ends_and_only_if_it_is_the_same(process):
    local = load_psij().JobExecutor.get_instance("local")
    began = process_began(process.pid)
    job_id = str(process.pid)
    assert job_state(local, job_id) == "ACTIVE"
    assert job_state(local, job_id, began) == "ACTIVE"
    assert job_state(local, job_id, began - 60) is None
    process.stdin.close()
    process.wait()
    assert job_state(local, job_id, began) is None


def test_a_scheduler_that_cannot_be_asked_is_no_answer(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    for backend in ("slurm", "pbs"):
        with pytest.raises(BackendUnavailableError):
            find_job(backend, "name")


def test_a_scheduler_whose_jobs_have_no_names_is_not_asked():
    assert find_job("flux", "name") is None


BEGAN = process_began(os.getpid())


def record(**values):
    found = JobRecord.of("local", "name-of-no-process").with_id(str(os.getpid()), BEGAN)
    return replace(found, **values)


def test_a_process_is_known_by_its_begin_whatever_the_clock_says(monkeypatch):
    assert job_id_of(record()) == str(os.getpid())
    monkeypatch.setattr("psutil._pslinux.BOOT_TIME", 1.0, raising=False)
    assert process_began(os.getpid()) == BEGAN
    executor = load_executor("local")
    assert job_state(executor, str(os.getpid()), BEGAN) == "ACTIVE"
    assert job_state(executor, str(os.getpid()), BEGAN + 1) is None


def test_a_number_alone_is_no_process_of_ours():
    assert job_id_of(record(begun=None)) is None


def test_a_host_that_was_started_anew_has_no_jobs_left():
    assert job_id_of(record(boot="another")) is None


def test_the_processes_of_another_host_are_not_known_here(tmp_path):
    elsewhere = record(boot="another", host="login2")
    with pytest.raises(BackendUnavailableError, match="is a process of login2"):
        job_id_of(elsewhere)
    elsewhere.write(tmp_path / "job.json")
    (row,) = job_states(tmp_path)
    assert row["state"] == "UNKNOWN"
    assert "is a process of login2" in row["waits_for"]
    with pytest.raises(JobsLeftError, match=r"could not be cancelled and may still run: .*login2"):
        cancel_jobs(tmp_path)
    left = JobRecord.read(tmp_path / "job.json")
    assert left.ended is None
    assert "login2" in left.cancel_error


def test_a_job_that_its_scheduler_does_not_know_is_cancelled(monkeypatch, tmp_path):
    path = tmp_path / "job.json"
    JobRecord.of("slurm", "never-taken").with_cancellation("no answer").write(path)
    (tmp_path / "squeue").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(JobsLeftError):
        cancel_jobs(tmp_path)
    (tmp_path / "squeue").write_text("#!/bin/sh\n")
    assert cancel_jobs(tmp_path) == []
    assert JobRecord.read(path).ended == "CANCELED"


def test_a_job_whose_scheduler_does_not_look_up_names_may_still_run(tmp_path):
    path = tmp_path / "job.json"
    JobRecord.of("lsf", "unknown").with_cancellation("no answer").write(path)
    with pytest.raises(JobsLeftError):
        cancel_jobs(tmp_path)
    assert JobRecord.read(path).ended is None


@pytest.mark.parametrize("script", ['echo "{"', "echo nothing of the kind"])
def test_a_scheduler_that_prints_what_cannot_be_read(monkeypatch, tmp_path, script):
    for name in ("qstat", "squeue"):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(BackendUnavailableError, match="qstat printed invalid JSON"):
        find_job("pbs", "x")


def test_a_scheduler_that_hangs_is_not_waited_for_without_end(monkeypatch, tmp_path):
    (tmp_path / "squeue").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("hybrid_parsl.engine.jobs.lookup._PATIENCE_S", 0.3)
    with pytest.raises(BackendUnavailableError, match="no answer in"):
        find_job("slurm", "x")
