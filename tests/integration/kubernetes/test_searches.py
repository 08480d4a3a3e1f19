"""Searches of which nothing but their log comes back: progress, output, and another try."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import time
import uuid

import pytest
from command import Command
from waiting import PATIENCE_S, wait_until

TWO_NODES = "resources.num_nodes=2", "resources.ranks_per_node=1"


@pytest.fixture
def go(shared_folder):
    """The file that a search waits for."""
    path = shared_folder / f"go-{uuid.uuid4()}"
    yield path
    path.touch()


def words(kind, go, *more):
    given = [f"problem.kind=failing_problems:{kind}", f"problem.go={go}", *TWO_NODES, *more]
    return ["bell", *(word for each in given for word in ("--set", each))]


def start(run, *arguments):
    return subprocess.Popen(
        run.arguments(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def read_until(stream, *wanted):
    """Return what a stream holds when all of `wanted` have come."""
    os.set_blocking(stream.fileno(), False)
    text, deadline = "", time.monotonic() + PATIENCE_S
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while not all(each in text for each in wanted):
            assert time.monotonic() < deadline, text
            if selector.select(1.0):
                text += os.read(stream.fileno(), 65536).decode()
    os.set_blocking(stream.fileno(), True)
    return text


def test_what_ranks_print_is_followed_while_they_run(run, go):
    driver = start(run, *words("Talking", go, "search.method=draw"))
    wait_until(lambda: list(run.runs.glob("*/tasks/search")))
    follow = run.command_of_run("logs", "--follow")
    follower = subprocess.Popen(follow, stdout=subprocess.PIPE, env=dict(os.environ))
    text = read_until(follower.stdout, "rank 0 is here", "rank 1 is here")
    assert "==> search/stdout.log <==" in text
    assert driver.poll() is None
    go.touch()
    _, errors = driver.communicate(timeout=PATIENCE_S)
    assert driver.returncode == 0, errors
    rest, _ = follower.communicate(timeout=PATIENCE_S)
    assert follower.returncode == 0
    assert b"is here" not in rest


def test_a_search_over_its_walltime_goes_on_from_its_finished_starts(run, go, tmp_path):
    stalling = words("Stalling", go, "search.method=cobyla", "search.starts=5")
    driver = start(run, *stalling, "--site-set", "walltime=30s")
    done = "3 of 5 starts, best energy"
    wait_until(lambda: done in run.of_run("status").stdout)
    _, errors = driver.communicate(timeout=PATIENCE_S)
    assert driver.returncode == 4
    assert "walltime exceeded" in errors
    assert "; resume with: hybrid-parsl resume " in errors
    assert done in run.of_run("status").stdout
    go.touch()
    finished = run.of_run("resume", "--quiet", "--site-set", "walltime=10m")
    assert (finished.returncode, finished.stderr) == (0, "")
    (folder,) = run.runs.iterdir()
    lines = [
        json.loads(line)
        for path in folder.glob("tasks/search/starts-*.jsonl")
        for line in path.read_text().splitlines()
    ]
    assert sorted(line["index"] for line in lines) == [0, 1, 2, 3, 4]  # none of them twice
    here = Command("local", tmp_path / "local").document(*stalling)
    there = json.loads((folder / "results.json").read_text())
    assert {**there["search"], "execution": None} == {**here["search"], "execution": None}
