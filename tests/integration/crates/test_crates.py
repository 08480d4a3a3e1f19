"""A real run as a crate: valid for rocrate-validator, and repeated with the same digits."""

from __future__ import annotations

import importlib.resources
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ended_runs import document, make_run
from services import require, require_if_asked

from hybrid_parsl import load_run, run
from hybrid_parsl.crate.metadata import write_crate
from hybrid_parsl.records.run_directory import RunDirectory

ROOT = Path(__file__).parents[3]
VALIDATOR = Path(sys.prefix) / "crates/bin/rocrate-validator"
PROVENANCE, WORKFLOW = "provenance-run-crate-0.5", "workflow-run-crate-0.5"
SMALL = {
    "name": "small",
    "problem": {"kind": "bell"},
    "search": {"method": "draw", "starts": 1},
    "analysis": {"figures": False, "landscape": 0},
}


def hybrid_parsl(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end, without a terminal."""
    program = "from hybrid_parsl.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "HYBRID_PARSL_PROJECT": str(ROOT)},
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the one run that is made."""
    folder = tmp_path_factory.mktemp("crates") / "runs"
    run(SMALL, runs=folder, project=ROOT, progress=False)
    return folder


@pytest.fixture(scope="module")
def packed(runs: Path) -> Path:
    return load_run("latest", runs).export(runs.parent / "crate.zip")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what answers the requests of the validator."""
    require("rocrate-validator", "make .venv/.crates", available=VALIDATOR.is_file())
    path = tmp_path_factory.mktemp("validator") / "cache"
    script = ROOT / "tests/support/validator_cache.py"
    context = importlib.resources.files("rocrate") / "data/ro-crate.jsonld"
    subprocess.run([VALIDATOR.with_name("python"), script, path, str(context)], check=True)
    return path


def validate(crate: Path, profile: str, cache: Path, form: str) -> subprocess.CompletedProcess[str]:
    """Validate a crate offline."""
    command = [VALIDATOR, "--no-interactive", "validate", "--offline", "--cache-path", cache]
    options = ["--profile-identifier", profile, "--output-format", form, "--no-paging"]
    return subprocess.run([*command, *options, crate], capture_output=True, text=True, check=False)


def issues(folder: Path, profile: str, cache: Path) -> list[str]:
    """Return what a crate lacks of what a profile requires."""
    done = validate(folder, profile, cache, "json")
    found = json.loads(done.stdout[done.stdout.index("{") :])
    assert found["passed"] == (done.returncode == 0)
    return [each["message"] for each in found["issues"]]


def test_a_run_is_valid(runs: Path, packed: Path, cache: Path) -> None:
    assert issues(load_run("latest", runs).path, PROVENANCE, cache) == []
    done = validate(packed, WORKFLOW, cache, "text")  # as JSON, version 0.13 cannot name a zip
    assert done.returncode == 0, done.stdout
    assert f"valid {WORKFLOW}" in done.stdout


@pytest.mark.parametrize(
    ("status", "tasks", "profile"),
    [("failed", ("search", "quantum"), PROVENANCE), ("interrupted", (), WORKFLOW)],
)
def test_a_run_that_failed_is_valid(
    tmp_path: Path, cache: Path, status: str, tasks: tuple[str, ...], profile: str
) -> None:
    results = document(error={"type": "StageFailedError", "message": "quantum raised"})
    results["run"]["status"] = status
    results["tasks"] = {name: results["tasks"][name] for name in tasks}
    for name in tasks[1:]:
        results["tasks"][name] |= {"status": "failed", "error": "raised", "result": None}
    assert issues(make_run(tmp_path / "r", results).path, profile, cache) == []


def test_the_validator_would_find_what_is_wrong(runs: Path, tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / "crate"
    shutil.copytree(load_run("latest", runs).path, folder)
    path = folder / "ro-crate-metadata.json"
    document = json.loads(path.read_text())
    for entity in document["@graph"]:
        entity.pop("programmingLanguage", None)
        if entity["@type"] == "ControlAction":
            del entity["instrument"]
    path.write_text(json.dumps(document))
    found = " ".join(issues(folder, PROVENANCE, cache))
    assert "programmingLanguage" in found
    assert "A ControlAction must reference a HowToStep" in found


@pytest.mark.usefixtures("packed")
def test_a_run_is_repeated_with_the_same_digits(runs: Path, packed: Path, tmp_path: Path) -> None:
    done = hybrid_parsl("rerun", str(packed), "--runs-dir", str(tmp_path / "again"), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["verdict"] == "agree to the last digit"
    assert found["recorded"] == load_run("latest", runs).path.name
    again = load_run("latest", tmp_path / "again")
    assert (again.path / "source/experiment.toml").is_file()
    assert (again.path / "ro-crate-metadata.json").is_file()
    document = json.loads((again.path / "results.json").read_text())
    assert document["search"]["energy"] == load_run("latest", runs).search.energy
    assert document["run"]["repeats"] == found["recorded"]


def test_other_results_are_reported(runs: Path, tmp_path: Path) -> None:
    require_if_asked("runs", "", lambda: True)
    folder = load_run("latest", runs).path
    again = ("rerun", str(folder), "--runs-dir", str(tmp_path), "--set")
    done = hybrid_parsl(*again, "quantum.seed=5")
    assert done.returncode == 0, done.stderr
    assert "the results agree within statistical error" in done.stdout
    done = hybrid_parsl(*again, "search.seed=5")
    assert done.returncode == 7, done.stderr
    assert "quantum.seed" not in done.stdout
    assert "search.seed  0 -> 5" in done.stdout
    assert "the results differ" in done.stdout


def test_code_of_others_is_executed_only_on_demand(runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "crate"
    shutil.copytree(load_run("latest", runs).path, folder)
    workflows = folder / "code/apps/workflows.py"
    workflows.write_text(workflows.read_text() + "raise SystemExit('executed')\n")
    asked = ("rerun", str(folder), "--runs-dir", str(tmp_path / "again"))
    done = hybrid_parsl(*asked)
    assert done.returncode == 2
    assert "code/apps/workflows.py: has been altered" in done.stderr
    write_crate(RunDirectory(folder), load_run(folder).document)
    done = hybrid_parsl(*asked)
    assert done.returncode == 2
    assert "code that is not in your project" in done.stderr
    assert "found: apps/workflows.py" in done.stderr
    done = hybrid_parsl(*asked, "--yes")
    assert done.returncode == 2
    assert "executed" in done.stderr
    assert list((tmp_path / "again").iterdir()) == []
