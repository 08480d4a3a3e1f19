"""A run outlives its driver: resume, status, logs and cancel."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import uuid
from datetime import datetime

import pytest
from command import ROOT, Command
from waiting import PATIENCE_S, wait_until


@pytest.fixture
def go(shared_folder):
    """The file that a search waits for."""
    path = shared_folder / f"go-{uuid.uuid4()}"
    yield path
    path.touch()


def waiting(go):
    kind = "problem.kind=failing_problems:Waiting"
    draw = ["--set", "search.method=draw", "--set", "search.starts=2"]
    return ["bell", "--set", kind, "--set", f"problem.go={go}", *draw]


def job_of(run):
    """Return the record of the search's job; nothing before it is there."""
    for path in run.runs.glob("*/tasks/search/job.json"):
        return json.loads(path.read_text())
    return {}


def results_of(run):
    (path,) = run.runs.glob("*/results.json")
    return json.loads(path.read_text())


def start(run, *arguments):
    """Start a run and return its driver when the search is a job."""
    driver = subprocess.Popen(
        run.arguments(*arguments),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=dict(os.environ),
    )
    wait_until(lambda: job_of(run).get("job_id"))
    return driver


def kill(driver):
    driver.kill()
    driver.wait()


@pytest.mark.everywhere(jobs_only=True)
def test_resume_follows_the_job_that_still_runs(run, go):
    kill(start(run, *waiting(go)))
    before = job_of(run)
    assert results_of(run)["run"]["status"] == "running"
    state = json.loads(run.of_run("status", "--json").stdout)
    assert (state["state"], state["driver"]) == ("left", None)
    assert [(job["id"], job["name"]) for job in state["jobs"]] == [
        (before["job_id"], before["name"])
    ]
    assert state["jobs"][0]["state"] in {"QUEUED", "ACTIVE"}
    go.touch()
    done = run.of_run("resume", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["run"]["status"] == "completed"
    (resumed,) = map(datetime.fromisoformat, document["run"]["resumed"])
    finished = datetime.fromisoformat(document["run"]["finished"])
    started = datetime.fromisoformat(document["run"]["started"])
    last = (finished - resumed).total_seconds()
    assert last < document["run"]["duration_s"] <= (finished - started).total_seconds()
    assert [stage["status"] for stage in document["stages"]] == ["completed"] * 3
    after = job_of(run)
    assert (after["name"], after["job_id"]) == (before["name"], before["job_id"])
    assert after["ended"] == "COMPLETED"
    again = run.of_run("resume")
    assert again.returncode == 0
    assert "best energy" in again.stdout
    assert results_of(run) == document


@pytest.mark.everywhere(jobs_only=True)
def test_a_run_whose_job_was_cancelled_goes_on_with_another(run, go):
    kill(start(run, *waiting(go)))
    before = job_of(run)
    done = run.of_run("cancel")
    assert (done.returncode, done.stderr) == (0, "")
    assert before["job_id"] in done.stdout
    document = results_of(run)
    assert document["run"]["status"] == "interrupted"
    assert [stage["status"] for stage in document["stages"]] == ["interrupted"]
    assert "has ended already: interrupted" in run.of_run("cancel").stdout
    assert "interrupted" in run.of_run("status").stdout
    go.touch()
    done = run.of_run("resume", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert job_of(run)["submitted"] != before["submitted"]
    document = results_of(run)
    assert document["run"]["status"] == "completed"
    assert "error" not in document


@pytest.mark.everywhere(jobs_only=True)
def test_cancel_ends_a_driver_that_lives(run, go):
    driver = start(run, *waiting(go))
    resumed = run.of_run("resume")
    assert resumed.returncode == 6
    assert f"process {driver.pid} on {os.uname().nodename}" in resumed.stderr
    assert run.of_run("cancel").returncode == 0
    driver.wait(PATIENCE_S)
    assert driver.returncode == 128 + signal.SIGTERM
    assert results_of(run)["run"]["status"] == "interrupted"
    assert job_of(run)["ended"] in {"CANCELED", "COMPLETED"}


def test_finished_stages_are_taken_from_the_disk(run):
    first = run.document("bell")
    assert set(first["quantum"]["counts"]) <= {"00", "01", "10", "11"}
    (path,) = run.runs.glob("*/results.json")
    (path.parent / "tasks" / "analysis" / "result.frame").unlink()
    path.write_text(json.dumps({**first, "run": {**first["run"], "status": "running"}}))
    document = json.loads(run.of_run("resume", "--json").stdout)
    for stage in ("search", "quantum"):
        assert document[stage] == first[stage]
    assert document["stages"][:2] == first["stages"][:2]
    assert document["analysis"]["execution"] != first["analysis"]["execution"]
    assert document["analysis"]["top"] == first["analysis"]["top"]
    assert document["stages"][2]["finished"] > first["stages"][2]["finished"]
    (path.parent / "versions.json").write_text('{"hybrid-parsl": "0.0.1+abc"}')
    again = run.of_run("resume", "--json")  # nothing is left to do, so the version is no matter
    assert json.loads(again.stdout) == document


def test_a_failure_that_nobody_heard_is_told_and_then_tried_again(run, go):
    kill(start(run, *waiting(go)))
    go.write_text("fail")
    (folder,) = run.runs.iterdir()
    wait_until(lambda: list(folder.glob("tasks/search/failure-*.frame")))
    wait_until(
        lambda: (
            "None" in repr(json.loads(run.of_run("status", "--json").stdout)["jobs"][0]["state"])
        )
    )
    done = run.of_run("resume")
    assert done.returncode == 4
    assert "ValueError: told to fail" in done.stderr
    go.write_text("")
    assert run.of_run("resume", "--quiet").returncode == 0
    assert results_of(run)["run"]["status"] == "completed"


def test_a_setting_that_is_not_valid_leaves_the_run_as_it_was(run, go):
    kill(start(run, *waiting(go)))
    before = results_of(run)
    done = run.of_run("resume", "--site-set", "foo=1")
    assert done.returncode == 2
    assert results_of(run) == before
    assert job_of(run)["job_id"] in run.of_run("cancel").stdout
    assert job_of(run)["ended"] == "CANCELED"


def test_a_job_is_cancelled_whatever_the_last_word_on_the_run_was(run, go):
    kill(start(run, *waiting(go)))
    (path,) = run.runs.glob("*/results.json")
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "run": {**document["run"], "status": "failed"}}))
    assert job_of(run)["job_id"] in run.of_run("cancel").stdout
    assert job_of(run)["ended"] == "CANCELED"
    assert results_of(run)["run"]["status"] == "failed"


