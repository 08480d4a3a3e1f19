from __future__ import annotations

import ast
import fcntl
import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from waiting import PATIENCE_S

from hybrid_parsl import __version__
from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.remote import remote_function
from hybrid_parsl.remote.request import (
    FUNCTION_NAME,
    Manifest,
    RunRequest,
    check_request,
    function_source,
)

BELL = """
name = "bell"
[problem]
kind = "bell"
[search]
method = "draw"
starts = 1
"""
SLOW = BELL.replace('"bell"\n[search]', '"failing_problems:Slow"\n[search]')
RAISING = BELL.replace('"bell"\n[search]', '"failing_problems:Raising"\n[search]')


@pytest.fixture(autouse=True)
def allowed(monkeypatch):
    ours = "failing_problems:Slow, failing_problems:Raising"
    monkeypatch.setenv("HYBRID_PARSL_REMOTE_ALLOW", ours)


def received():
    """Return the function as a worker gets it from its text."""
    names = {}
    exec(function_source(), names)
    return names[FUNCTION_NAME]


def request(folder, experiment=BELL, **others):
    return RunRequest("a-run", experiment, folder=str(folder), **others)


def call(request, action="run"):
    return Manifest.from_text(received()(request.to_text(action)))


def test_only_the_standard_library_is_imported():
    tree = ast.parse(function_source())
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else each.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for each in node.names
    }
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names


@pytest.mark.parametrize(
    ("recorded", "lock", "found"),
    [
        ("running", "held", "running"),
        ("running", "free", "left"),
        ("running", "missing", "left"),
        ("failed", "free", "failed"),
    ],
)
def test_a_run_whose_driver_died_is_not_running(tmp_path, recorded, lock, found):
    path = tmp_path / "driver.lock"
    if lock != "missing":
        path.touch()
    with (tmp_path / "other").open("w") if lock != "held" else path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert remote_function._status(tmp_path, recorded) == found


@pytest.mark.usefixtures("several_runs")
def test_a_run_leaves_everything_there_and_brings_little_home(tmp_path):
    manifest = call(request(tmp_path))
    assert manifest.error("a-task") is None
    values = manifest.values
    assert values["status"] == "completed"
    assert values["exit_code"] == 0
    assert values["versions"]["hybrid-parsl"].startswith(f"{__version__}+")
    assert values["folder"] == str(tmp_path / "a-run")
    results = json.loads(manifest.files["results.json"])
    assert values["metrics"]["best_energy"] == results["search"]["energy"]
    assert values["metrics"]["energy"] == results["analysis"]["energy"]
    assert "search: finished" in values["stdout_tail"]
    names = {each["name"] for each in values["outputs"]}
    assert {"results.json", "report.html", "experiment.toml", "figures/circuit.svg"} <= names
    kept = json.loads((tmp_path / "a-run" / "manifest.json").read_text())
    assert kept == {key: value for key, value in values.items() if key != "protocol"}

    again = call(request(tmp_path))  # delivered twice: the same run, not another one
    assert again.files["results.json"] == manifest.files["results.json"]
    assert len(list((tmp_path / "a-run").glob("*/results.json"))) == 1

    collected = call(request(tmp_path), "collect")
    assert collected.files == manifest.files
    assert collected.completed

    asked = json.loads(request(tmp_path).to_text("collect"))
    short = Manifest.from_text(received()(json.dumps({**asked, "limit_bytes": 10_000})))
    assert list(short.files) == ["results.json"]
    (report,) = (each for each in short.values["outputs"] if each["name"] == "report.html")
    assert report["bytes"] == len(manifest.files["report.html"])
    assert report["path"].startswith(str(tmp_path))


@pytest.mark.usefixtures("several_runs")
def test_a_failing_run_tells_its_traceback(tmp_path):
    error = call(request(tmp_path, RAISING)).error("a-task")
    assert error.exit_code == 4
    assert "ValueError: no such observable" in str(error)
    assert str(tmp_path / "a-run" / "stderr.log") in str(error)


@pytest.mark.usefixtures("thorough")
def test_what_the_endpoint_refuses_keeps_its_exit_code(tmp_path):
    error = call(request(tmp_path, site="nowhere")).error("a-task")
    assert error.exit_code == 2
    assert "no such site" in str(error)
    assert "nowhere" in str(error)


def test_another_version_is_not_run(tmp_path):
    values = json.loads(request(tmp_path).to_text("run"))
    manifest = Manifest.from_text(received()(json.dumps({**values, "version": "0.0.0"})))
    assert manifest.values["exit_code"] is None
    assert not (tmp_path / "a-run").exists()


def test_nothing_was_run(tmp_path):
    manifest = call(request(tmp_path), "collect")
    assert not manifest.completed
    found = str(manifest.error("a-task"))
    assert f"no run has ended in the folder {tmp_path / 'a-run'} of the endpoint" in found


@pytest.mark.parametrize("key", ["", "../up", "a/b", ".hidden", "a b"])
def test_a_key_names_a_folder(tmp_path, key):
    values = json.loads(request(tmp_path).to_text("run"))
    with pytest.raises(ValueError, match="not the name of a run"):
        received()(json.dumps({**values, "key": key}))


