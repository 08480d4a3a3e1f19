"""Drivers that no terminal ends, and the command that watches them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from command import Command
from waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.usefixtures("several_runs")

SLOW = ("bell", "--set", "problem.kind=failing_problems:Slow")
RAISING = ("bell", "--set", "problem.kind=failing_problems:Raising")
REFUSING = '''"""Refuses."""
import parsl
from hybrid_parsl import labels
from hybrid_parsl.engine.psij_executor import PsiJExecutor
from hybrid_parsl.errors import ConfigurationError

class Refusing(PsiJExecutor):
    def start(self):
        raise ConfigurationError("is closed today", "site refusing")

def config(run):
    tasks = run.directory / "tasks"
    return parsl.Config(executors=[Refusing(label, tasks) for label in labels.ALL])
'''


@pytest.fixture
def here(tmp_path: Path) -> Command:
    return Command("local", tmp_path / "runs")


def test_a_detached_run_goes_on_in_a_session_of_its_own(here: Command) -> None:
    begun = here("bell", "--detach", "--json", timeout_s=PATIENCE_S)
    assert begun.returncode == 0, begun.stderr
    told = json.loads(begun.stdout)
    folder = Path(told["folder"])
    assert os.getsid(told["driver"]) == told["driver"] != os.getsid(0)
    watched = here.of_run("attach", timeout_s=PATIENCE_S)
    assert watched.returncode == 0, watched.stderr
    assert "analysis: finished in" in watched.stdout
    assert "best energy" in watched.stdout
    run = json.loads((folder / "results.json").read_text())["run"]
    assert (run["drivers"], run["status"], run["exit_code"]) == (1, "completed", 0)
    assert "resumed" not in run
    assert "search: started" in (folder / "driver.log").read_text()


def test_a_detached_run_that_is_refused_says_so_and_leaves_no_folder(
    here: Command, tmp_path: Path
) -> None:
    site = tmp_path / "refusing.py"
    site.write_text(REFUSING)
    done = here("bell", "--detach", "--site", str(site))
    assert done.returncode == 2
    assert "site refusing: is closed today" in done.stderr
    assert list(here.runs.iterdir()) == []


def test_attach_ends_as_the_run_has_ended(here: Command) -> None:
    assert here(*RAISING, "--detach").returncode == 0
    watched = here.of_run("attach", "--quiet")
    assert watched.returncode == 4
    assert "no such observable" in watched.stderr
    assert "resume with: hybrid-parsl resume " in watched.stderr


def test_a_run_that_is_resumed_detached_can_be_watched_and_cancelled(here: Command) -> None:
    assert here(*SLOW, "--detach").returncode == 0
    assert here.of_run("cancel").returncode == 0
    resumed = here.of_run("resume", "--detach")
    assert resumed.returncode == 0, resumed.stderr
    watcher = subprocess.Popen(here.command_of_run("attach"), stderr=subprocess.PIPE, text=True)
    second = subprocess.Popen(
        here.command_of_run("attach"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert second.stdout is not None
    second.stdout.readline()
    second.send_signal(signal.SIGINT)
    assert "the run goes on; end it with: hybrid-parsl cancel" in second.communicate()[1]
    assert second.returncode == 130
    assert here.of_run("cancel").returncode == 0
    _, errors = watcher.communicate(timeout=PATIENCE_S)
    assert watcher.returncode == 143
    assert "interrupted: TerminatedError: SIGTERM" in errors


def test_a_run_is_resumed_detached_once(here: Command) -> None:
    assert here(*SLOW, "--detach").returncode == 0
    assert here.of_run("cancel").returncode == 0
    assert here.of_run("resume", "--detach").returncode == 0
    second = here.of_run("resume", "--detach")  # the job that has ended says nothing of this driver
    assert second.returncode == 6, second.stdout
    assert "holds its lock" in second.stderr
    assert here.of_run("cancel").stdout.startswith("cancelled ")


def test_a_terminal_that_is_closed_ends_driver_and_local_ranks(here: Command) -> None:
    terminal, other_end = os.openpty()
    program = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)"
    program += "; os.execv(sys.argv[1], sys.argv[1:])"
    driver = subprocess.Popen(
        [sys.executable, "-c", program, *here.arguments(*SLOW)],
        stdin=other_end,
        stdout=other_end,
        stderr=other_end,
        start_new_session=True,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(other_end)
    wait_until(lambda: list(here.runs.glob("*/tasks/search/ranks.json")))
    (ranks,) = here.runs.glob("*/tasks/search/ranks.json")
    pids = [each["pid"] for each in json.loads(ranks.read_text())]
    os.close(terminal)
    assert driver.wait(PATIENCE_S) == 129
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids))
    status = json.loads(here.of_run("status", "--json").stdout)
    assert status["state"] == "interrupted"


def test_an_interruption_that_the_driver_ignores_ends_nothing(here: Command) -> None:
    # a shell without job control lets what it starts with & ignore SIGINT
    driver = subprocess.Popen(
        here.arguments("bell", "--set", "search.starts=4", "--set", "search.method=cobyla"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # noqa: PLW1509
        start_new_session=True,
    )
    wait_until(lambda: list(here.runs.glob("*/tasks/search/job.json")))
    while driver.poll() is None:
        os.killpg(driver.pid, signal.SIGINT)
        time.sleep(0.1)
    assert driver.returncode == 0, driver.stdout.read() if driver.stdout else ""


def test_local_jobs_are_in_sessions_of_their_own(here: Command) -> None:
    driver = subprocess.Popen(
        here.arguments(*SLOW), stdout=subprocess.DEVNULL, start_new_session=True
    )
    wait_until(lambda: list(here.runs.glob("*/tasks/search/ranks.json")))
    (ranks,) = here.runs.glob("*/tasks/search/ranks.json")
    pids = [each["pid"] for each in json.loads(ranks.read_text())]
    assert all(os.getsid(pid) != driver.pid for pid in pids)
    os.killpg(driver.pid, signal.SIGINT)
    assert driver.wait(PATIENCE_S) == 130
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids))
