"""A search whose job runs out of walltime is continued by the next job."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from command import Command
from waiting import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.usefixtures("several_runs")
def test_the_next_job_continues_after_the_finished_starts(tmp_path: Path) -> None:
    go = tmp_path / "go"
    settings = {
        "problem.kind": "failing_problems:Stalling",
        "problem.go": str(go),
        "search.method": "cobyla",
        "search.starts": "5",
        "resources.walltime_s": "60",
        "resources.retries": "2",
    }
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    run = Command("local", tmp_path / "runs")
    driver = subprocess.Popen(run.arguments("bell", *words), stderr=subprocess.PIPE, text=True)

    def tries() -> list[dict[str, str]]:
        found = list(run.runs.glob("*/tasks/search/job.json"))
        return json.loads(found[0].read_text())["tries"] if found else []

    deadline = time.monotonic() + PATIENCE_S
    while not tries():
        assert driver.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    go.touch()
    _, errors = driver.communicate(timeout=PATIENCE_S)
    assert driver.returncode == 0, errors
    assert "walltime exceeded; try 2 of 3 begins" in errors
    assert {each["ended"] for each in tries()} == {"TIMEOUT"}
    (folder,) = run.runs.iterdir()
    assert [path.name for path in (folder / "tasks").glob("search*")] == ["search"]
    document = json.loads((folder / "results.json").read_text())
    told = document["stages"][0]["tries"]
    assert len(told) == len(tries())
    assert all("walltime exceeded" in each["error"] for each in told)


@pytest.mark.usefixtures("several_runs")
def test_a_search_that_was_killed_gets_more_memory(tmp_path: Path) -> None:
    settings = {
        "problem.kind": "failing_problems:Fatal",
        "resources.memory_gib_per_rank": "0.5",
        "resources.retries": "1",
        "resources.grow.memory": "2",
    }
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    run = Command("local", tmp_path / "runs")
    done = run("bell", *words)
    assert done.returncode == 4, done.stderr
    assert "try 2 of 2 begins, memory_gib_per_rank = 1" in done.stderr
    document = json.loads(next(run.runs.glob("*/results.json")).read_text())
    (told,) = document["stages"][0]["tries"]
    assert told["next"] == {"memory_gib_per_rank": 1}
    assert len(json.loads(next(run.runs.glob("*/tasks/search/job.json")).read_text())["tries"]) == 1
