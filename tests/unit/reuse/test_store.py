from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.reuse.store import VARIABLE, ResultStore, StoredResult, reuses_results
from hybrid_parsl.tasks.serialization import write_frame

if TYPE_CHECKING:
    from pathlib import Path

KEY = "ab" * 32
STRANGER = 12345
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / ".cache")


@pytest.fixture
def entry(store: ResultStore, tmp_path: Path) -> Path:
    """The file of an entry."""
    store.keep(StoredResult(KEY, "run", [1.5]))
    (path,) = tmp_path.glob(".cache/*/*/*")
    return path


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]


def test_what_is_kept_is_found_by_another_run(
    store: ResultStore, entry: Path, tmp_path: Path
) -> None:
    assert ResultStore(tmp_path / ".cache").find(KEY) == StoredResult(KEY, "run", [1.5])
    assert entry.relative_to(tmp_path).parts == (".cache", "ab", KEY, "result.frame")
    assert store.find("cd" * 32) is None
    assert (tmp_path / ".cache").stat().st_mode & 0o777 == 0o700


def test_nothing_is_made_where_nothing_is_kept(store: ResultStore, tmp_path: Path) -> None:
    assert store.find(KEY) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other", "value", "folder", "link"])
def test_a_damaged_entry_is_ignored_and_replaced(
    store: ResultStore, entry: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    data = entry.read_bytes()
    entry.unlink()
    if damage == "other":
        write_frame(entry, StoredResult("cd" * 32, "run", [2.5]))
    elif damage == "value":
        write_frame(entry, [2.5])
    elif damage == "folder":
        entry.mkdir()
    elif damage == "link":
        entry.symlink_to("nowhere")
    else:
        bad = {"cut": data[:-1], "flip": data[:-1] + bytes([data[-1] ^ 1]), "empty": b""}
        entry.write_bytes(bad[damage])
    assert store.find(KEY) is None
    assert len(warnings(caplog)) == 1
    assert "not used" in caplog.text
    if damage != "folder":
        store.keep(StoredResult(KEY, "second", [1.5]))
        assert store.find(KEY) == StoredResult(KEY, "second", [1.5])


@as_root
@pytest.mark.parametrize("name", ["entry", "store"])
def test_what_belongs_to_another_user_is_not_used(
    store: ResultStore, entry: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    os.chown(entry if name == "entry" else tmp_path / ".cache", STRANGER, STRANGER)
    assert store.find(KEY) is None
    assert "another user" in caplog.text
    assert len(warnings(caplog)) == 1


@pytest.mark.parametrize("name", ["entry", "store"])
def test_what_others_can_write_is_not_used(
    store: ResultStore, entry: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    (entry if name == "entry" else tmp_path / ".cache").chmod(0o777)
    assert store.find(KEY) is None
    if name == "store":
        store.keep(StoredResult("cd" * 32, "run", 1))
        assert not (tmp_path / ".cache" / "cd").exists()
    assert len(warnings(caplog)) == 1


def test_a_store_that_cannot_be_written_is_said_once(
    store: ResultStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".cache").write_text("a file")
    store.keep(StoredResult(KEY, "run", 1))
    store.keep(StoredResult(KEY, "run", 1))
    assert store.find(KEY) is None
    assert len(warnings(caplog)) == 1


def test_what_cannot_be_pickled_is_not_kept(
    store: ResultStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.keep(StoredResult(KEY, "run", iter(each for each in ())))
    assert warnings(caplog) == []
    assert list(tmp_path.glob(".cache/*/*/*")) == []
    store.keep(StoredResult(KEY, "run", 1))
    assert store.find(KEY) is not None


def test_what_was_not_used_for_longest_makes_room(tmp_path: Path) -> None:
    keys = [f"ab{number:062}" for number in range(3)]
    for number, key in enumerate(keys):
        store = ResultStore(tmp_path / ".cache", largest=256 * 25_000)  # 25 000 bytes a shard
        store.keep(StoredResult(key, "run", b"x" * 10_000))
        for entry in store.entries():
            if entry.key == key:
                os.utime(entry.path, (number, number))
        if number == 1:
            assert store.use(keys[0]) is not None
    assert [entry.key for entry in store.entries()] == [keys[2], keys[0]]
    huge = f"ab{3:062}"
    ResultStore(tmp_path / ".cache", largest=256 * 25_000).keep(
        StoredResult(huge, "run", b"x" * 30_000)
    )
    assert [entry.key for entry in store.entries()] == [huge]


def test_what_cannot_be_removed_does_not_keep_others_from_being_stored(tmp_path: Path) -> None:
    keys = [f"ab{number:062}" for number in range(3)]
    (tmp_path / ".cache" / "ab" / keys[0] / "result.frame").mkdir(parents=True)
    (tmp_path / ".cache").chmod(0o700)
    os.utime(tmp_path / ".cache" / "ab" / keys[0] / "result.frame", (0, 0))
    store = ResultStore(tmp_path / ".cache", largest=256 * 15_000)
    store.keep(StoredResult(keys[1], "run", b"x" * 20_000))
    store.keep(StoredResult(keys[2], "run", 1))
    assert store.find(keys[2]) is not None


@pytest.mark.parametrize("level", ["store", "shard", "entry"])
def test_nothing_that_a_link_leads_to_is_an_entry(
    store: ResultStore, entry: Path, tmp_path: Path, level: str
) -> None:
    assert len(store.entries()) == 1
    folder = {"store": tmp_path / ".cache", "shard": entry.parents[1], "entry": entry.parent}[level]
    folder.rename(tmp_path / "other")
    folder.symlink_to(tmp_path / "other")
    assert ResultStore(tmp_path / ".cache").entries() == []


@pytest.mark.parametrize("name", [f"ab/{'x' * 64}", f"ab/{'cd' * 32}", "ab/ab", f"cd/{KEY}"])
def test_what_has_not_the_name_of_a_key_is_no_entry(
    store: ResultStore, entry: Path, tmp_path: Path, name: str
) -> None:
    other = tmp_path / ".cache" / name
    other.parent.mkdir(exist_ok=True)
    entry.parent.rename(other)
    assert store.entries() == []


def test_other_shards_keep_their_room(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / ".cache", largest=256 * 15_000)
    for key in (KEY, "cd" * 32):
        store.keep(StoredResult(key, "run", b"x" * 10_000))
    assert len(store.entries()) == 2


@pytest.mark.parametrize(("text", "value"), [(None, True), ("", True), ("1", True), ("0", False)])
def test_runs_reuse_results_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, text: str | None, value: object
) -> None:
    monkeypatch.delenv(VARIABLE)
    if text is not None:
        monkeypatch.setenv(VARIABLE, text)
    assert reuses_results(None) is value


def test_a_wrong_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "no")
    with pytest.raises(ConfigurationError) as caught:
        reuses_results(None)
    assert (caught.value.source, caught.value.found) == (f"${VARIABLE}", "no")


def test_several_runs_may_write_and_read_one_key(tmp_path: Path) -> None:
    value = list(range(20_000))
    wrong: list[Any] = []
    begin = threading.Barrier(4)

    def use(number: int) -> None:
        store = ResultStore(tmp_path / ".cache")
        begin.wait()
        for _ in range(20):
            store.keep(StoredResult(KEY, f"run {number}", value))
            found = store.find(KEY)
            if found is None or found.result != value:
                wrong.append(found)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(list(tmp_path.glob(".cache/*/*/*"))) == 1
