from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hybrid_parsl import progress
from hybrid_parsl.progress import report_progress
from hybrid_parsl.tasks.folder import TASK_FOLDER_VARIABLE, TaskFolder, output_to

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_line_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_last", (None, 0.0))


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TaskFolder:
    monkeypatch.setenv(TASK_FOLDER_VARIABLE, str(tmp_path))
    return TaskFolder(tmp_path)


def test_the_last_line_counts(task: TaskFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_INTERVAL_S", 0.0)
    assert task.progress_line() == ""
    report_progress("1 of 9 bonds")
    report_progress("2 of 9\nbönds \ud800")
    assert task.progress_line() == "2 of 9 bönds ?"
    task.clear()
    assert task.progress_line() == ""


def test_lines_that_come_too_soon_are_left_out(task: TaskFolder) -> None:
    for number in range(10_000):
        report_progress(f"{number} of 10000")
    assert task.progress.read_text().startswith("0 of 10000\n")
    assert len(task.progress.read_bytes()) < 200


def test_a_line_that_is_being_written_does_not_count(task: TaskFolder) -> None:
    task.progress.write_bytes(b"x" * 9000 + b"\n1 of 2\n2 o")
    assert task.progress_line() == "1 of 2"
    task.progress.write_bytes(b"1 of")
    assert task.progress_line() == ""


def test_outside_a_task_and_where_nothing_can_be_written_nothing_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TASK_FOLDER_VARIABLE, raising=False)
    report_progress("1 of 2")
    monkeypatch.setenv(TASK_FOLDER_VARIABLE, str(tmp_path / "elsewhere"))
    report_progress("1 of 2")
    assert list(tmp_path.iterdir()) == []


def test_drivers_that_share_no_folder_hear_it(
    task: TaskFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []

    class Live:
        def tell(self, name: str, line: str) -> None:
            told.append((name, line))

    monkeypatch.setattr(progress, "_live", Live)
    report_progress("1 of 2")
    assert told == [(task.progress.name, "1 of 2")]


def test_a_process_belongs_to_the_task_whose_logs_it_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TASK_FOLDER_VARIABLE, raising=False)
    task = TaskFolder(tmp_path)
    with output_to(task):
        report_progress("1 of 2")
    assert task.progress_line() == "1 of 2"
    assert progress.current_task_folder() is None
