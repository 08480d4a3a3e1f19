from __future__ import annotations

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
