from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import pytest

from hybrid_parsl.tasks.folder import (
    TASK_FOLDER_VARIABLE,
    Failure,
    Request,
    TaskFolder,
    current_task_folder,
)


@pytest.fixture
def folder(tmp_path: Path) -> TaskFolder:
    return TaskFolder(tmp_path)


def test_every_file_has_a_name_of_its_own(folder: TaskFolder) -> None:
    files = [
        *(folder.request, folder.result, folder.ranks, folder.stdout, folder.stderr),
        *(folder.failure(rank) for rank in (0, 1, 12, 123_456)),
    ]
    assert len(set(files)) == len(files)
    assert {path.parent for path in files} == {folder.path}


def test_failures_come_by_rank(folder: TaskFolder) -> None:
    assert folder.failures() == []
    for rank in (10, 2, 99_999, 0):
        folder.failure(rank).touch()
    (folder.path / ".failure-00001.frame.77").touch()
    assert folder.failures() == [folder.failure(rank) for rank in (0, 2, 10, 99_999)]


def test_clearing_leaves_the_logs_the_request_and_a_stages_own_files(folder: TaskFolder) -> None:
    kept = [folder.request, folder.stdout, folder.stderr, folder.path / "starts-00000.jsonl"]
    gone = [folder.result, folder.ranks, folder.failure(0), folder.failure(7)]
    for path in (*kept, *gone):
        path.touch()
    folder.clear()
    assert sorted(folder.path.iterdir()) == sorted(kept)
    folder.clear()


def test_the_folder_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TASK_FOLDER_VARIABLE, raising=False)
    assert current_task_folder() is None
    monkeypatch.setenv(TASK_FOLDER_VARIABLE, "")
    assert current_task_folder() is None
    monkeypatch.setenv(TASK_FOLDER_VARIABLE, "/some/folder")
    assert current_task_folder() == Path("/some/folder")


def test_what_travels_is_frozen_and_survives_pickle() -> None:
    request = Request("1+a", len, ("abc",), {})
    failure = Failure(1.5, 3, "host", 77, "Trace", None)
    for value in (request, failure):
        assert pickle.loads(pickle.dumps(value)) == value
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, dataclasses.fields(value)[0].name, 0)
