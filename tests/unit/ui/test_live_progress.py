"""How far running tasks are."""

from __future__ import annotations

import os
import subprocess
from types import SimpleNamespace

from waiting import wait_until

from hybrid_parsl.optimize.journal import Journal
from hybrid_parsl.optimize.start import Start
from hybrid_parsl.ui import live_progress
from hybrid_parsl.ui.live_progress import JobStates, LiveProgress


def folder_of(run, task):
    folder = run / "tasks" / task
    folder.mkdir(parents=True)
    return folder


def test_a_task_reports_its_last_line_or_why_it_waits(tmp_path):
    folder, progress = folder_of(tmp_path, "t"), LiveProgress()
    assert progress.of(tmp_path, "t", {}) is None
    (folder / "waiting.txt").write_text("Resources\n")
    assert progress.of(tmp_path, "t", {}).text == "Resources"
    (folder / "progress.txt").write_text("1 of 3\n2 of 3\n3 o")
    assert progress.of(tmp_path, "t", {}).text == "2 of 3"


def test_a_search_is_followed_by_its_finished_starts(tmp_path):
    folder, progress = folder_of(tmp_path, "search"), LiveProgress()
    assert progress.of(tmp_path, "search", {"total": 4}) is None
    journal = Journal(folder, "the search")
    journal.append(0, [Start(0, -1.0, [], [], 1)])
    before = progress.of(tmp_path, "search", {"total": 4})
    journal.append(0, [Start(1, -2.0, [], [], 1)])
    after = progress.of(tmp_path, "search", {"total": 4})
    assert (before.share, after.share) == (0.25, 0.5)
    assert after.text.startswith("2 of 4 starts, best energy -2")


def test_devices_and_links_are_not_read(tmp_path):
    folder, progress = folder_of(tmp_path, "t"), LiveProgress()
    for name in ("progress.txt", "waiting.txt", "starts-0.jsonl"):
        os.mkfifo(folder / name)
    assert progress.of(tmp_path, "t", {}) is None
    assert progress.of(tmp_path, "t", {"total": 3}) is None
    (tmp_path / "tasks" / "u").symlink_to(folder)
    assert progress.of(tmp_path, "u", {}) is None
    assert progress.of(tmp_path, "..", {}) is None


def test_schedulers_are_asked_in_the_background_and_not_too_often(tmp_path, monkeypatch):
    asked = []

    def answer(command, **_):
        asked.append(command)
        return SimpleNamespace(stdout=b'{"jobs": [{"id": "7", "state": "QUEUED"}]}')

    monkeypatch.setattr(subprocess, "run", answer)
    jobs = JobStates()
    assert jobs.of(tmp_path) is None
    wait_until(lambda: jobs.of(tmp_path) is not None)
    assert jobs.of(tmp_path)[0]["state"] == "QUEUED"
    assert len(asked) == 1
    assert asked[0][1:] == ["-P", "-m", "hybrid_parsl", "status", str(tmp_path), "--json"]
    jobs.close()


def test_a_scheduler_that_does_not_answer_is_no_failure(tmp_path, monkeypatch):
    def answer(command, **_):
        raise subprocess.TimeoutExpired(command, 60)

    monkeypatch.setattr(subprocess, "run", answer)
    monkeypatch.setattr(live_progress, "_FRESH_S", 0.0)
    jobs = JobStates()
    assert jobs.of(tmp_path) is None
    jobs._pool.shutdown()
    assert jobs._known[tmp_path][1] is None
