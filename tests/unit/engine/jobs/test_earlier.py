"""Jobs of this host that an earlier driver has started."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hybrid_parsl.engine.jobs.earlier import find_job, job_state
from hybrid_parsl.engine.jobs.processes import process_began
from hybrid_parsl.engine.jobs.psij_loading import load_psij
from hybrid_parsl.errors import BackendUnavailableError

NAME = "5f0c4b1e-a-name-that-no-other-process-has"


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
