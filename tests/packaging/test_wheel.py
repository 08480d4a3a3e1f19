"""The wheel is complete: it runs the default experiment without the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def installed(wheel):
    """Return the wheel's folder; the kernels need not be compiled again there."""
    cache = Path("hybrid_parsl", "simulate", "__pycache__")
    if (ROOT / cache).is_dir():
        shutil.copytree(ROOT / cache, wheel / cache, dirs_exist_ok=True)
    return wheel


def python(installed, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    environment.pop("HYBRID_PARSL_PROJECT", None)
    return subprocess.run(
        [sys.executable, *arguments],
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


def test_the_wheel_is_what_runs(installed):
    done = python(installed, "-c", "import hybrid_parsl; print(hybrid_parsl.__file__)")
    assert done.stdout.strip() == str(installed / "hybrid_parsl" / "__init__.py")


@pytest.mark.usefixtures("several_runs")
def test_the_default_experiment_runs_from_the_wheel_in_the_root_folder(installed, tmp_path):
    fewer = [
        "--set",
        "search.starts=4",
        "--set",
        "problem.nodes=8",
        "--set",
        "analysis.landscape=8",
    ]
    command = ["-m", "hybrid_parsl", "run", "--runs-dir", str(tmp_path), "--json", *fewer]
    done = python(installed, *command)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["experiment"]["name"] == "maxcut"
    assert document["run"]["status"] == "completed"
    site = json.loads((Path(document["run"]["folder"]) / "site.json").read_text())
    assert site["file"].startswith(str(installed))


def test_the_wheel_ships_every_experiment_and_the_type_marker(installed):
    template = installed / "hybrid_parsl" / "template"
    for folder in ("apps", "site_configs", "experiments"):
        shipped = {path.name for path in (template / folder).iterdir() if path.is_file()}
        there = {path.name for path in (ROOT / folder).iterdir() if path.is_file()}
        assert shipped == there
    endpoint = installed / "hybrid_parsl" / "remote" / "endpoint"
    assert {path.suffix for path in endpoint.iterdir()} == {".j2", ".json"}
    assert (installed / "hybrid_parsl" / "py.typed").exists()
    page = {path.name for path in (ROOT / "hybrid_parsl" / "ui").iterdir() if path.is_file()}
    assert page <= {path.name for path in (installed / "hybrid_parsl" / "ui").iterdir()}


def test_no_apps_or_sites_at_the_top_level(installed):
    assert not (installed / "apps").exists()
    assert not (installed / "site_configs").exists()
