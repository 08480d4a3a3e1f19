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


@pytest.mark.everywhere
def test_a_closed_loop_on_every_site(run):
    done = run(*LOOP)
    assert done.returncode == 0, done.stderr
    found = tasks(run)
    assert {f"step-{number}-{side}" for number in (1, 2) for side in ("plus", "minus")} < set(found)
    assert len(found["rounds"]["result"]["rounds"]) == 2
    assert found["analysis-before"]["result"]["energy"] != found["analysis"]["result"]["energy"]


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
