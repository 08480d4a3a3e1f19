from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_parsl.errors import StorageError
from hybrid_parsl.optimize.journal import Journal, parse_lines
from hybrid_parsl.optimize.start import Start

if TYPE_CHECKING:
    from pathlib import Path

STARTS = [Start(index, -index / 3, [0.1 * index], [0.0, -index / 3], 5) for index in range(6)]


def test_what_is_appended_is_read_from_all_ranks(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "key")
    journal.append(0, STARTS[:2])
    journal.append(3, STARTS[4:])
    journal.append(0, STARTS[2:4])
    assert journal.read() == {start.index: start for start in STARTS}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "starts-00000.jsonl",
        "starts-00003.jsonl",
    ]
    assert Journal(tmp_path, "other").read() == {}


def test_without_a_folder_nothing_is_kept() -> None:
    journal = Journal(None, "key")
    journal.append(0, STARTS)
    assert journal.read() == {}


def test_nothing_to_append_is_no_error(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "key")
    journal.append(0, [])
    assert journal.read() == {}


@pytest.mark.parametrize("cut", range(1, 160, 7))
def test_a_line_that_was_cut_short_costs_itself_only(tmp_path: Path, cut: int) -> None:
    journal = Journal(tmp_path, "key")
    journal.append(0, STARTS[:2])
    path = tmp_path / "starts-00000.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    kept = journal.read()
    assert kept.items() <= {0: STARTS[0], 1: STARTS[1]}.items()
    ends = [position for position, byte in enumerate(whole) if byte == ord("}")]
    assert len(kept) == sum(end < len(whole) - cut for end in ends)
    journal.append(0, STARTS[2:3])
    assert journal.read() == {**kept, 2: STARTS[2]}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\0\0\0\0",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"3",
        b'{"search":"key"}',
        b'{"index":1}',
        b'{"search":"key","index":null,"energy":0,"parameters":[],"trace":[],"n_evaluations":1}',
        b'{"search":"key","index":1e999,"energy":0,"parameters":[],"trace":[],"n_evaluations":1}',
        b'{"search":"key","index":1,"energy":0,"parameters":3,"trace":[],"n_evaluations":1}',
        b'{"search":"key","index":1,"energy":"x","parameters":[],"trace":[],"n_evaluations":1}',
        b"[" * 100_000,
        b'{"search":"key","index":' + b"9" * 5000 + b"}",
    ],
)
def test_a_damaged_line_is_passed_over(tmp_path: Path, line: bytes) -> None:
    journal = Journal(tmp_path, "key")
    journal.append(0, STARTS[:1])
    with (tmp_path / "starts-00000.jsonl").open("ab") as file:
        file.write(line + b"\n")
    journal.append(0, STARTS[1:2])
    assert journal.read() == {0: STARTS[0], 1: STARTS[1]}


@given(st.binary(max_size=80))
def test_any_bytes_are_passed_over(line: bytes) -> None:
    assert list(parse_lines([line], "key")) == []


def test_a_start_of_another_search_is_passed_over(tmp_path: Path) -> None:
    Journal(tmp_path, "other").append(0, STARTS[:3])
    Journal(tmp_path, "key").append(0, STARTS[3:])
    assert list(Journal(tmp_path, "key").read()) == [3, 4, 5]
    lines = (tmp_path / "starts-00000.jsonl").read_bytes().split(b"\n")
    assert [start.index for start in parse_lines(lines)] == [0, 1, 2, 3, 4, 5]


def test_a_start_that_was_carried_out_twice_counts_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "key")
    for rank in (0, 1):
        journal.append(rank, STARTS)
    assert journal.read() == {start.index: start for start in STARTS}


def test_a_line_is_json_that_says_which_search(tmp_path: Path) -> None:
    Journal(tmp_path, "key").append(7, STARTS[2:3])
    lines = (tmp_path / "starts-00007.jsonl").read_text().split("\n")
    assert [bool(line) for line in lines] == [False, True, False]
    assert json.loads(lines[1])["search"] == "key"
    assert json.loads(lines[1])["energy"] == STARTS[2].energy


def test_a_full_disk_is_told_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "starts-00000.jsonl"
    path.symlink_to("/dev/full")
    with pytest.raises(StorageError, match="No space left on device") as caught:
        Journal(tmp_path, "key").append(0, STARTS)
    assert caught.value.path == str(path)
    assert caught.value.__cause__ is not None


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file"):
        Journal(tmp_path / "gone", "key").append(0, STARTS)


LIMITED = """
import resource, signal, sys
from pathlib import Path
from hybrid_parsl.errors import StorageError
from hybrid_parsl.optimize.journal import Journal
from hybrid_parsl.optimize.start import Start
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
journal = Journal(Path(sys.argv[1]), "key")
starts = [Start(i, -i / 3, [0.1 * i], [0.0], 5) for i in range(int(sys.argv[2]))]
try:
    journal.append(0, starts)
except StorageError as error:
    print(error.reason, len(journal.read()))
"""


@pytest.mark.usefixtures("thorough")
def test_a_line_that_does_not_fit_any_more_is_never_lost_silently(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LIMITED, str(tmp_path), "12"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    reason, _, kept = done.stdout.strip().rpartition(" ")
    assert reason == "File too large"
    assert 5 <= int(kept) < 12
    assert (tmp_path / "starts-00000.jsonl").stat().st_size == 1000


def test_what_is_told_elsewhere_is_enough_for_another_try(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    energies = [-1.0, -3.0, -2.0, -3.0, -4.0]
    starts = [
        Start(index, energy, [energy], [0.0, energy], 5) for index, energy in enumerate(energies)
    ]
    journal = Journal(tmp_path / "here", "key", lambda *words: told.append(words))
    (tmp_path / "here").mkdir()
    journal.append(1, starts[:3])
    journal.append(1, starts[3:])
    assert {name for name, _ in told} == {"starts-00001.jsonl"}
    (tmp_path / "starts-kept.jsonl").write_text("".join(f"{line}\n" for _, line in told))
    found = Journal(tmp_path, "key").read()
    assert [found[index].energy for index in range(5)] == energies
    assert min(found.values(), key=lambda start: start.order) == starts[4]
    assert [bool(found[index].parameters) for index in range(5)] == [True, True, False, False, True]


def test_a_start_that_is_there_twice_keeps_its_parameters(tmp_path: Path) -> None:
    for rank, start in enumerate([STARTS[1], STARTS[1].summary()]):
        Journal(tmp_path, "key").append(rank, [start])
    assert Journal(tmp_path, "key").read() == {1: STARTS[1]}


def test_a_best_start_without_parameters_is_carried_out_again(tmp_path: Path) -> None:
    starts = [Start(index, -float(index), [0.1], [0.0], 5) for index in range(4)]
    Journal(tmp_path, "key").append(0, [starts[1], starts[0].summary(), starts[3].summary()])
    assert sorted(Journal(tmp_path, "key").read()) == [0, 1]
    for path in tmp_path.iterdir():
        path.unlink()
    Journal(tmp_path, "key").append(0, [start.summary() for start in starts])
    assert Journal(tmp_path, "key").read() == {}
