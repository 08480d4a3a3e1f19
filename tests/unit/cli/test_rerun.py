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
    assert "has or names code that is not in your project" in command.err
    assert "found: apps/search.py, apps/workflows.py" in command.err
    assert not Path("runs").exists()


def unpacked_code(crate: Path, tmp_path: Path) -> Path:
    """Unpack a crate; return its code, with a folder for sites."""
    with zipfile.ZipFile(crate) as packed:
        packed.extractall(tmp_path / "unpacked")
    code = tmp_path / "unpacked/code"
    (code / "site_configs").mkdir()
    return code


def test_code_of_the_own_project_needs_none(
    command: Any, crate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = unpacked_code(crate, tmp_path)
    monkeypatch.setenv(PROJECT_VARIABLE, str(project))
    command("rerun", str(crate), "--site", "nowhere", code=2)
    assert "no such site" in command.err
    assert list(Path("runs").iterdir()) == []


def known_run(folder: Path, monkeypatch: pytest.MonkeyPatch, **tables: Any) -> str:
    """Return the folder of a run whose code is that of the project."""
    directory = make_run(folder, document(experiment={**EXPERIMENT, **tables}))
    monkeypatch.setenv(PROJECT_VARIABLE, str(directory.path / "code"))
    (directory.path / "code/site_configs").mkdir()
    return str(directory.path)


PYTHON = "/opt/other/bin/python"


@pytest.mark.parametrize(
    ("tables", "found"),
    [
        (
            {"quantum": {"backend": "search:name", "python": PYTHON}},
            f"the interpreter quantum.python = {PYTHON}",
        ),
        (
            {"sweep": {"quantum.python": [PYTHON]}, "quantum": {"backend": "apps.search:name"}},
            f"the interpreter quantum.python = {PYTHON}",
        ),
        (
            {"sweep": {"quantum": {"python": ["/a", "/b"]}}},
            "the interpreter quantum.python = /a, the interpreter quantum.python = /b",
        ),
        ({"quantum": {"backend": "os:system"}}, "the module of quantum.backend = os:system"),
        (
            {"sweep": {"search.method": ["draw", "os:nice"]}},
            "the module of search.method = os:nice",
        ),
        ({"problem": {"kind": "os.path:join"}}, "the module of problem.kind = os.path:join"),
    ],
)
def test_programs_that_the_experiment_names_need_a_yes(
    command: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tables: dict[str, Any],
    found: str,
) -> None:
    command("rerun", known_run(tmp_path / "r", monkeypatch, **tables), code=2)
    assert f"found: {found}" in command.err
    assert not Path("runs").exists()


def test_a_key_that_is_not_plain_names_no_interpreter(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = {"sweep": {"quantum.python ": [PYTHON]}, "quantum": {"backend": "os:system"}}
    command("rerun", known_run(tmp_path / "r", monkeypatch, **tables), "--yes", code=2)
    assert "is no plain key" in command.err
    assert not Path("runs").exists()


def test_the_current_folder_is_not_known_in_an_unpacked_crate(
    command: Any, crate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (unpacked_code(crate, tmp_path) / "site_configs/evil.py").write_text("raise SystemExit(99)\n")
    for folder in ("code", "code/apps"):
        monkeypatch.chdir(tmp_path / "unpacked" / folder)
        command("rerun", str(crate), code=2)
        assert "found: apps/search.py, apps/workflows.py" in command.err
        command("rerun", str(crate), "--yes", "--site", "evil", code=2)
        assert "no such site" in command.err


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
    assert "has or names code that is not in your project" in command.err
    assert (folder / "ro-crate-metadata.json").is_file()