@pytest.mark.parametrize("folder", ["relative", "$NO_SUCH_VARIABLE/runs"])
def test_the_folder_is_one_of_the_endpoint(folder):
    with pytest.raises(ValueError, match="not an absolute path"):
        call(request(folder))


def test_the_folder_may_name_a_variable_of_the_endpoint(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRATCH", str(tmp_path))
    manifest = call(request("$SCRATCH/runs"), "collect")
    assert manifest.values["folder"] == str(tmp_path / "runs" / "a-run")


def test_another_protocol_is_refused(tmp_path):
    values = json.loads(request(tmp_path).to_text("run"))
    with pytest.raises(ValueError, match="protocol 1, the caller 0"):
        received()(json.dumps({**values, "protocol": 0}))


def test_another_action_is_refused(tmp_path):
    values = json.loads(request(tmp_path).to_text("run"))
    with pytest.raises(KeyError, match="remove"):
        received()(json.dumps({**values, "action": "remove"}))


def test_versions():
    answer = json.loads(received()(check_request()))
    assert answer["versions"]["hybrid-parsl"].startswith(f"{__version__}+")
    assert answer["host"]


def test_a_package_that_cannot_be_imported(monkeypatch, tmp_path):
    (tmp_path / "hybrid_parsl.py").write_text("raise ImportError('half installed')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    manifest = call(request(tmp_path))
    error = manifest.error("a-task")
    assert error.exit_code == 5
    assert "half installed" in str(error)


def test_secrets_of_the_endpoint_are_not_passed_on(monkeypatch, tmp_path):
    monkeypatch.setenv("GLOBUS_COMPUTE_CLIENT_SECRET", "hush")
    monkeypatch.setenv("AN_ORDINARY_VARIABLE", "here")
    out = "import json, os; print(json.dumps(dict(os.environ)))"
    assert remote_function._run_tethered(["-c", out], tmp_path) == 0
    seen = json.loads((tmp_path / "stdout.log").read_text())
    assert seen["AN_ORDINARY_VARIABLE"] == "here"
    assert "GLOBUS_COMPUTE_CLIENT_SECRET" not in seen


def test_nothing_outlives_a_worker_that_is_killed(tmp_path):
    text = request(tmp_path, SLOW).to_text("run")
    program = f"{function_source()}\nhybrid_parsl({text!r})"
    worker = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    ranks = list((tmp_path / "a-run").glob("*/tasks/search/ranks.json"))
    deadline = time.monotonic() + PATIENCE_S
    while not ranks and time.monotonic() < deadline:
        time.sleep(0.1)
        ranks = list((tmp_path / "a-run").glob("*/tasks/search/ranks.json"))
    started = psutil.Process(worker.pid).children(recursive=True)
    assert len(started) >= 4  # the driver, its warm process, the launcher, the ranks
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    _, alive = psutil.wait_procs(started, timeout=PATIENCE_S)
    assert not alive
    manifest = call(request(tmp_path, SLOW), "collect")
    assert manifest.values["status"] == "interrupted"


def test_two_calls_at_once_make_one_run(tmp_path):
    folder = tmp_path / "a-run"
    folder.mkdir()
    with (folder / "call.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        answer = call(request(tmp_path))
    assert answer.values["exit_code"] == 6
    assert not list(folder.glob("*/experiment.toml"))


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(
    ("asked", "key", "found"),
    [
        ({"site_settings": ["worker_init=touch x"]}, "--site-set", "worker_init"),
        ({"site_settings": ["account=a", "pod.spec=1"]}, "--site-set", "pod.spec"),
        ({"site": "/tmp/x.py"}, "--site", "/tmp/x.py"),
        ({"project": "/tmp/x"}, "--remote-project", "/tmp/x"),
        ({"experiment": SLOW.replace("Slow", "Other")}, "problem.kind", "failing_problems:Other"),
        ({"experiment": BELL.replace("draw", "os:system")}, "search.method", "os:system"),
        ({"experiment": f'{BELL}[quantum]\nbackend = "os:system"'}, "quantum.backend", "os:system"),
        ({"experiment": f'{BELL}[quantum]\nbackend = "fake:fez"'}, "quantum.backend", "fake:fez"),
        ({"experiment": f'{BELL}[quantum]\nbackend = "ibm:x"'}, "quantum.backend", "ibm:x"),
    ],
)
def test_what_would_execute_code_has_to_be_allowed(tmp_path, monkeypatch, asked, key, found):
    refused = RunRequest(**{"key": "a-run", "experiment": BELL, "folder": str(tmp_path), **asked})
    error = call(refused).error("a-task")
    assert isinstance(error, ConfigurationError)
    assert f"{key}: the endpoint does not allow it\n  found: {found}\n" in str(error)
    assert not (tmp_path / "a-run").exists()
    monkeypatch.setenv("HYBRID_PARSL_REMOTE_ALLOW", f"x, {found}")
    names = {}
    exec(function_source(), names)
    assert names["_refused"](json.loads(refused.to_text("run"))) == ""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_a_folder_of_another_user_is_refused(tmp_path):
    (tmp_path / "a-run").mkdir()
    os.chown(tmp_path / "a-run", 12345, 12345)
    with pytest.raises(PermissionError, match="belongs to another user"):
        call(request(tmp_path))
