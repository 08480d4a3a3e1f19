"""Runs reuse the results of earlier ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SMALL = ["maxcut", "--set", "problem.nodes=4", "--set", "search.starts=2"]
LIGHT = ["--set", "analysis.landscape=8"]
DIGITS = ("search", "quantum", "analysis")


@pytest.fixture(autouse=True)
def usual_reuse(monkeypatch):
    monkeypatch.delenv("HYBRID_PARSL_CACHE")


def reused(document: dict) -> dict[str, str | None]:
    return {name: task.get("reused_from") for name, task in document["tasks"].items()}


def jobs(document: dict) -> list[Path]:
    return list(Path(document["run"]["folder"]).glob("tasks/*/job.json"))


def test_a_repeated_run_runs_no_job_and_gives_the_same_digits(run):
    first = run.document(*SMALL, *LIGHT)
    name = first["run"]["id"]
    assert set(reused(first).values()) == {None}
    assert jobs(first)
    done = run(*SMALL, *LIGHT)
    assert done.returncode == 0, done.stderr
    assert f"search: reused from run {name}" in done.stdout
    folder = Path(done.stdout.rstrip().rpartition("folder")[2].strip())
    second = json.loads((folder / "results.json").read_text())
    assert {each: second[each] for each in DIGITS} == {each: first[each] for each in DIGITS}
    assert set(reused(second).values()) == {name}
    assert jobs(second) == []
    before = Path(first["run"]["folder"]) / "figures"
    figures = {path.name: path.read_bytes() for path in (folder / "figures").iterdir()}
    assert figures == {path.name: path.read_bytes() for path in before.iterdir()}
    assert f"reused from run {name}" in (folder / "report.html").read_text()
    status = json.loads(run.of_run("status", folder.name, "--json").stdout)
    assert status["starts"] == [2, 2]
    assert status["best_energy"] == first["search"]["energy"]
    assert [each["progress"] for each in status["stages"]] == [f"reused from run {name}"] * 3

    other = run.document(*SMALL, *LIGHT, "--set", "quantum.shots=100")
    assert reused(other) == {"search": name, "quantum": None, "analysis": None}
    assert other["search"] == first["search"]

    begun = {**second, "run": {**second["run"], "status": "running"}}
    (folder / "results.json").write_text(json.dumps(begun))
    resumed = json.loads(run.of_run("resume", folder.name, "--json").stdout)
    assert resumed["run"]["status"] == "completed"
    assert resumed["tasks"] == second["tasks"]
    assert resumed["run"]["cache"] is True
    assert jobs(resumed) == []


def test_only_an_edited_stage_of_a_project_is_computed_again(run, tmp_path):
    project = tmp_path / "study"
    program = [sys.executable, "-P", "-m", "hybrid_parsl"]
    subprocess.run([*program, "init", str(project)], check=True, capture_output=True)
    common = ["--runs-dir", str(run.runs), "--json", "--set", "problem.nodes=4"]
    less = ["--set", "search.starts=2", "--set", "workflow.deepest=1"]
    command = [*program, "--project", str(project), "run", "depths", *common, *less]

    def document() -> dict:
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)

    first, second = document(), document()
    name = first["run"]["id"]
    tasks = dict.fromkeys(("search-p1", "sample-p1", "compare"), name)
    assert reused(second) == tasks
    with (project / "apps" / "compare.py").open("a") as stage:
        stage.write("\n# edited\n")
    assert reused(document()) == {**tasks, "compare": None}


def test_another_seed_and_a_run_without_reuse_are_computed(run):
    first = run.document(*SMALL, *LIGHT)
    seed = run.document(*SMALL, *LIGHT, "--set", "search.seed=2")
    plain = run.document(*SMALL, *LIGHT, "--no-cache")
    for document in (seed, plain):
        assert set(reused(document).values()) == {None}
    assert plain["search"]["energies"] == first["search"]["energies"]
