from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from hybrid_parsl.records.run_directory import RunDirectory
from hybrid_parsl.remote.remote_run import RemoteRun
from hybrid_parsl.remote.request import RunRequest

if TYPE_CHECKING:
    from pathlib import Path

ID = "4b116d3c-1703-4f8f-9f6f-39921e5864df"


@pytest.fixture
def run(tmp_path: Path) -> RemoteRun:
    directory = RunDirectory.create(tmp_path / "runs", "bell")
    directory.write("experiment.toml", 'name = "bell"')
    return RemoteRun(directory, ID, ID, RunRequest(directory.path.name, "")).write()


@pytest.mark.usefixtures("thorough")
def test_without_the_package_of_globus(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "sys.modules['globus_compute_sdk'] = None\n"
        "from hybrid_parsl.cli.main import main\n"
        f"main(['remote', 'run', 'bell', '--endpoint', '{ID}'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "pip install 'hybrid-parsl[globus]'" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["bell"], "--endpoint"),
        (["bell", "--endpoint", "login1"], "--endpoint: is no id"),
        (["bell", "--endpoint", ID, "--timeout", "soon"], "--timeout: is not a time span"),
        (["bell", "--endpoint", ID, "--endpoint-set", "drivers"], "a value is KEY=VALUE"),
        (["nothing", "--endpoint", ID], "no such experiment"),
        (["bell", "--endpoint", ID, "--folder", "runs"], "--folder: must be an absolute path"),
    ],
)
def test_what_can_be_refused_here_is(command: Any, arguments: list[str], told: str) -> None:
    command("remote", "run", *arguments, code=2)
    assert told in command.err
    assert not (command.folder / "runs").exists()


def test_the_doctor_of_an_endpoint(command: Any) -> None:
    command("doctor", "--endpoint", "login1", code=2)
    assert "--endpoint: is no id" in command.err
    command("doctor", "--endpoint", ID, "--function", "mine", code=2)
    assert "--function: is no id" in command.err


def test_an_endpoint_is_started_where_its_files_are(command: Any, tmp_path: Path) -> None:
    said = command("remote", "endpoint", "init", "ep/mine", "--function", ID)
    assert f"globus-compute-endpoint -c {tmp_path}/ep start mine\n" in said
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "ep/mine").iterdir()} == {0}
    command("remote", "endpoint", "init", "ep/mine", "--function", ID, code=2)
    assert "is not empty" in command.err


def test_a_run_of_this_computer_is_no_run_there(command: Any, tmp_path: Path) -> None:
    RunDirectory.create(tmp_path / "runs", "bell").write("experiment.toml", "")
    for name in ("attach", "status", "fetch", "resume"):
        command("remote", name, code=2)
        assert "was not run on an endpoint" in command.err


def test_a_run_that_was_never_submitted(command: Any, run: RemoteRun) -> None:
    assert "state       not submitted" in command("remote", "status")
    command("remote", "attach", code=2)
    assert f"hybrid-parsl remote resume {run.directory.path.name}" in command.err


@pytest.mark.parametrize("fetched", [[], ["results.json"]])
@pytest.mark.parametrize("name", ["status", "logs", "resume", "cancel"])
def test_a_run_there_is_not_taken_for_one_of_this_computer(
    command: Any, run: RemoteRun, name: str, fetched: list[str]
) -> None:
    for file in fetched:
        run.directory.write_json(file, {"run": {"status": "running", "site": "local"}})
    command(name, code=2)
    assert "is on an endpoint" in command.err
    assert "hybrid-parsl remote status" in command.err


@pytest.mark.parametrize("name", ["show", "report"])
def test_what_has_not_come_along_is_on_the_endpoint(
    command: Any, run: RemoteRun, name: str
) -> None:
    assert run.directory.is_remote
    command(name, code=2)
    assert "is on an endpoint" in command.err
