"""Whatever goes wrong, the user hears the first cause, and nothing is left running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import psutil
import pytest
from services import require

DRAW = ["--set", "search.method=draw", "--set", "search.starts=2"]


def failing(kind):
    return ["bell", "--set", f"problem.kind=failing_problems:{kind}", *DRAW]


def last_run(run):
    (folder,) = run.runs.iterdir()
    return folder, json.loads((folder / "results.json").read_text())


@pytest.mark.everywhere
def test_a_rank_that_raises(run):
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
    assert "rank 1" in done.stderr
    assert "killed by signal 9" in done.stderr


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


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]
)
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
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert "what was finished is in" in errors
    assert "Traceback" not in errors
    _, left = psutil.wait_procs(tree, timeout=3)
    assert not [name for each in left if (name := command_line(each))]
    _, document = last_run(run)
    assert document["run"]["status"] == "interrupted"


def command_line(process):
    """Return what `process` was started with; nothing if it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def wait_for_ranks(pid):
    process = psutil.Process(pid)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        tree = process.children(recursive=True)
        names = [command_line(each) for each in tree]
        if sum("-m hybrid_parsl.mpi" in name and "mpirun" not in name for name in names) >= 2:
            time.sleep(1)
            return tree
        time.sleep(0.1)
    raise TimeoutError


def test_a_search_that_was_killed_goes_on_from_its_finished_starts(tmp_path):
    # the same folder of the task: only what is missing is carried out again
    from hybrid_parsl.experiment_file import parse_experiment
    from hybrid_parsl.mpi.task import TASK_FOLDER_VARIABLE

    table = {
        "name": "resumed",
        "problem": {"kind": "maxcut", "nodes": 6},
        "search": {"starts": 8},
    }
    experiment = parse_experiment(table)
    program = (
        "import sys, hybrid_parsl.optimize.search as s, hybrid_parsl.stages.search as stage\n"
        "from hybrid_parsl.experiment import Experiment\n"
        "import os, signal\n"
        "run = s.STRATEGIES['multistart'].run\n"
        "def die_at_5(objective, bounds, index, settings):\n"
        "    if index == 5: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return run(objective, bounds, index, settings)\n"
        "if sys.argv[2] == 'die': s.STRATEGIES['multistart'] = s.Strategy(die_at_5, True)\n"
        "print(stage.search(Experiment.model_validate_json(sys.argv[1])).model_dump_json())\n"
    )
    import sys

    def attempt(word, folder):
        return subprocess.run(
            [sys.executable, "-c", program, experiment.model_dump_json(), word],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, TASK_FOLDER_VARIABLE: str(folder)},
        )

    assert attempt("die", tmp_path).returncode == -signal.SIGKILL
    journal = tmp_path / "starts-00000.jsonl"
    finished = journal.read_text()
    assert finished.count('"index"') == 5
    resumed = json.loads(attempt("live", tmp_path).stdout)
    assert journal.read_text().startswith(finished)
    assert journal.read_text().count('"index"') == 8
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    whole = json.loads(attempt("live", fresh).stdout)
    for key in ("parameters", "energy", "energies", "trace", "best_start"):
        assert resumed[key] == whole[key]


def test_an_unwritable_folder_for_runs(run):
    run.runs.write_text("a file")
    done = run("bell")
    assert done.returncode == 2
    assert "--runs-dir" in done.stderr


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


def test_a_malformed_file(run, tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("name = 'x'\n[problem\n")
    done = run(str(path))
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert "line 2" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["maxcuts"], ["no such experiment", "maxcut"]),
        (["bell", "--set", "search.start=3"], ["search.start", "starts"]),
        (["bell", "--set", "quantum.shots=0"], ["quantum.shots", "at least 1"]),
        (["bell", "--set", "problem.kind=bel"], ["problem.kind", "'bell'"]),
        (["bell", "--set", "search.method=multistart"], ["search.method", "draw"]),
        (["bell", "--set", "quantum.backend=aerr"], ["quantum.backend", "'aer'"]),
        (["bell", "--set", "quantum.backend=nosuch:x"], ["quantum.backend", "nosuch"]),
        (["maxcut", "--set", "problem.degree=99"], ["problem", "degree"]),
    ],
)
def test_what_the_user_gets_wrong_is_named_with_what_is_valid(run, arguments, words):
    done = run(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    assert not run.runs.exists()


def test_an_unknown_site(run):
    done = run("bell", "--site", "locl")
    assert done.returncode == 2
    assert "did you mean 'local'" in done.stderr


def test_a_site_that_leaves_is_no_success(run, tmp_path):
    path = tmp_path / "leaving.py"
    path.write_text("def config(run):\n    raise SystemExit(0)\n")
    done = run("bell", "--site", str(path))
    assert done.returncode == 2
    assert f"{path}, line 2" in done.stderr
