"""The summaries of all runs."""

from __future__ import annotations

import json
import shutil

import pytest
from ui_runs import make_hostile_runs, make_run, results
from waiting import wait_until

from hybrid_parsl.errors import ConfigurationError, UntrustedFileError
from hybrid_parsl.records import run_list
from hybrid_parsl.records.run_list import runs_in
from hybrid_parsl.records.run_lock import run_lock
from hybrid_parsl.ui import run_index
from hybrid_parsl.ui.run_index import RunIndex, check_runs_folder


@pytest.fixture(autouse=True)
def _read_each_time(monkeypatch):
    monkeypatch.setattr(run_index, "_FRESH_S", 0.0)


@pytest.fixture
def index(runs):
    index = RunIndex(runs)
    yield index
    index.close()


def states(index):
    return {run.run: run.state for run in index.listing(30).runs}


def test_the_same_runs_as_the_command_lists_the_newest_first(index, runs):
    make_run(runs, "1", results(-2.5))
    make_run(runs, "2", {**results(status="failed"), "error": {"type": "E", "message": "why"}})
    make_run(runs, "3", results(status="running"))
    (runs / "no run").mkdir()
    (runs / ".cache").mkdir()
    assert index.listing(30).runs == list(reversed(runs_in(runs)[0]))


def test_a_run_that_changes_is_read_again_and_others_are_not(index, runs, monkeypatch):
    first, second = make_run(runs, "1"), make_run(runs, "2", results(status="running"))
    assert states(index) == {"1": "completed", "2": "left"}
    read = []
    whole = run_list.brief_summary
    monkeypatch.setattr(
        run_index, "brief_summary", lambda path, most: read.append(path) or whole(path, most)
    )
    (second / "results.json").write_text(json.dumps(results(status="failed")))
    assert states(index) == {"1": "completed", "2": "failed"}
    assert read == [second]
    shutil.rmtree(first)
    make_run(runs, "3")
    assert states(index) == {"2": "failed", "3": "completed"}


def test_whether_a_run_has_a_driver_is_asked_each_time(index, runs):
    folder = make_run(runs, "1", results(status="running"))
    assert states(index) == {"1": "left"}
    with run_lock(folder / "driver.lock", "the run"):
        assert states(index) == {"1": "running"}
    assert states(index) == {"1": "left"}


def test_damaged_runs_say_what_is_wrong_with_them(index, runs):
    faults = make_hostile_runs(runs)
    found = {run.run: run for run in index.listing(30).runs}
    for fault in ("truncated", "binary", "wrong types", "deep", "fifo", "large", "no UTF-8"):
        run = found[faults[fault].name]
        assert run.state == "unreadable", fault
        assert run.error, fault
    for fault in ("letters", "links"):
        assert found[faults[fault].name].state == "completed"


def test_what_is_not_read_yet_is_listed_by_name(index, runs):
    for number in range(30):
        make_run(runs, f"{number:02}")
    assert states(index)["07"] == "completed"
    make_run(runs, "99")
    listing = index.listing(0)
    assert len(listing.runs) >= 30
    wait_until(lambda: index.listing(0).runs[0].state == "completed")


def test_only_runs_in_the_folder_are_found(index, runs):
    make_run(runs, "1")
    make_hostile_runs(runs)
    (runs.parent / "outside").mkdir()
    make_run(runs.parent / "outside", "2")
    (runs / "linked").symlink_to(runs.parent / "outside" / "2")
    assert index.find("1").path == runs / "1"
    for name in ("..", "../outside/2", "linked", "a-link", "", "nothing", "1/tasks"):
        with pytest.raises(FileNotFoundError):
            index.find(name)
    (runs / "1").chmod(0o777)
    with pytest.raises(UntrustedFileError):
        index.find("1")


def test_a_folder_that_goes_away_is_reported(index, runs):
    make_run(runs, "1")
    assert states(index) == {"1": "completed"}
    shutil.rmtree(runs)
    assert "No such file" in index.listing(30).error
    with pytest.raises(ConfigurationError) as refused:
        check_runs_folder(runs)
    assert refused.value.source == "--runs-dir"
