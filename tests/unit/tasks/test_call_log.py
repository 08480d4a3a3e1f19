"""Finished calls in one file: found again by equal requests, whatever happened to the file."""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import replace

import pytest
import rank_functions as functions
from hypothesis import given
from hypothesis import strategies as st

from hybrid_parsl.errors import ResultError, StorageError
from hybrid_parsl.own_code import OwnCode, SourceFile
from hybrid_parsl.stage_function import StageFunction
from hybrid_parsl.tasks.call_log import FILE, CallLog, FinishedCall, append_call
from hybrid_parsl.tasks.folder import Request


def request(name="0.add", *arguments, code=None, **keywords):
    function = StageFunction(functions.add, name, code or OwnCode())
    return Request("1+a", function, arguments, keywords)


def fill(folder, numbers):
    for number in numbers:
        append_call(folder, FinishedCall.of(request(f"{number}.add", number), number))


def results(folder, numbers):
    log = CallLog(folder)
    found = {number: log.find(f"{number}.add") for number in numbers}
    return {number: call.result() for number, call in found.items() if call is not None}


def test_a_call_is_found_with_its_result(tmp_path):
    asked = request("0.add", 1, [2.5, {"a": None}], third=(3,))
    append_call(tmp_path, FinishedCall.of(asked, {"energy": -1.5}))
    found = CallLog(tmp_path).find("0.add")
    assert found.answers(asked)
    assert found.result() == {"energy": -1.5}
    assert CallLog(tmp_path).find("1.add") is None


def test_the_log_of_a_folder_without_one_is_empty(tmp_path):
    assert CallLog(tmp_path).find("0.add") is None
    assert CallLog(tmp_path / "none").find("0.add") is None


@pytest.mark.parametrize(
    "other",
    [
        request("0.add", 2),
        request("0.add", 1, second=2),
        replace(request("0.add", 1), identity="2+b"),
        replace(request("0.add", 1), function=StageFunction(functions.who, "0.add", OwnCode())),
        request("0.add", 1, code=OwnCode((SourceFile("a", "apps/a.py", b"x = 1\n"),))),
    ],
)
def test_what_differs_is_not_answered(other):
    call = FinishedCall.of(request("0.add", 1), 1)
    assert call.answers(request("1.add", 1))  # the name of the task does not count
    assert not call.answers(other)
    assert call.is_edited(other) == bool(other.function.code.files)


class Incomparable:
    def __eq__(self, other):
        raise ValueError

    __hash__ = None


def test_arguments_that_cannot_be_compared_differ():
    asked = request("0.add", Incomparable())
    assert not FinishedCall.of(asked, 1).answers(asked)


def test_the_last_of_several_calls_of_one_name_counts(tmp_path):
    for number in (1, 2):
        append_call(tmp_path, FinishedCall.of(request("0.add", number), number))
    assert CallLog(tmp_path).find("0.add").result() == 2


def test_what_cannot_be_pickled_is_an_error():
    with pytest.raises(ResultError, match="generator"):
        FinishedCall.of(request(), (n for n in ()))


@given(st.data())
def test_every_whole_record_of_a_damaged_file_is_read(tmp_path_factory, data):
    folder, n_calls = tmp_path_factory.mktemp("log"), 4
    fill(folder, range(n_calls))
    path = folder / FILE
    content = path.read_bytes()
    length = len(content) // n_calls
    begin = data.draw(st.integers(0, len(content) - 1))
    end = data.draw(st.integers(begin + 1, len(content)))
    path.write_bytes(content[:begin] + data.draw(st.binary(max_size=20)) + content[end:])
    whole = [n for n in range(n_calls) if (n + 1) * length <= begin or n * length >= end]
    found = results(folder, range(n_calls))
    assert all(found[number] == number for number in whole)
    assert all(result == number for number, result in found.items())
    fill(folder, [7])
    assert results(folder, [7, *whole]) == {number: number for number in (7, *whole)}


def test_several_processes_write_at_once(tmp_path):
    fork = multiprocessing.get_context("fork")
    parts = [range(first, 200, 4) for first in range(4)]
    writers = [fork.Process(target=fill, args=(tmp_path, part)) for part in parts]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert results(tmp_path, range(200)) == {number: number for number in range(200)}


def test_a_full_disk_is_an_error_and_loses_no_other_call(tmp_path, monkeypatch):
    fill(tmp_path, [0])
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: write(file, data[: len(data) // 2]))
        with pytest.raises(StorageError, match="bytes were written"):
            fill(tmp_path, [1])
    fill(tmp_path, [2])
    assert results(tmp_path, range(3)) == {0: 0, 2: 2}


def test_the_file_of_another_user_is_not_read(tmp_path):
    fill(tmp_path, [0])
    (tmp_path / FILE).chmod(0o666)
    assert CallLog(tmp_path).find("0.add") is None


def test_a_link_in_its_place_is_not_followed(tmp_path):
    (tmp_path / FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError):
        fill(tmp_path, [0])
    assert not (tmp_path / "elsewhere").exists()
