"""Output of running jobs arrives while they run."""

from __future__ import annotations

import sys

import pytest
from psij import JobState
from psij_jobs import PATIENCE, shell
from waiting import wait_until


@pytest.mark.usefixtures("pods")
def test_output_of_a_running_job_can_be_read(make_executor, tmp_path):
    out, go = tmp_path / "out", tmp_path / "go"
    out.write_text("of an earlier try, and longer than the new one")
    script = f"echo one; while [ ! -e {go} ]; do sleep .05; done; echo two"
    job = shell(script, stdout_path=out)
    make_executor(live_log_s=0.1).submit(job)
    wait_until(lambda: out.read_text() == "one\n")
    go.touch()
    assert job.wait(PATIENCE).state == JobState.COMPLETED
    assert out.read_text() == "one\ntwo\n"


@pytest.mark.usefixtures("pods")
def test_live_lines_arrive_while_a_job_runs(make_executor, tmp_path):
    go, told = tmp_path / "go", tmp_path / "told"
    tell = "from hybrid_parsl.mpi.live_lines import LiveLines; LiveLines(1).tell"
    tell = f'{sys.executable} -c \'{tell}("a.txt", "%s")\''
    script = f"{tell % 1}; while [ ! -e {go} ]; do sleep .05; done; {tell % 2}"
    job = shell(script, attributes={"lines": {"*.txt": told}})
    make_executor(live_log_s=0.1).submit(job)
    wait_until(lambda: (told / "a.txt").exists() and (told / "a.txt").read_text() == "1\n")
    go.touch()
    assert job.wait(PATIENCE).state == JobState.COMPLETED
    assert (told / "a.txt").read_text() == "1\n2\n"


@pytest.mark.usefixtures("thorough", "pods")
def test_hanging_log_fetches_do_not_delay_other_jobs(api, make_executor, tmp_path):
    go = tmp_path / "go"
    executor = make_executor(live_log_s=0.1, n_threads=5)
    slow = [
        shell(f"while [ ! -e {go} ]; do sleep .05; done", stdout_path=tmp_path / f"out{number}")
        for number in range(6)
    ]
    for job in slow:
        executor.submit(job)
    for job in slow:
        job.wait(PATIENCE, [JobState.ACTIVE])
    api.fail("GET", "/log", (3,), times=100)
    wait_until(lambda: api.count("GET", "/log") >= 4)
    quick = shell("exit 3")
    executor.submit(quick)
    assert quick.wait(PATIENCE).exit_code == 3
    api.faults.clear()
    go.touch()
    assert all(job.wait(PATIENCE).state == JobState.COMPLETED for job in slow)
