"""Lines from a log that is read many times are in their file once."""

from __future__ import annotations

from hybrid_parsl.psij_kubernetes.line_files import LineFiles


def written(path, *lines):
    files = LineFiles()
    for line in lines:
        files.add(path, line)
    files.close()
    return path.read_bytes()


def test_a_line_is_written_once(tmp_path):
    path = tmp_path / "new" / "file"
    assert written(path, b"a", b"b", b"a") == b"a\nb\n"
    assert written(path, b"a", b"b", b"c") == b"a\nb\nc\n"


def test_a_line_without_an_end_is_left_to_itself(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"a\nhal")
    assert written(path, b"half", b"a") == b"a\nhal\nhalf\n"
