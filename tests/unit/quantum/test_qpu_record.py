from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hybrid_parsl.errors import StorageError
from hybrid_parsl.quantum.qpu_record import FILE, QpuRecord, read_records, records_of_run

if TYPE_CHECKING:
    from pathlib import Path


def record(tag: str = "t") -> QpuRecord:
    return QpuRecord(tag, "ibm:x", "x", {"account": None}, 100, at=1.0)


def test_the_latest_line_of_a_tag_counts(tmp_path: Path) -> None:
    record().append(tmp_path)
    known = record().changed(job_id="j", state="QUEUED", position=3).append(tmp_path)
    record("other").append(tmp_path)
    assert read_records(tmp_path) == {"t": known, "other": record("other")}
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_lines_of_another_try_may_be_in_any_order(tmp_path: Path) -> None:
    late = record().changed(job_id="j", at=3.0).append(tmp_path)
    record().append(tmp_path)
    assert read_records(tmp_path) == {"t": late}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tag": 1}', "\udcff"])
def test_a_damaged_line_is_passed_over(tmp_path: Path, text: str) -> None:
    record().append(tmp_path)
    with (tmp_path / FILE).open("ab") as file:
        file.write(text.encode("utf-8", "surrogateescape") + b"\n")
    assert set(read_records(tmp_path)) == {"t"}


def test_a_record_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        record().append(tmp_path / "missing")


def test_the_records_of_a_run(tmp_path: Path) -> None:
    folder = tmp_path / "tasks" / "quantum"
    folder.mkdir(parents=True)
    assert records_of_run(tmp_path) == []
    known = record().append(folder)
    assert records_of_run(tmp_path) == [(folder, known)]
