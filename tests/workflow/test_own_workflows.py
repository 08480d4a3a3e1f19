"""A project with workflows of its own, on every site: no file of the package knows of them."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from command import ROOT
from waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OWN = ROOT / "tests" / "support" / "own_project"
PROGRAM = "from hybrid_parsl.cli.main import main; main()"
SETTINGS = [
    "problem.nodes=6",
    "search.starts=4",
    "quantum.shots=400",
    "analysis.landscape=0",
    "quantum.seed=1",
]
SMALL = ["maxcut", *(word for each in SETTINGS for word in ("--set", each))]
EXPECTED = {
    "fan_out": {"p=1", "p=2", "p=3", "sample-p=1", "sample-p=2", "sample-p=3", "compare"},
    "backwards": {"guess", "ranks_of", "conclude", "spread"},
}


@pytest.fixture
def hybrid_parsl(site: str, tmp_path: Path) -> Callable[..., list[str]]:
    """Return what makes a command line on a project with apps of its own."""
    project = tmp_path / "project"
    shutil.copytree(OWN, project)
    for name in ("site_configs", "experiments", "apps"):
        shutil.copytree(ROOT / name, project / name, dirs_exist_ok=True)
    shutil.copytree(OWN, project, dirs_exist_ok=True)

    def command(name: str, *arguments: str) -> list[str]:
        where = ["--site", site] if name == "run" else []
        common = [name, "--runs-dir", str(tmp_path / "runs"), *where, *arguments]
        return [sys.executable, "-P", "-c", PROGRAM, "--project", str(project), *common]

    return command


def call(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.usefixtures("thorough")
@pytest.mark.everywhere
@pytest.mark.parametrize("workflow", list(EXPECTED))
def test_tasks_of_a_workflow_of_one_s_own(
    hybrid_parsl: Callable[..., list[str]], tmp_path: Path, workflow: str
) -> None:
    text = call(hybrid_parsl("run", *SMALL, "--workflow", workflow, "--json"))
    document = json.loads(text)
    tasks = document["tasks"]
    assert {name: task["status"] for name, task in tasks.items()} == dict.fromkeys(
        EXPECTED[workflow], "completed"
    )
    (folder,) = (tmp_path / "runs").iterdir()
    page = (folder / "report.html").read_text()
    assert all(f">{name} <" in page for name in EXPECTED[workflow])
    if workflow == "fan_out":
        assert tasks["compare"]["result"]["n"] == 3
        assert (folder / "figures" / "depths.svg").is_file()
        assert tasks["p=3"]["result"]["energy"] <= tasks["p=1"]["result"]["energy"]
        assert "search" not in document
    else:
        assert tasks["conclude"]["result"] == "2 seeds, 9 in all"
        assert tasks["ranks_of"]["after"] == ["guess"]
        assert tasks["spread"]["result"] == {"seeds": [4, 5]}
        told = {"ranks_of": "2 ranks\n", "spread": "1 of 1\n"}
        assert {
            name: (folder / "tasks" / name / "progress.txt").read_text() for name in told
        } == told
        shown = call(hybrid_parsl("show"))
        assert re.search(r"^spread +seeds 4 to 5\n +mean 4\.5$", shown, re.MULTILINE)
        assert "<p>Seeds of the &lt;ranks&gt;</p>" in page
        assert '<th scope="col">rank</th><th scope="col" class="n">seed</th>' in page
        assert '<th scope="row">1</th><td class="n">5</td>' in page


@pytest.mark.everywhere(jobs_only=True)
@pytest.mark.usefixtures("several_runs")
def test_a_loop_that_is_killed_at_random_moments_has_each_task_once(
    hybrid_parsl: Callable[..., list[str]], tmp_path: Path
) -> None:
    chance = random.Random("killed")
    runs = tmp_path / "runs"
    command = hybrid_parsl("run", *SMALL, "--workflow", "deepen", "--quiet")
    for _ in range(3):
        driver = subprocess.Popen(command)
        time.sleep(chance.uniform(4, 9))
        driver.kill()
        driver.wait()
        if list(runs.glob("*/experiment.toml")):
            command = hybrid_parsl("resume", "--quiet")
    call(command)
    (asked,) = runs.glob("*/experiment.toml")  # a driver killed at once leaves an empty folder
    folder = asked.parent
    document = json.loads((folder / "results.json").read_text())
    assert document["run"]["status"] == "completed"
    tasks = document["tasks"]
    rounds = sum(name.startswith("search") for name in tasks)
    assert rounds >= 2
    assert {name.partition("-")[0] for name in tasks} == {"search", "sample", "analyse"}
    assert len(list((folder / "tasks").glob("search*"))) == rounds  # no task twice
    assert len(list((folder / "tasks").glob("sample*"))) == rounds
    energies = [task["result"]["energy"] for name, task in tasks.items() if "search" in name]
    assert energies == sorted(energies, reverse=True)


@pytest.mark.usefixtures("several_runs")
def test_a_stage_that_was_edited_is_computed_again(
    hybrid_parsl: Callable[..., list[str]], tmp_path: Path
) -> None:
    command = hybrid_parsl("run", *SMALL, "--workflow", "backwards", "--quiet")
    stages = tmp_path / "project" / "apps" / "stages.py"
    text = stages.read_text()
    stages.write_text(text.replace("len(found['seeds'])", "1 / 0"))
    failed = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert failed.returncode == 4
    assert "ZeroDivisionError" in failed.stderr
    stages.write_text(text.replace("quantum.seed + 3", "quantum.seed + 5"))
    resumed = hybrid_parsl("resume", "--quiet")
    done = subprocess.run(resumed, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    assert "guess: its source has changed" in done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    tasks = json.loads((folder / "results.json").read_text())["tasks"]
    assert tasks["conclude"]["result"] == "2 seeds, 13 in all"
