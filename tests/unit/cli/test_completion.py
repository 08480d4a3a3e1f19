from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hybrid_parsl.cli.completion import complete_experiment, complete_run, complete_site
from hybrid_parsl.project import PROJECT_VARIABLE

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(PROJECT_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    for name in ("apps", "site_configs", "experiments"):
        (tmp_path / name).mkdir()
    for name in ("slurm.py", "slurm_gpu.py", "local.py"):
        (tmp_path / "site_configs" / name).touch()
    for name in ("maxcut.toml", "bell.toml"):
        (tmp_path / "experiments" / name).touch()
    (tmp_path / "mine.toml").touch()
    return tmp_path


def test_sites() -> None:
    assert complete_site("sl") == ["slurm", "slurm_gpu"]
    assert complete_site("") == ["local", "slurm", "slurm_gpu"]
    assert complete_site("x") == []


def test_experiments_and_files_here() -> None:
    assert complete_experiment("m") == ["maxcut", "mine.toml"]
    assert complete_experiment("b") == ["bell"]


def test_runs(folder: Path) -> None:
    for name in ("2-bell", "1-bell", "3-max"):
        (folder / "runs" / name).mkdir(parents=True)
        (folder / "runs" / name / "experiment.toml").touch()
    (folder / "runs" / "4-empty").mkdir()
    assert complete_run("") == ["latest", "1-bell", "2-bell", "3-max"]
    assert complete_run("2") == ["2-bell"]


def test_a_wrong_project_is_no_traceback_at_the_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROJECT_VARIABLE, "/nowhere")
    assert complete_site("") == []
    assert complete_experiment("m") == ["mine.toml"]


def test_no_runs_yet() -> None:
    assert complete_run("l") == ["latest"]
