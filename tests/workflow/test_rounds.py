"""Workflows that decide on the next round by the last one's result."""

from __future__ import annotations

import json
import subprocess

import pytest
from waiting import wait_until

SMALL = ("problem.nodes=4", "search.starts=2", "analysis.landscape=0", "quantum.shots=400")
ASKED = ("maxcut", *(word for each in SMALL for word in ("--set", each)))
DEEPENING = (*ASKED, "--workflow", "deepening", "--set", "ansatz.layers=1")
LOOP = (*ASKED, "--workflow", "closed_loop", "--set", "workflow.steps=2")


def tasks(run):
    (path,) = run.runs.glob("*/results.json")
    return json.loads(path.read_text())["tasks"]


@pytest.mark.everywhere
def test_deepening_on_every_site(run):
    done = run(*DEEPENING, "--set", "workflow.deepest=2")
    assert done.returncode == 0, done.stderr
    found = tasks(run)
    rounds = found["rounds"]["result"]["rounds"]
    assert [each["number"] for each in rounds] == [1, 2][: len(rounds)]
    first, last = found["search-p1"]["result"], found[f"search-p{len(rounds)}"]["result"]
    assert last["energy"] <= first["energy"]
    assert found["analysis"]["result"]["exact_energy"] == last["energy"]
    assert set(found["rounds"]["figures"]) == {"rounds"}
    assert found["rounds"]["result"]["layers"] == len(rounds)
    assert not found["analysis-p1"].get("figures")
    assert found["analysis"]["figures"]["circuit"] == "circuit"


@pytest.mark.everywhere
def test_a_closed_loop_on_every_site(run):
    done = run(*LOOP)
    assert done.returncode == 0, done.stderr
    found = tasks(run)
    assert {f"step-{number}-{side}" for number in (1, 2) for side in ("plus", "minus")} < set(found)
    rounds, final = found["rounds"]["result"], found["analysis"]["result"]
    assert len(rounds["rounds"]) == 2
    assert found["analysis-before"]["result"]["energy"] != final["energy"]
    assert rounds["energy"] == final["energy"]
    assert rounds["shots"] == 6 * 400
    assert final["exact_energy"] == found["search-after"]["result"]["energy"]
    assert abs(final["deviation"]) < 5
    assert found["analysis"]["figures"]["circuit"] == "circuit"
    assert found["analysis-before"]["figures"]["circuit"] == "analysis-before.circuit"


@pytest.mark.parametrize(
    ("asked", "least"),
    [
        ((*DEEPENING, "--set", "workflow.max_shots=399"), 400),
        ((*LOOP, "--set", "workflow.max_shots=1599"), 1600),
        ((*DEEPENING, "--set", "workflow.max_evaluations=1"), 2),
    ],
)
def test_a_budget_below_the_first_round_is_refused_before_the_run(run, asked, least):
    done = run(*asked)
    assert done.returncode == 2
    assert f"valid: {least} or more" in done.stderr
    assert not run.runs.exists()


def test_no_step_begins_that_would_exceed_the_shots(run):
    done = run(*LOOP, "--set", "workflow.max_shots=2300")
    assert done.returncode == 0, done.stderr
    found = tasks(run)
    samples = [task["result"]["shots"] for task in found.values() if "counts" in task["result"]]
    assert sum(samples) == found["rounds"]["result"]["shots"] == 1600
    assert "1600 of 2300 shots" in found["rounds"]["result"]["ended"]


def test_why_deepening_ends(run):
    done = run(*DEEPENING, "--set", "workflow.target_ratio=0.1")
    assert done.returncode == 0, done.stderr
    assert "reached 0.1" in tasks(run)["rounds"]["result"]["ended"]


def test_killed_between_rounds_it_resumes_with_the_same_digits(run, tmp_path):
    asked = (*DEEPENING, "--set", "workflow.deepest=2")
    assert run(*asked).returncode == 0
    other = type(run)(run.site, tmp_path / "other")
    driver = subprocess.Popen(
        other.arguments(*asked), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_until(lambda: any(other.runs.glob("*/tasks/quantum-p1/result.frame")))
    driver.kill()
    driver.wait()
    done = other.of_run("resume")
    assert done.returncode == 0, done.stderr
    assert physics(other) == physics(run)


def physics(run):
    """Return the rounds without their times."""
    found = tasks(run)["rounds"]["result"]
    return [{**each, "seconds": 0} for each in found["rounds"]], found["ended"]
