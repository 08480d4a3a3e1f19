"""Folders of tasks, and how a later driver finds them again."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace

import pytest
import rank_functions as functions

from hybrid_parsl.engine.tasks.folders import TaskFolders
from hybrid_parsl.errors import ResultError, StorageError
from hybrid_parsl.tasks.serialization import read_frame, write_frame


def names(*tasks):
    return [task.folder.path.name for task in tasks]


@pytest.fixture
def folders(tmp_path):
    return TaskFolders(tmp_path)


def test_a_folder_has_the_name_of_the_function_and_a_number_from_the_second_on(folders):
    tasks = [folders.open(functions.add, (1,), {}) for _ in range(3)]
    assert names(*tasks, folders.open(functions.who, (), {})) == ["add", "add-2", "add-3", "who"]


def test_the_request_is_there_as_soon_as_the_folder_is(folders):
    task = folders.open(functions.add, (1,), {"second": 2, "parsl_resource_specification": {}})
    request = read_frame(task.folder.request)
    assert request == task.request
    assert (request.function, request.arguments) == (functions.add, (1,))
    assert request.keywords == {"second": 2}


def test_a_later_driver_finds_each_call_again_in_whatever_order(folders, tmp_path):
    for n in (1, 2, 2, 3):
        folders.open(functions.add, (n,), {})
    later = TaskFolders(tmp_path)
    tasks = [later.open(functions.add, (n,), {}) for n in (3, 2, 1, 2, 2, 4)]
    assert names(*tasks) == ["add-4", "add-2", "add", "add-3", "add-5", "add-6"]


def test_whether_an_earlier_driver_has_begun_a_call(folders, tmp_path):
    call = (functions.add, (1,), {"parsl_resource_specification": {"num_ranks": 2}})
    folders.open(functions.add, (1,), {})
    assert not folders.has_begun(*call)  # it is of this driver
    later = TaskFolders(tmp_path)
    assert later.has_begun(*call)
    assert not later.has_begun(functions.add, (2,), {})
    assert names(later.open(*call)) == ["add"]
    assert not later.has_begun(*call)


def test_what_another_executor_of_this_driver_has_begun_is_its_own(folders, tmp_path):
    other = TaskFolders(tmp_path)
    first = folders.open(functions.add, (1,), {})
    assert names(first, other.open(functions.add, (1,), {})) == ["add", "add-2"]


def test_what_other_sources_have_begun_is_another_call(folders, tmp_path):
    task = folders.open(functions.add, (1,), {})
    write_frame(task.folder.request, replace(task.request, identity="0.0.1 abc"))
    assert names(TaskFolders(tmp_path).open(functions.add, (1,), {})) == ["add-2"]


def test_what_cannot_be_compared_or_read_is_another_call(folders, tmp_path):
    import numpy as np

    folders.open(functions.add, (np.zeros(3),), {})
    task = folders.open(functions.who, (), {})
    task.folder.request.write_bytes(b"HPFRAME1 cut")
    later = TaskFolders(tmp_path)
    found = [later.open(functions.add, (np.zeros(3),), {}), later.open(functions.who, (), {})]
    assert names(*found) == ["add-2", "who-2"]


def test_a_call_that_failed_is_tried_again_in_its_folder(folders):
    first = folders.open(functions.add, (1,), {})
    folders.release(first)
    assert names(folders.open(functions.add, (2,), {})) == ["add-2"]
    assert names(folders.open(functions.add, (1,), {})) == ["add"]


def test_a_result_is_answered_from_the_disk_and_a_damaged_one_is_none(folders):
    task = folders.open(functions.add, (1,), {})
    answer = Future()
    assert not task.answer_from_disk(answer)
    write_frame(task.folder.result, {"x": 1})
    assert task.answer_from_disk(answer)
    assert answer.result() == {"x": 1}
    task.folder.result.write_bytes(task.folder.result.read_bytes()[:-1])
    assert not task.answer_from_disk(Future())
    task.prepare()
    assert not task.folder.result.exists()


def test_what_cannot_be_sent_leaves_no_folder(folders, tmp_path):
    with pytest.raises(ResultError):
        folders.open(functions.add, ((n for n in range(3)),), {})
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    folders = TaskFolders(tmp_path / "file")
    with pytest.raises(StorageError, match="file/add"):
        folders.open(functions.add, (1,), {})
    with pytest.raises(StorageError, match="file/logs"):
        folders.logs("logs")
