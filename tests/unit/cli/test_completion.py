from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from hybrid_parsl.cli.completion import complete_experiment, complete_site
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


def completed(*words: str) -> list[str]:
    """Return what bash is offered after `words`, of which the last may be begun only."""
    variables = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    command = [sys.executable, "-m", "hybrid_parsl"]
    instruction = {"_HYBRID_PARSL_COMPLETE": "complete_bash"}
    environment = {**os.environ, **variables, **instruction}
    return subprocess.check_output(command, text=True, env=environment).split()


@pytest.mark.usefixtures("thorough")
def test_runs(folder: Path) -> None:
    for name in ("2-bell", "1-bell", "3-max"):
        (folder / "other" / name).mkdir(parents=True)
        (folder / "other" / name / "experiment.toml").touch()
    (folder / "other" / "4-empty").mkdir()
    there = ["--runs-dir", "other"]
    assert completed("hybrid-parsl", "show", *there, "") == ["latest", "1-bell", "2-bell", "3-max"]
    assert completed("hybrid-parsl", "report", *there, "2") == ["2-bell"]
    (folder / "other").rename(folder / "runs")
    assert completed("hybrid-parsl", "show", "1") == ["1-bell"]


def test_a_wrong_project_is_no_traceback_at_the_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROJECT_VARIABLE, "/nowhere")
    assert complete_site("") == []
    assert complete_experiment("m") == ["mine.toml"]


def test_no_runs_yet() -> None:
    assert completed("hybrid-parsl", "show", "l") == ["latest"]


@pytest.mark.usefixtures("thorough")
def test_options_that_complete() -> None:
    assert completed("hybrid-parsl", "run", "--site", "sl") == ["slurm", "slurm_gpu"]
    assert completed("hybrid-parsl", "run", "m") == ["maxcut", "mine.toml"]
