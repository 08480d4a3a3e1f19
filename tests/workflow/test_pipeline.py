"""The whole way of the data: search, circuit, analysis, and what is left on the disk."""

from __future__ import annotations

import json
import math
import stat
import tomllib
from pathlib import Path

import numpy as np
import pytest


from hybrid_parsl.experiment_file import read_experiment
from hybrid_parsl.stages.search import search

SMALL = ["--set", "problem.nodes=6", "--set", "ansatz.layers=2", "--set", "search.starts=6"]
LIGHT = ["--set", "quantum.shots=500", "--set", "analysis.landscape=8"]


def without_execution(document):
    return {
        stage: {key: value for key, value in document[stage].items() if key != "execution"}
        for stage in ("search", "quantum", "analysis")
    }


@pytest.mark.everywhere
def test_maxcut_leaves_a_complete_folder(run):
    document = run.document("maxcut", *SMALL, *LIGHT)
    folder = Path(document["run"]["folder"])
    assert folder.parent == run.runs
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert json.loads((folder / "results.json").read_text()) == document
    assert document["run"]["status"] == "completed"
    assert document["quantum"]["shots"] == sum(document["quantum"]["counts"].values()) == 500
    assert abs(document["analysis"]["deviation"]) < 5
    assert document["analysis"]["ratio"] <= 1
    page = (folder / "report.html").read_text()
    assert page.startswith("<!doctype html>") or page.startswith("<!DOCTYPE html>")
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
    assert json.loads((folder / "site.json").read_text())["name"] == Path(run.site).stem
    assert "qiskit" in json.loads((folder / "versions.json").read_text())


def test_the_resolved_experiment_runs_again_to_the_same_result(run):
    first = run.document("maxcut", *SMALL, *LIGHT)
    again = run.document(str(Path(first["run"]["folder"]) / "experiment.toml"))
    assert without_execution(again) == without_execution(first)


def test_the_result_does_not_depend_on_the_number_of_ranks(run):
    documents = [
        run.document("maxcut", *SMALL, *LIGHT, "--set", f"resources.num_ranks={n_ranks}")
        for n_ranks in (1, 2, 3, 4)
    ]
    assert [each["search"]["execution"]["n_ranks"] for each in documents] == [1, 2, 3, 4]
    for document in documents[1:]:
        assert without_execution(document) == without_execution(documents[0])


def test_the_site_finds_what_one_plain_process_finds(run, tmp_path):
    document = run.document("maxcut", *SMALL, *LIGHT)
    path = tmp_path / "experiment.toml"
    path.write_text((Path(document["run"]["folder"]) / "experiment.toml").read_text())
    found = search(read_experiment(path))
    assert found is not None
    assert found.parameters == document["search"]["parameters"]
    assert found.energy == document["search"]["energy"]
    assert found.energies == document["search"]["energies"]


@pytest.mark.everywhere
def test_every_site_gives_the_same_result_to_the_last_digit(run, tmp_path):
    elsewhere = run.document("maxcut", *SMALL, *LIGHT, "--set", "resources.num_nodes=2")
    here = type(run)("local", tmp_path / "here").document("maxcut", *SMALL, *LIGHT)
    assert without_execution(elsewhere) == without_execution(here)


@pytest.mark.everywhere
def test_bell_has_the_angles_of_the_original_design(run):
    document = run.document("bell")
    expected = []
    for rank in (0, 1):
        np.random.seed(rank)
        expected.append(np.random.random() * math.pi)
    assert document["search"]["parameters"] == expected
    assert document["search"]["energy"] == pytest.approx(math.cos(expected[0]), abs=1e-12)
    assert set(document["quantum"]["counts"]) <= {"00", "01", "10", "11"}


def test_ising_reaches_a_good_state(run):
    document = run.document("ising", *LIGHT)
    assert document["analysis"]["ratio"] > 0.5


@pytest.mark.parametrize("method", ["grid", "sobol", "spsa", "cobyla", "draw"])
def test_every_method_of_search_runs(run, method):
    settings = ["--set", "problem.nodes=4", "--set", "ansatz.layers=1", "--set", "search.starts=9"]
    methods = ["--set", f"search.method={method}", "--set", "search.iterations=20"]
    document = run.document("maxcut", *settings, *methods, *LIGHT)
    assert document["search"]["method"] == method
    assert len(document["search"]["energies"]) == 9
    assert document["search"]["energy"] == min(document["search"]["energies"])


def test_plain_lines_in_a_pipe_tell_the_stages_and_end_with_the_figures(run):
    done = run("maxcut", *SMALL, *LIGHT)
    assert done.returncode == 0
    for text in ("search: started", "quantum: finished", "best energy", "ratio", str(run.runs)):
        assert text in done.stdout
    assert "\x1b" not in done.stdout


def test_quiet_prints_nothing(run):
    done = run("bell", "--quiet")
    assert (done.returncode, done.stdout) == (0, "")


def test_dry_run_runs_nothing(run):
    done = run("maxcut", *SMALL, "--dry-run")
    assert done.returncode == 0
    assert "nodes = 6" in done.stdout
    assert not run.runs.exists()
