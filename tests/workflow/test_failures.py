"""Whatever goes wrong, the user hears the first cause, and nothing is left running."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest
from command import Command
from services import require
from waiting import PATIENCE_S

from hybrid_parsl.experiment_file import parse_experiment
from hybrid_parsl.stages.search import search
from hybrid_parsl.tasks.folder import TASK_FOLDER_VARIABLE

DRAW = ["--set", "search.method=draw", "--set", "search.starts=2"]


def failing(kind):
    return ["bell", "--set", f"problem.kind=failing_problems:{kind}", *DRAW]


def last_run(run):
    (folder,) = run.runs.iterdir()
    return folder, json.loads((folder / "results.json").read_text())


@pytest.mark.usefixtures("thorough")
@pytest.mark.everywhere
def test_a_rank_that_raises(site, tmp_path):
    run = Command(site, tmp_path / "runs")
    done = run(*failing("Raising"))
    assert done.returncode == 4
    assert "error in the search stage: rank 1" in done.stderr
    assert "ValueError: no such observable" in done.stderr
    assert "failing_problems.py" in done.stderr
    assert "DependencyError" not in done.stderr
    folder, document = last_run(run)
    assert document["run"]["status"] == "failed"
    assert document["error"]["type"] == "RankFailedError"
    assert "no such observable" in (folder / "report.html").read_text()


@pytest.mark.everywhere
def test_a_rank_that_is_killed(run):
    done = run(*failing("Killed"))
    assert done.returncode == 4
    # MPICH's launcher may name one that it has ended itself; tests of the launchers are stricter
    assert re.search(r"rank [01] on \S+ was killed by signal 9", done.stderr), done.stderr


@pytest.mark.everywhere
def test_a_stage_that_raises_after_the_search(run):
    done = run(*failing("BrokenCircuit"))
    assert done.returncode == 4
    assert "error in the quantum stage" in done.stderr
    assert "outcomes are out of order" in done.stderr
    _, document = last_run(run)
    assert document["search"]["energy"] is not None
    assert "quantum" not in document


def test_walltime(run):
    begun = time.monotonic()
    done = run(*failing("Slow"), "--set", "resources.walltime_s=2")
    assert done.returncode == 4
    assert "walltime" in done.stderr
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_in_mid_search_leaves_no_process(run, number, code):
    process = subprocess.Popen(
        run.arguments(*failing("Slow")),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ},
    )
    tree = wait_for_ranks(process.pid)
    os.killpg(process.pid, number) if number is signal.SIGINT else process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code, errors
    assert "what was finished is in" in errors
    assert "Traceback" not in errors
    _, left = psutil.wait_procs(tree, timeout=30)
    assert not [name for each in left if (name := command_line(each))]
    _, document = last_run(run)
    assert document["run"]["status"] == "interrupted"


def test_a_reader_that_goes_away_ends_the_run(run):
    process = subprocess.Popen(
        run.arguments("bell"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 141
    assert errors.startswith("the reader of the output is gone: what was finished is in")
    assert errors.count("\n") == 1


def command_line(process):
    """Return what `process` was started with; nothing if it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def wait_for_ranks(pid):
    process = psutil.Process(pid)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        tree = process.children(recursive=True)
        names = [command_line(each) for each in tree]
        ranks = f"{sys.executable} -P -m hybrid_parsl.mpi "
        if sum(name.startswith(ranks) for name in names) >= 2:
            time.sleep(1)
            return tree
        time.sleep(0.1)
    raise TimeoutError


DIES_AT_5 = """
import os, signal, sys
from hybrid_parsl.experiment import Experiment
from hybrid_parsl.optimize.local import Multistart
from hybrid_parsl.stages.search import search
run = Multistart.run
def die_at_5(self, objective, bounds, index):
    if index == 5: os.kill(os.getpid(), signal.SIGKILL)
    return run(self, objective, bounds, index)
Multistart.run = die_at_5
search(Experiment.model_validate_json(sys.argv[1]))
"""


@pytest.mark.usefixtures("thorough")
def test_a_search_that_was_killed_goes_on_from_its_finished_starts(tmp_path, monkeypatch):
    # the same folder of the task: only what is missing is carried out again
    table = {
        "name": "resumed",
        "problem": {"kind": "maxcut", "nodes": 6},
        "search": {"starts": 8},
    }
    experiment = parse_experiment(table)
    whole = search(experiment)
    monkeypatch.setenv(TASK_FOLDER_VARIABLE, str(tmp_path))
    command = [sys.executable, "-c", DIES_AT_5, experiment.model_dump_json()]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    journal = tmp_path / "starts-00000.jsonl"
    finished = journal.read_text()
    assert finished.count('"index"') == 5
    resumed = search(experiment)
    assert journal.read_text().startswith(finished)
    assert journal.read_text().count('"index"') == 8
    assert resumed.model_copy(update={"execution": whole.execution}) == whole


@pytest.fixture
def small_disk(tmp_path):
    """Mount a file system of 400 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    require("tmpfs", "nothing, but run as root", available=mounted)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk(run, small_disk):
    (small_disk / "filler").write_bytes(b"x" * 360_000)
    done = run("bell", "--runs-dir", str(small_disk))
    assert done.returncode in {2, 4}, done.stderr
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_disk_that_fills_up_in_mid_search(run, small_disk):
    done = run("bell", "--runs-dir", str(small_disk), "--set", "search.starts=5000")
    assert done.returncode == 4, done.stderr
    told = r"error in the search stage: cannot write \S+/tasks/search\S*: No space left on device"
    assert re.match(told, done.stderr)


def test_what_the_user_gets_wrong_is_named_with_what_is_valid(run):
    done = run("bell", "--set", "search.start=3")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "search.start: unknown key" in done.stderr
    assert "did you mean 'starts'?" in done.stderr
    assert not run.runs.exists()


def test_a_site_that_leaves_is_no_success(run, tmp_path):
    path = tmp_path / "leaving.py"
    path.write_text("def config(run):\n    raise SystemExit(0)\n")
    done = run("bell", "--site", str(path))
    assert done.returncode == 2
    assert f"{path}, line 2" in done.stderr
