from __future__ import annotations

import os
import stat

import pytest

from hybrid_parsl.atomic_file import write_atomically
from hybrid_parsl.errors import StorageError


def test_a_file_takes_the_place_of_another_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"first")
    write_atomically(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]


def test_what_was_there_stays_when_the_new_cannot_be_written(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "content").write_text("kept")
    with pytest.raises(StorageError, match="folder"):
        write_atomically(path, b"data")
    assert (path / "content").read_text() == "kept"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interruption_leaves_nothing_beside_it(monkeypatch, tmp_path):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", b"data")
    assert list(tmp_path.iterdir()) == []


def test_it_is_never_writable_by_others(tmp_path):
    before = os.umask(0)
    try:
        write_atomically(tmp_path / "file", b"data")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o644


def test_a_link_that_lies_in_wait_is_not_followed(monkeypatch, tmp_path):
    monkeypatch.setattr("secrets.token_hex", lambda _: "known")
    (tmp_path / "target").write_text("kept")
    (tmp_path / ".file.known").symlink_to(tmp_path / "target")
    with pytest.raises(StorageError, match="File exists"):
        write_atomically(tmp_path / "file", b"data")
    assert (tmp_path / "target").read_text() == "kept"
