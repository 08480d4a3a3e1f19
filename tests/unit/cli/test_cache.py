from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from hybrid_parsl.reuse.store import FOLDER, ResultStore, StoredResult

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    """Hold results of 10 000 bytes, 0 to 3 days old."""
    (tmp_path / "runs").mkdir(mode=0o700)
    store = ResultStore(tmp_path / "runs" / FOLDER)
    for number in range(4):
        store.keep(StoredResult(f"{number}" * 64, f"run-{number}", b"x" * 10_000))
    for entry in store.entries():
        used = time.time() - 86_400 * int(entry.key[0])
        os.utime(entry.path, (used, used))
    return store


def kept(store: ResultStore) -> str:
    return "".join(entry.key[0] for entry in store.entries())


def test_entries_are_listed_by_their_last_use(command: Any, store: ResultStore) -> None:
    lines = command("cache", "ls").splitlines()
    assert [line.split()[1] for line in lines[1:5]] == ["run-3", "run-2", "run-1", "run-0"]
    assert lines[-1] == "4 results, 0.0 MiB"
    assert kept(store) == "3210"


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--older-than", "36h"], "10"),
        (["--older-than", "10d"], "3210"),
        (["--max-size", "0.025"], "10"),
        (["--max-size", "0"], ""),
        (["--older-than", "36h", "--max-size", "0.015"], "0"),
    ],
)
def test_what_is_old_or_too_much_is_removed(
    command: Any, store: ResultStore, options: list[str], left: str
) -> None:
    command("cache", "prune", *options, "--dry-run")
    assert kept(store) == "3210"
    command("cache", "prune", *options)
    assert kept(store) == left


def test_damaged_entries_are_found_and_removed(command: Any, store: ResultStore) -> None:
    entry = store.entries()[1]
    entry.path.write_bytes(entry.path.read_bytes()[:-5])
    assert "damaged" in command("cache", "ls")
    assert "1 damaged; --remove" in command("cache", "verify", code=4)
    assert set(kept(store)) == set("3210")
    command("cache", "verify", "--remove")
    assert kept(store) == "310"
    assert "0 damaged" in command("cache", "verify")
    assert not entry.path.parent.parent.exists()


@pytest.mark.parametrize("arguments", [["prune", "--max-size", "0"], ["verify", "--remove"]])
def test_an_entry_that_cannot_be_removed_is_said_and_the_others_go(
    command: Any, store: ResultStore, arguments: list[str]
) -> None:
    for entry in store.entries():
        entry.path.unlink()
        if entry.key[0] == "2":
            entry.path.mkdir()
        else:
            entry.path.write_bytes(b"x")
    command("cache", *arguments, code=4)
    assert "not removed: " in command.err
    assert kept(store) == "2"


def test_nothing_outside_of_the_store_is_removed(
    command: Any, store: ResultStore, caplog: pytest.LogCaptureFixture
) -> None:
    runs = store.entries()[0].path.parents[3]
    (runs / FOLDER).rename(runs / "other")
    (runs / FOLDER).symlink_to("other")
    command("cache", "prune", "--max-size", "0")
    command("cache", "verify", "--remove")
    assert "is a symbolic link" in caplog.text
    assert len(list(runs.glob("other/*/*/*"))) == 4


@pytest.mark.parametrize("options", [[], ["--older-than", "90"], ["--max-size", "-1"]])
def test_wrong_options(command: Any, store: ResultStore, options: list[str]) -> None:
    command("cache", "prune", *options, code=2)
    assert kept(store) == "3210"


def test_there_is_no_store(command: Any) -> None:
    assert command("cache", "ls") == "0 results, 0.0 MiB\n"
    assert command("cache", "verify") == "0 results, 0.0 MiB, 0 damaged\n"
