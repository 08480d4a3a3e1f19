"""The whole way of the data: search, circuit, analysis, and what is left on the disk."""

from __future__ import annotations

import json
import math
import stat
import tomllib
from pathlib import Path

import numpy as np
import pytest
from command import Command

from hybrid_parsl.experiment_file import parse_experiment
from hybrid_parsl.results import SearchResult
from hybrid_parsl.stages.search import search

SMALL = ["--set", "problem.nodes=6", "--set", "ansatz.layers=2", "--set", "search.starts=6"]
LIGHT = ["--set", "quantum.shots=500", "--set", "analysis.landscape=8"]


def without_execution(document):
    return {
        stage: {key: value for key, value in document[stage].items() if key != "execution"}
        for stage in ("search", "quantum", "analysis")
    }


@pytest.fixture(scope="module")
def document(site, tmp_path_factory):
    """Return what a run of a small MaxCut printed."""
    run = Command(site, tmp_path_factory.mktemp("runs"))
    return run.document("maxcut", *SMALL, *LIGHT)


@pytest.mark.everywhere
def test_maxcut_leaves_a_complete_folder(document, site):
    folder = Path(document["run"]["folder"])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert json.loads((folder / "results.json").read_text()) == document
    assert document["run"]["status"] == "completed"
    assert document["quantum"]["shots"] == sum(document["quantum"]["counts"].values()) == 500
    assert abs(document["analysis"]["deviation"]) < 5
    assert document["analysis"]["ratio"] <= 1
    page = (folder / "report.html").read_text()
    assert page.lower().startswith("<!doctype html>")
    assert page.count("<svg") >= 4
    for stage in ("search", "sample", "analyse"):
        assert (folder / "tasks" / stage / "stderr.log").exists()
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events] == [
        "run started",
        *["stage started", "stage finished"] * 3,
        "run ended",
    ]
    assert tomllib.loads((folder / "experiment.toml").read_text()) == document["experiment"]
    assert json.loads((folder / "site.json").read_text())["name"] == Path(site).stem
    assert "qiskit" in json.loads((folder / "versions.json").read_text())


def test_the_resolved_experiment_runs_again_to_the_same_result_and_tells_so_in_a_pipe(
    document, run
):
    done = run(str(Path(document["run"]["folder"]) / "experiment.toml"))
    assert done.returncode == 0, done.stderr
    for text in ("search: started", "quantum: finished", "best energy", "ratio", str(run.runs)):
        assert text in done.stdout
    assert "\x1b" not in done.stdout
    (folder,) = run.runs.iterdir()
    again = json.loads((folder / "results.json").read_text())
    assert without_execution(again) == without_execution(document)


def test_the_result_does_not_depend_on_the_number_of_ranks(document, run):
    other = run.document("maxcut", *SMALL, *LIGHT, "--set", "resources.num_ranks=3")
    assert document["search"]["execution"]["n_ranks"] == 2
    assert other["search"]["execution"]["n_ranks"] == 3
    assert without_execution(other) == without_execution(document)


def test_the_site_finds_what_one_plain_process_finds(document):
    experiment = parse_experiment(document["experiment"])
    found = search(experiment)
    assert found is not None
    expected = SearchResult.model_validate(document["search"])
    assert found.model_copy(update={"execution": expected.execution}) == expected


@pytest.mark.everywhere
def test_every_site_gives_the_same_result_to_the_last_digit(run, tmp_path):
    elsewhere = run.document("maxcut", *SMALL, *LIGHT, "--set", "resources.num_nodes=2")
    here = type(run)("local", tmp_path / "here").document("maxcut", *SMALL, *LIGHT)
    assert without_execution(elsewhere) == without_execution(here)


@pytest.mark.everywhere
def test_bell_has_the_angles_of_the_original_design_and_quiet_prints_nothing(run):
    done = run("bell", "--quiet")
    assert (done.returncode, done.stdout) == (0, "")
    (folder,) = run.runs.iterdir()
    results = json.loads((folder / "results.json").read_text())
    expected = []
    for rank in (0, 1):
        np.random.seed(rank)
        expected.append(np.random.random() * math.pi)
    assert results["search"]["parameters"] == expected
    assert results["search"]["energy"] == pytest.approx(math.cos(expected[0]), abs=1e-12)
    assert set(results["quantum"]["counts"]) <= {"00", "01", "10", "11"}


def test_ising_without_gradients(run):
    settings = ["search.method=cobyla", "search.iterations=60", "ansatz.layers=1"]
    document = run.document("ising", *[part for each in settings for part in ("--set", each)])
    assert document["search"]["method"] == "cobyla"
    assert len(document["search"]["energies"]) == 32
    assert document["search"]["energy"] == min(document["search"]["energies"])
    assert document["analysis"]["ratio"] > 0.5


def test_dry_run_runs_nothing(run):
    done = run("maxcut", *SMALL, "--dry-run")
    assert done.returncode == 0
    assert "nodes = 6" in done.stdout
    assert not run.runs.exists()
