from __future__ import annotations

import base64
import hashlib
import json
import zlib

import pytest

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.records.run_directory import REMOTE, RunDirectory
from hybrid_parsl.remote.remote_run import RemoteRun
from hybrid_parsl.remote.request import Manifest, RunRequest


@pytest.fixture
def run(tmp_path):
    directory = RunDirectory.create(tmp_path, "bell")
    request = RunRequest(directory.path.name, 'name = "bell"', site_settings=["nodes=2"])
    return RemoteRun(directory, "an-endpoint", "a-function", request, {"drivers": 2}).write()


def test_what_is_written_is_what_is_read(run):
    ids = {"time": "now", "task_group": "a-group", "task": "a-task"}
    kept = RemoteRun(run.directory, "e", "f", run.request, {}, (ids,), {"status": "failed"}).write()
    assert RemoteRun.read(run.directory) == kept
    assert kept.task == "a-task"
    assert kept.status == "failed"
    assert not kept.finished


def test_a_run_that_was_not_submitted(run):
    assert RemoteRun.read(run.directory).status == "not submitted"
    with pytest.raises(ConfigurationError, match=f"remote resume {run.directory.path.name}"):
        _ = run.task


def test_files_that_came_along_and_files_that_did_not(run):
    page = "<p>ä</p>".encode()
    outputs = [
        {"name": name, "bytes": 8, "sha256": hashlib.sha256(page).hexdigest(), "path": f"/x/{name}"}
        for name in ("report.html", "results.json")
    ]
    files = {"report.html": base64.b64encode(zlib.compress(page)).decode()}
    text = json.dumps({"status": "completed", "outputs": outputs, "files": files})
    kept = run._keep(Manifest.from_text(text))
    assert kept.finished
    assert kept.brought() == ["report.html"]
    assert [each["path"] for each in kept.left_there()] == ["/x/results.json"]
    assert (run.directory.path / "report.html").read_bytes() == page
    assert RemoteRun.read(run.directory) == kept


def test_a_run_of_this_computer(tmp_path):
    with pytest.raises(ConfigurationError, match="was not run on an endpoint"):
        RemoteRun.read(RunDirectory.create(tmp_path, "bell"))


@pytest.mark.parametrize("text", ["{}", "[]", '{"request": {"site": 7}}', '{"request": null}'])
def test_a_damaged_record(run, text):
    run.directory.write(REMOTE, text)
    with pytest.raises(ConfigurationError, match="damaged"):
        RemoteRun.read(run.directory)
