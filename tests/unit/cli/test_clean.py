from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hybrid_parsl.cli.clean import _size
from hybrid_parsl.engine.jobs.record import TASK_RECORD, JobRecord
from hybrid_parsl.records.run_directory import RunDirectory
from hybrid_parsl.records.run_lock import run_lock

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

NOW = datetime.now(UTC)


def made(runs: Path, name: str, status: str, days: float = 0) -> Path:
    began = (NOW - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    folder = runs / f"20260102T000000Z-x-{name}"
    folder.mkdir(parents=True, mode=0o700)
    table = {"id": folder.name, "name": "x", "status": status, "started": began}
    (folder / "results.json").write_text(json.dumps({"run": table}))
    (folder / "experiment.toml").write_text('name = "x"\n')
    return folder


def has_job(folder: Path) -> None:
    task = folder / "tasks" / "search"
    task.mkdir(parents=True)
    record = JobRecord("slurm", "search", "host", 0.0, job_id="7", folder=str(task))
    record.write(task / TASK_RECORD)


def names(runs: Path) -> set[str]:
    return {path.name.rpartition("-")[2] for path in runs.iterdir()}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    made(folder, "new", "completed")
    made(folder, "old", "completed", days=40)
    made(folder, "bad", "failed", days=40)
    made(folder, "cut", "interrupted")
    made(folder, "left", "running", days=40)
    return folder


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(
    ("options", "removed"),
    [
        (["--failed"], {"bad", "cut"}),
        (["--older-than", "30d"], {"old", "bad"}),
        (["--older-than", "30d", "--failed"], {"bad"}),
        (["--older-than", "0"], {"new", "old", "bad", "cut"}),
        (["--older-than", "50d"], set()),
    ],
)
def test_what_is_asked_for_is_removed(
    command: Any, runs: Path, options: list[str], removed: set[str]
) -> None:
    before = names(runs)
    command("clean", *options, "--dry-run")
    assert names(runs) == before
    command("clean", *options, "--yes")
    assert names(runs) == before - removed


def test_it_asks_first(command: Any, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = names(runs)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    command("clean", "--failed", code=2)
    assert "--yes" in command.err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer._click.termui.visible_prompt_func", lambda _: "n")
    command("clean", "--failed", code=1)
    assert names(runs) == before
    monkeypatch.setattr("typer._click.termui.visible_prompt_func", lambda _: "y")
    command("clean", "--failed")
    assert names(runs) == before - {"bad", "cut"}


@pytest.fixture
def while_it_asks(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Let something happen before the question is answered with yes."""

    def answered(happens: Callable[[], object]) -> None:
        def answer(_: str) -> str:
            happens()
            return "y"

        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("typer._click.termui.visible_prompt_func", answer)

    return answered


def test_a_run_whose_state_changes_while_it_asks_stays(
    command: Any, runs: Path, while_it_asks: Any
) -> None:
    (folder,) = runs.glob("*-bad")
    results = folder / "results.json"
    completed = results.read_text().replace("failed", "completed")
    while_it_asks(lambda: results.write_text(completed))
    assert "removed 1 of 2 runs" in command("clean", "--failed")
    assert "stays: it was failed, and is completed now" in command.err
    assert "bad" in names(runs)


def test_a_run_that_gets_a_job_while_it_asks_stays(
    command: Any, runs: Path, while_it_asks: Any
) -> None:
    (folder,) = runs.glob("*-bad")
    while_it_asks(lambda: has_job(folder))
    command("clean", "--failed")
    assert f"{folder.name} stays" in command.err
    assert "bad" in names(runs)


def test_a_run_that_vanishes_while_it_asks_is_not_counted(
    command: Any, runs: Path, while_it_asks: Any
) -> None:
    (folder,) = runs.glob("*-bad")
    while_it_asks(lambda: shutil.rmtree(folder))
    assert "removed 1 of 2 runs" in command("clean", "--failed")


def test_files_that_vanish_meanwhile_have_no_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stays").write_bytes(b"12345")
    (tmp_path / "vanishes").write_bytes(b"12345")
    lstat = Path.lstat

    def vanishing(path: Path) -> os.stat_result:
        if path.name == "vanishes":
            raise FileNotFoundError
        return lstat(path)

    monkeypatch.setattr(Path, "lstat", vanishing)
    assert _size(tmp_path) == 5


@pytest.mark.parametrize("options", [[], ["--older-than", "90"], ["--older-than", "soon"]])
def test_wrong_options(command: Any, runs: Path, options: list[str]) -> None:
    before = names(runs)
    command("clean", *options, "--yes", code=2)
    assert names(runs) == before


def test_a_driven_run_stays(command: Any, runs: Path) -> None:
    (folder,) = runs.glob("*-bad")
    with run_lock(RunDirectory(folder).lock, "run"):
        command("clean", "--failed", "--yes")
    assert "bad" in names(runs)
    assert "cut" not in names(runs)


def test_a_run_with_a_job_that_may_still_run_stays(command: Any, runs: Path) -> None:
    (folder,) = runs.glob("*-bad")
    has_job(folder)
    command("clean", "--failed", "--yes")
    assert "stays" in command.err
    assert "bad" in names(runs)


def test_nothing_to_remove(command: Any) -> None:
    assert "there is no such run of yours in runs" in command("clean", "--failed")