def test_a_copy_of_a_run_leaves_the_job_of_the_original_alone(run, go, tmp_path):
    driver = start(run, *waiting(go))
    (folder,) = run.runs.iterdir()
    shutil.copytree(folder, tmp_path / "copies" / folder.name)
    copy = Command("local", tmp_path / "copies")
    assert json.loads(copy.of_run("status", "--json").stdout)["jobs"] == []
    cancelled = copy.of_run("cancel")
    assert (cancelled.returncode, "jobs:" in cancelled.stdout) == (0, False)
    go.touch()
    resumed = json.loads(copy.of_run("resume", "--json").stdout)
    driver.wait(PATIENCE_S)
    assert driver.returncode == 0
    assert resumed["run"]["folder"] == str(tmp_path / "copies" / folder.name)
    for whole in (resumed, results_of(run)):
        assert whole["run"]["status"] == "completed"


CHANGING = """
from failing_problems import Waiting

class Changing(Waiting):
    SCALE = {scale}

    def observable(self):
        return self.SCALE * super().observable()

    def energies(self, bitstrings):
        return self.SCALE * super().energies(bitstrings)

    def spectrum(self):
        return -self.SCALE, self.SCALE
"""


def test_starts_of_another_version_of_the_problem_are_not_taken(run, go, tmp_path, monkeypatch):
    """The driver, its ranks and the next driver read the class from the same file."""
    module = tmp_path / "changing.py"
    module.write_text(CHANGING.format(scale=1.0))
    monkeypatch.syspath_prepend(tmp_path)
    folders = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(folders))
    go.touch()
    arguments = [
        each.replace("failing_problems:Waiting", "changing:Changing") for each in waiting(go)
    ]
    first = run.document(*arguments)
    (path,) = run.runs.glob("*/results.json")
    for name in ("result.frame", "job.json"):
        (path.parent / "tasks" / "search" / name).unlink()
    document = {**first, "run": {**first["run"], "status": "running"}}
    del document["search"]
    path.write_text(json.dumps({**document, "stages": []}))
    module.write_text(CHANGING.format(scale=3.0))
    done = run.of_run("resume", "--json")
    assert done.stderr.startswith("changing:Changing has changed since the run began: ")
    energies = json.loads(done.stdout)["search"]["energies"]
    assert energies == pytest.approx([3 * each for each in first["search"]["energies"]])


def test_logs(run, go):
    driver = start(run, *waiting(go))
    follower = subprocess.Popen(
        run.command_of_run("logs", "--follow"), stdout=subprocess.PIPE, text=True
    )
    go.write_text("fail")
    driver.wait(PATIENCE_S)
    text, _ = follower.communicate(timeout=PATIENCE_S)
    assert follower.returncode == 0
    assert "==> search/stderr.log <==" in text
    assert "ValueError: told to fail" in text
    assert run.of_run("logs", "--stage", "search").stdout.count("==> search/") >= 1
    silent = run.of_run("logs", "--stage", "analysis")
    assert (silent.stdout, silent.stderr) == ("", "nothing has been printed\n")
    wrong = run.of_run("logs", "--stage", "serach")
    assert wrong.returncode == 2
    assert "did you mean 'search'" in wrong.stderr


@pytest.mark.parametrize("command", ["resume", "status", "logs", "cancel"])
def test_a_run_that_is_not_there(run, command):
    done = run.of_run(command, "nothing")
    assert done.returncode == 2
    assert "no such run" in done.stderr


def test_what_cannot_be_resumed_says_why(run):
    run("bell", "--set", "problem.kind=failing_problems:Raising", "--set", "search.method=draw")
    (folder,) = run.runs.iterdir()
    path = folder / "versions.json"
    versions = path.read_text()
    path.write_text(json.dumps({**json.loads(versions), "hybrid-parsl": "0.0.1+abc"}))
    done = run.of_run("resume")
    assert done.returncode == 5
    assert "0.0.1+abc" in done.stderr
    path.write_text(versions)
    gone = json.dumps({"name": "gone", "file": "/gone.py", "project": str(ROOT)})
    for name, text in (("site.json", gone), ("site.json", "{}"), ("results.json", "[]")):
        kept = (folder / name).read_text()
        (folder / name).write_text(text)
        done = run.of_run("resume")
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        (folder / name).write_text(kept)
