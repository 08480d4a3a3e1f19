"""Files of runs: only plain ones, and only the part that was asked for."""

from __future__ import annotations

import os
import time
import tracemalloc

import pytest

from hybrid_parsl.errors import UntrustedFileError
from hybrid_parsl.ui.run_files import PART_BYTES, inside, read_part, read_start


@pytest.mark.parametrize(
    "parts",
    [("..",), ("a", "..", "secret"), (".",), ("",), ("a/b",), ("a\0",), ("/etc/passwd",), ("no",)],
)
def test_no_path_leads_out_of_a_run(tmp_path, parts):
    (tmp_path / "a").mkdir()
    (tmp_path / "secret").touch()
    with pytest.raises(FileNotFoundError):
        inside(tmp_path, *parts)


def test_symbolic_links_are_not_followed(tmp_path):
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "file").touch()
    (tmp_path / "folder").symlink_to("/etc")
    (tmp_path / "file").symlink_to(tmp_path / "plain" / "file")
    assert inside(tmp_path, "plain", "file").is_file()
    for parts in (("folder", "passwd"), ("folder",), ("file",)):
        with pytest.raises(FileNotFoundError, match="symbolic link"):
            inside(tmp_path, *parts)


def test_what_is_no_file_of_the_user_is_refused(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="not a regular file"):
        read_part(tmp_path / "fifo")
    shared = tmp_path / "shared"
    shared.touch()
    shared.chmod(0o666)
    with pytest.raises(UntrustedFileError):
        read_start(shared, 10)


def test_a_short_log_is_shown_whole(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"one\ntwo")
    part = read_part(log)
    assert (part.text, part.start, part.end, part.size) == ("one\ntwo", 0, 7, 7)
    log.write_bytes(b"")
    assert read_part(log).size == 0


def test_the_parts_of_a_log_are_the_log(tmp_path):
    log = tmp_path / "log"
    lines = [f"line {number} of many\n" for number in range(20_000)]
    log.write_text("".join(lines))
    forward, start = [], 0
    while start < log.stat().st_size:
        part = read_part(log, start=start)
        assert part.start == start
        forward.append(part.text)
        start = part.end
    assert "".join(forward) == "".join(lines)
    part = read_part(log)
    backward = [part.text]
    while part.start:
        before = part.start
        part = read_part(log, before=before)
        assert part.end == before
        backward.append(part.text)
    assert "".join(reversed(backward)) == "".join(lines)


def test_a_line_without_end_is_read_in_parts(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"x" * (3 * PART_BYTES + 5))
    assert len(read_part(log).text) == PART_BYTES
    assert len(read_part(log, start=3 * PART_BYTES).text) == 5
    assert read_part(log, start=10**18).text == ""


def test_a_log_of_a_gigabyte_needs_neither_time_nor_memory(tmp_path):
    log = tmp_path / "log"
    with log.open("wb") as file:
        file.seek(2**30)
        file.write(b"\nthe end\n")
    tracemalloc.start()
    began = time.monotonic()
    assert read_part(log).text.endswith("the end\n")
    assert read_part(log, start=2**29).size > 2**30
    assert time.monotonic() - began < 2  # reading it whole takes longer, and 1 GiB
    assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    tracemalloc.stop()


def test_a_log_is_shown_as_a_terminal_does(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"\x1b[31mred\x1b[0m\n 1 %\r 2 %\n\xff\r\n")
    assert read_part(log).text == "red\n 2 %\n\N{REPLACEMENT CHARACTER}\n"
