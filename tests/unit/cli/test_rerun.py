"""What ``rerun`` refuses before it executes anything."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from ended_runs import EXPERIMENT, document, make_run

from hybrid_parsl.crate.archive import write_zip
from hybrid_parsl.project import PROJECT_VARIABLE

ROOT = Path(__file__).parents[3]


@pytest.fixture
def crate(tmp_path: Path) -> Path:
    """Return the zip of a run with a workflow of its own."""
    write_zip(make_run(tmp_path / "r").path, tmp_path / "r.zip")
    return tmp_path / "r.zip"


def test_code_of_others_needs_a_yes(command: Any, crate: Path) -> None:
    command("rerun", str(crate), code=2)
    assert "has Python code that is not in your project" in command.err
    assert "found: apps/search.py, apps/workflows.py" in command.err
    assert not Path("runs").exists()


def test_code_of_the_own_project_needs_none(
    command: Any, crate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(crate) as packed:
        packed.extractall(tmp_path / "unpacked")
    project = tmp_path / "unpacked/code"
    (project / "site_configs").mkdir()
    monkeypatch.setenv(PROJECT_VARIABLE, str(project))
    command("rerun", str(crate), "--site", "nowhere", code=2)
    assert "no such site" in command.err
    assert list(Path("runs").iterdir()) == []


def test_an_interpreter_needs_a_yes(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quantum = {"backend": "pkg.module:name", "python": "/opt/other/bin/python"}
    results = document(experiment={**EXPERIMENT, "quantum": quantum})
    directory = make_run(tmp_path / "r", results)
    monkeypatch.setenv(PROJECT_VARIABLE, str(directory.path / "code"))
    (directory.path / "code/site_configs").mkdir()
    command("rerun", str(directory.path), code=2)
    assert "found: the interpreter quantum.python" in command.err


def test_damaged_crates(command: Any, crate: Path, tmp_path: Path) -> None:
    crate.write_bytes(crate.read_bytes()[:1000])
    command("rerun", str(crate), "--yes", code=2)
    assert "is not a valid zip" in command.err
    (tmp_path / "r/report.html").write_text("altered")
    command("rerun", str(tmp_path / "r"), "--yes", code=2)
    assert "report.html: has been altered" in command.err
    (tmp_path / "r/experiment.toml").unlink()
    command("rerun", str(tmp_path / "r"), "--yes", code=2)
    assert "is missing" in command.err
    command("rerun", "nothing.zip", code=2)
    assert "no such run" in command.err


def test_a_run_by_its_name(command: Any, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    folder = tmp_path / "runs/20260102T000000Z-bell-aaaaaa"
    shutil.rmtree(make_run(folder).path / "figures")
    (folder / "ro-crate-metadata.json").unlink()
    command("rerun", "latest", code=2)
    assert "has Python code that is not in your project" in command.err
    assert (folder / "ro-crate-metadata.json").is_file()
