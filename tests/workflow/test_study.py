"""Studies: the workflow at every point of a sweep, as one run."""

from __future__ import annotations

import csv
import json
import subprocess

import pytest
from waiting import wait_until

from hybrid_parsl import load_run, study
from hybrid_parsl import run as api_run

SMALL = ("problem.nodes=4", "search.starts=2", "analysis.landscape=0", "quantum.shots=100")
ASKED = (
    "maxcut",
    *(word for each in SMALL for word in ("--set", each)),
    *("--sweep", "ansatz.layers=1,2", "--sweep", "analysis.top=2,3"),
)


def results(run):
    (path,) = run.runs.glob("*/results.json")
    return json.loads(path.read_text())


def table(run):
    (path,) = run.runs.glob("*/study.csv")
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return [
        {key: value for key, value in row.items() if not key.endswith("duration_s")} for row in rows
    ]


def test_points_share_equal_tasks(run):
    done = run(*ASKED)
    assert done.returncode == 0, done.stderr
    document = results(run)
    assert set(document["tasks"]) == {
        *("0.search", "0.quantum", "0.analysis", "1.analysis"),
        *("2.search", "2.quantum", "2.analysis", "3.analysis"),
    }
    assert "search" not in document
    assert [row["status"] for row in table(run)] == ["completed"] * 4
    assert table(run)[0]["search.energy"] == table(run)[1]["search.energy"]
    assert "4: 4 completed" in done.stdout
    (page,) = run.runs.glob("*/study.html")
    assert "8" in page.read_text()


@pytest.mark.everywhere
def test_a_study_on_every_site(run):
    done = run(*ASKED, "--sweep", "analysis.top=2")
    assert done.returncode == 0, done.stderr
    here = table(run)
    assert [row["ansatz.layers"] for row in here] == ["1", "2"]
    assert float(here[1]["search.energy"]) < float(here[0]["search.energy"]) + 1e-9


def test_a_killed_study_resumes_with_the_same_table(run, tmp_path):
    assert run(*ASKED).returncode == 0
    expected = table(run)
    other = type(run)(run.site, tmp_path / "other")
    for n_tasks in (1, 4, 6):
        kill_after(other, n_tasks)
        assert all(point["tasks"] for point in results(other)["study"]["points"])
    done = other.of_run("resume")
    assert done.returncode == 0, done.stderr
    assert table(other) == expected
    for name, times in durations(other).items():  # noted twice if results.json lacked it
        assert len(times) == 1, f"{name} was computed twice: {times}"


def durations(run):
    """Return the durations with which each task is in the log of the study."""
    (path,) = run.runs.glob("*/events.jsonl")
    found = {}
    for event in map(json.loads, path.read_text().splitlines()):
        if event["event"] == "stage finished":
            found.setdefault(event["stage"], set()).add(event["duration_s"])
    return found


def kill_after(run, n_tasks):
    """Begin or resume the study, and kill its driver when so many tasks have finished."""
    begun = any(run.runs.glob("*/experiment.toml"))
    words = run.command_of_run("resume") if begun else run.arguments(*ASKED)
    driver = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: n_finished(run) >= n_tasks or driver.poll() is not None)
    finally:
        driver.kill()
        driver.wait()


def n_finished(run):
    return sum(path.read_text().count("stage finished") for path in run.runs.glob("*/events.jsonl"))


def test_a_failed_point_does_not_stop_the_others(run):
    kinds = "bell,failing_problems:BrokenCircuit"
    drawn = ("--set", "search.method=draw", "--set", "search.starts=2")
    asked = ("bell", *drawn, "--sweep", f"problem.kind={kinds}", "--sweep", "quantum.shots=10,20")
    done = run(*asked)
    assert done.returncode == 4
    assert "error in the 2.quantum stage" in done.stderr
    assert "also failed: 3.quantum" in done.stderr
    assert "4: 2 completed, 2 failed" in done.stderr
    assert "resume with: hybrid-parsl resume" in done.stderr
    rows = table(run)
    assert [row["status"] for row in rows] == ["completed", "completed", "failed", "failed"]
    assert "outcomes are out of order" in rows[2]["error"]
    again = run.of_run("resume")
    assert again.returncode == 4
    assert table(run) == rows
    assert "2 completed, 2 failed" in run.of_run("show").stdout


@pytest.mark.usefixtures("several_runs")
def test_a_run_and_a_study_from_python(tmp_path):
    content = {"name": "x", "problem": {"kind": "bell"}, "quantum": {"shots": 50}}
    single = api_run(content, runs=tmp_path, progress=False)
    assert sum(single.quantum.counts.values()) == 50
    assert "circuit" in single.analysis.figures
    found = study(single.experiment, {"quantum.shots": [10, 20]}, runs=tmp_path, progress=False)
    assert [row["status"] for row in found.table.rows] == ["completed"] * 2
    assert sum(found.results["1.quantum"].counts.values()) == 20
    assert load_run(found.path).document == found.document
