from __future__ import annotations

import json
import os
import re
import resource
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hybrid_parsl.errors import ConfigurationError, StorageError
from hybrid_parsl.records import run_directory
from hybrid_parsl.records.run_directory import RunDirectory, now
from hybrid_parsl.strict_json import parse_json


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path / "runs", "bell")


def finished(parent: Path, *names: str) -> None:
    for name in names:
        (parent / name).mkdir(parents=True)
        (parent / name / "experiment.toml").touch()


# ---- making one


def test_its_name_is_the_time_the_experiment_and_an_id(directory: RunDirectory) -> None:
    found = re.fullmatch(r"(\d{8}T\d{6}Z)-bell-[0-9a-f]{6}", directory.path.name)
    assert found
    made = datetime.strptime(found[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - made).total_seconds()) < 60
    assert directory.path.is_absolute()


def test_it_is_for_the_user_alone(tmp_path: Path) -> None:
    earlier = os.umask(0)
    try:
        directory = RunDirectory.create(tmp_path / "a" / "b", "bell")
        directory.write("figures/search.svg", "x")
    finally:
        os.umask(earlier)
    assert mode(directory.path) == 0o700
    assert mode(directory.path / "figures") == 0o700


def test_50_made_at_the_same_second_are_50(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = iter([f"{number // 2:06x}" for number in range(200)])  # each id is drawn twice
    lock = threading.Lock()

    def token_hex(_: int) -> str:
        with lock:
            return next(ids)

    class Stopped(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # noqa: ARG003
            return datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    monkeypatch.setattr(run_directory, "datetime", Stopped)
    monkeypatch.setattr(run_directory.secrets, "token_hex", token_hex)
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: RunDirectory.create(tmp_path, "x").path, range(50)))
    assert len(set(made)) == 50
    assert {path.name[:16] for path in made} == {"20260102T030405Z"}
    assert all(path.is_dir() for path in made)


def test_a_relative_parent_is_made_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert RunDirectory.create(Path("runs"), "x").path.parent == tmp_path / "runs"


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/tmp/x", "a\0b", "a\0/b", ".."])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    directory = RunDirectory.create(tmp_path, "x")
    with pytest.raises(StorageError, match="no path below the folder"):
        directory.write(name, "x")
    assert list(tmp_path.iterdir()) == [directory.path]


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path / "runs", "x")
    (tmp_path / "elsewhere").mkdir()
    (directory.path / "circuits").symlink_to(tmp_path / "elsewhere")
    for name in ("circuits/x", "circuits/deep/x"):
        with pytest.raises(StorageError, match="circuits is a link"):
            directory.write(name, "x")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_link_in_the_place_of_a_file_is_replaced(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path / "runs", "x")
    (tmp_path / "other").write_text("other")
    (directory.path / "x").symlink_to(tmp_path / "other")
    directory.write("x", "ours")
    assert (tmp_path / "other").read_text() == "other"


def test_a_parent_that_cannot_hold_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for parent in (tmp_path / "file", tmp_path / "file" / "runs", Path("/proc/runs")):
        with pytest.raises(ConfigurationError, match="cannot make a folder") as caught:
            RunDirectory.create(parent, "x")
        assert (caught.value.source, caught.value.found) == ("--runs-dir", str(parent))


UNWRITABLE = """
import os, sys
from pathlib import Path
from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.records.run_directory import RunDirectory
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    RunDirectory.create(Path(sys.argv[1]), "x")
except ConfigurationError as error:
    print(error)
"""


