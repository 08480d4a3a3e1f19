"""The page over the folder of runs, while a run is on a site."""

from __future__ import annotations

import json
import subprocess

import pytest
from ui_runs import Client
from waiting import PATIENCE_S, wait_until

from hybrid_parsl.ui.pages import Pages

SLOW = ("bell", "--set", "problem.kind=failing_problems:Slow")


@pytest.fixture
def client(run):
    run.runs.mkdir()
    pages = Pages(run.runs)
    yield Client(pages.application())
    pages.close()


@pytest.mark.everywhere(jobs_only=True)
def test_a_job_is_seen_while_it_runs_and_after_it_was_cancelled(run, client):
    driver = subprocess.Popen(run.arguments(*SLOW), stdout=subprocess.DEVNULL)
    try:
        folder = wait_until(lambda: next(run.runs.glob("*/results.json"), None)).parent
        record = folder / "tasks" / "search" / "job.json"
        wait_until(lambda: record.exists() and json.loads(record.read_text())["job_id"])
        job_id = json.loads(record.read_text())["job_id"]

        def page():
            return client.get(f"/runs/{folder.name}").text

        if run.site == "local":  # its jobs are its tasks
            wait_until(lambda: "running" in page())
        else:
            wait_until(lambda: f"{job_id}</th>" in page() and "<td>ACTIVE" in page())
        assert folder.name in client.get("/").text
        cancelled = run.of_run("cancel")
        assert cancelled.returncode == 0, cancelled.stderr
        driver.wait(PATIENCE_S)
        wait_until(lambda: "interrupted" in page())
        assert "<td>ACTIVE" not in page()
    finally:
        driver.kill()
        driver.wait()