def test_a_parent_that_may_not_be_written() -> None:
    command = [sys.executable, "-c", UNWRITABLE, "/usr/lib"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("--runs-dir: cannot make a folder for the run: Permission denied")


# ---- finding one


def test_by_path_by_name_by_part_and_the_latest(tmp_path: Path) -> None:
    names = [
        "20260101T000000Z-bell-aaaaaa",
        "20260102T000000Z-max-bbbbbb",
        "20260103T000000Z-bell-cc",
    ]
    finished(tmp_path, *names)
    (tmp_path / "20269999T000000Z-empty-ffffff").mkdir()
    first, second, third = (tmp_path / name for name in names)
    assert RunDirectory.find(tmp_path, str(second)).path == second
    assert RunDirectory.find(tmp_path, second.name).path == second
    assert RunDirectory.find(tmp_path, "max").path == second
    assert RunDirectory.find(tmp_path, "aaa").path == first
    assert RunDirectory.find(tmp_path, "latest").path == third


def test_of_runs_of_one_second_the_one_written_last_is_the_latest(tmp_path: Path) -> None:
    names = [f"20260101T000000Z-bell-{letter * 6}" for letter in "cab"]
    finished(tmp_path, "20250101T000000Z-bell-zzzzzz", *names)
    for seconds, path in enumerate([*names, "20250101T000000Z-bell-zzzzzz"]):
        os.utime(tmp_path / path / "experiment.toml", ns=(0, 10**18 + seconds))
    assert RunDirectory.find(tmp_path, "latest").path == tmp_path / names[-1]


def test_a_whole_name_counts_more_than_a_part(tmp_path: Path) -> None:
    finished(tmp_path, "a-bell", "a-bell-2")
    assert RunDirectory.find(tmp_path, "a-bell").path == tmp_path / "a-bell"


def test_a_path_counts_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finished(tmp_path / "elsewhere", "run")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert RunDirectory.find(tmp_path / "none", "run").path == tmp_path / "elsewhere" / "run"


def test_a_part_of_more_than_one_name(tmp_path: Path) -> None:
    finished(tmp_path, *(f"{number}-bell" for number in range(7)), "8-other")
    with pytest.raises(ConfigurationError, match="names more than one run") as caught:
        RunDirectory.find(tmp_path, "bell")
    assert caught.value.found == "bell"
    assert caught.value.valid == "latest, 2-bell, 3-bell, 4-bell, 5-bell, 6-bell"


@pytest.mark.parametrize("text", ["nothing", "x" * 300, "a\0b", "*", "../.."])
def test_no_such_run(tmp_path: Path, text: str) -> None:
    finished(tmp_path / "runs", "1-bell")
    with pytest.raises(ConfigurationError, match="no such run") as caught:
        RunDirectory.find(tmp_path / "runs", text)
    assert caught.value.valid == "latest, 1-bell"


def test_no_run_at_all(tmp_path: Path) -> None:
    for parent in (tmp_path, tmp_path / "none"):
        with pytest.raises(ConfigurationError, match="there is no run in"):
            RunDirectory.find(parent, "latest")


# ---- its files


def test_a_file_is_written_and_replaced(directory: RunDirectory) -> None:
    path = directory.write("tasks/x/notes.txt", "größer\n")
    assert path == directory.path / "tasks" / "x" / "notes.txt"
    assert path.read_bytes() == "größer\n".encode()
    directory.write("tasks/x/notes.txt", "new")
    assert path.read_text() == "new"
    assert [each.name for each in path.parent.iterdir()] == ["notes.txt"]


def test_a_reader_never_sees_half_a_file(directory: RunDirectory) -> None:
    texts = {letter * 200_000 for letter in "ab"}
    path = directory.write("results.json", "a" * 200_000)
    seen: set[str] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(40):
        for text in sorted(texts):
            directory.write("results.json", text)
    done.set()
    reader.join()
    assert seen <= texts


def test_what_was_there_stays_if_the_new_cannot_be_written(
    directory: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = directory.write("results.json", "old")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_directory.os, "fsync", fail)
    with pytest.raises(StorageError, match="No space left on device") as caught:
        directory.write("results.json", "new")
    assert caught.value.path == str(path)
    assert [each.name for each in directory.path.iterdir()] == ["results.json"]
    assert path.read_text() == "old"


def test_a_file_that_cannot_grow_is_told_with_the_file(directory: RunDirectory) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5, before[1]))
    try:
        with pytest.raises(StorageError, match="File too large") as caught:
            directory.write("results.json", "x" * 10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.path == str(directory.path / "results.json")
    assert list(directory.path.iterdir()) == []


def test_a_folder_in_the_way(directory: RunDirectory) -> None:
    (directory.path / "results.json").mkdir()
    with pytest.raises(StorageError, match="Is a directory"):
        directory.write("results.json", "x")
    assert [each.name for each in directory.path.iterdir()] == ["results.json"]


def test_json_there_and_back(directory: RunDirectory) -> None:
    value = {"a": [1, 0.1, None, "ü\ud800"], "b": {"c": True}}
    assert directory.write_json("a.json", value) == directory.path / "a.json"
    assert parse_json((directory.path / "a.json").read_bytes()) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [-float("inf")]])
def test_numbers_that_json_has_not_are_refused(directory: RunDirectory, value: object) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        directory.write_json("a.json", value)
    assert not (directory.path / "a.json").exists()


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff", b"\0", b"[1,]"])
def test_json_that_cannot_be_read(directory: RunDirectory, content: bytes | None) -> None:
    path = directory.path / "results.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="cannot be read") as caught:
        directory.read_results()
    assert caught.value.source == str(path)


# ---- its events


def test_events_are_lines_in_order(directory: RunDirectory) -> None:
    directory.event("run started", site="local")
    directory.event("stage failed", error="two\nlines \ud800")
    lines = (directory.path / "events.jsonl").read_text().splitlines()
    first, second = (json.loads(line) for line in lines)
    assert first == {"time": first["time"], "event": "run started", "site": "local"}
    assert second["error"] == "two\nlines \ud800"
    assert first["time"] <= second["time"] <= now()


def test_events_of_many_threads_do_not_mix(directory: RunDirectory) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: directory.event("x", n=number, text="y" * 500), range(200)))
    lines = (directory.path / "events.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["n"] for line in lines) == list(range(200))


def test_an_event_that_cannot_be_written(directory: RunDirectory) -> None:
    path = directory.path / "events.jsonl"
    path.symlink_to("/dev/full")
    with pytest.raises(StorageError, match="No space left on device") as caught:
        directory.event("x")
    assert caught.value.path == str(path)


def test_the_time_is_utc_with_milliseconds() -> None:
    text = now()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    assert abs((datetime.now(UTC) - datetime.fromisoformat(text)).total_seconds()) < 5
