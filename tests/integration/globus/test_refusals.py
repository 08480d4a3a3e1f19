"""What Globus refuses, or cannot do, becomes an error of ours with its exit code."""

from __future__ import annotations

import json
import sys
from uuid import uuid4

import psutil
import pytest
from waiting import wait_until

pytestmark = pytest.mark.timeout(1200)

CALL = """
import sys
from hybrid_parsl.cli.main import main
from hybrid_parsl.remote.client import ComputeService
from hybrid_parsl.cli.main import app

@app.command("call")
def call(endpoint: str, function: str, size: int, argument: str):
    service = ComputeService.connect()
    task = service.submit(endpoint, function, argument + " " * size).task
    print(len(service.wait(task, 150, "the call", "no")))

main()
"""


def refused(done, code, *words):
    assert done.returncode == code, done.stderr
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize("has_tokens", [True, False])
def test_a_wrong_secret(endpoint, tmp_path, has_tokens):
    # tokens of the right secret are cached in the user's folder; another folder has none
    others = {} if has_tokens else {"GLOBUS_COMPUTE_USER_DIR": str(tmp_path / "user")}
    done = endpoint.run(tmp_path / "runs", "bell", GLOBUS_COMPUTE_CLIENT_SECRET="wr0ng", **others)
    refused(done, 3, "401", "GLOBUS_COMPUTE_CLIENT_SECRET")
    assert "wr0ng" not in done.stdout + done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("taken", "said"),
    [
        (("ID", "SECRET"), "not logged in to Globus"),
        (("ID",), "$GLOBUS_COMPUTE_CLIENT_ID"),
        (("SECRET",), "$GLOBUS_COMPUTE_CLIENT_SECRET"),
    ],
)
def test_no_credentials_and_no_terminal(endpoint, tmp_path, taken, said):
    without = {f"GLOBUS_COMPUTE_CLIENT_{name}": None for name in taken}
    done = refused(endpoint.run(tmp_path / "runs", "bell", **without), 2, said)
    assert done.stdout == ""  # nobody is asked to log in
    assert not (tmp_path / "runs").exists()


def test_an_endpoint_that_is_not_known(endpoint, tmp_path):
    done = endpoint.run(tmp_path / "runs", "bell", "--endpoint", str(uuid4()))
    refused(done, 3, "404", "ENDPOINT_NOT_FOUND")


def test_a_function_that_is_not_allowed(endpoint, tmp_path):
    program = "from globus_compute_sdk import Client\nprint(Client().register_function(print))"
    other = endpoint.services.python(program).strip()
    done = endpoint.run(tmp_path / "runs", "bell", "--function", other)
    refused(done, 3, "403", "FUNCTION_NOT_PERMITTED", "--function")
    assert not list((tmp_path / "runs").iterdir())


def test_a_value_that_the_schema_does_not_allow(endpoint, tmp_path):
    done = endpoint.run(tmp_path / "runs", "bell", "--endpoint-set", "drivers=1000")
    refused(done, 4, "could not start what its template describes", "1000")


def test_a_request_that_is_too_large(endpoint):
    command = [endpoint.id, endpoint.large, str(11 * 2**20), "1"]
    refused(endpoint.services.command(sys.executable, "-c", CALL, "call", *command), 3, "413")


def test_a_result_that_is_too_large(endpoint):
    command = [endpoint.id, endpoint.large, "0", str(11 * 2**20)]
    done = endpoint.services.command(sys.executable, "-c", CALL, "call", *command)
    refused(done, 4, "larger than the 10 MiB")


def test_a_service_that_is_not_there(endpoint, tmp_path):
    run = ["-m", "hybrid_parsl", "remote", "run", "bell", "--runs-dir", str(tmp_path / "runs")]
    command = ["unshare", "-n", sys.executable, *run, "--endpoint", endpoint.id]
    refused(endpoint.services.command(*command), 3, "no connection")
    assert not (tmp_path / "runs").exists()


def test_the_doctor_finds_all_well(endpoint):
    doctor = ["doctor", "--endpoint", endpoint.id, "--json"]
    done = endpoint.services.hybrid_parsl(*doctor)
    assert done.returncode == 0, done.stdout
    findings = json.loads(done.stdout)
    assert [each["check"] for each in findings] == [
        "credentials",
        "endpoint",
        "function",
        "versions",
    ]
    assert {each["state"] for each in findings} == {"ok"}


@pytest.mark.parametrize(
    ("option", "variables", "states", "said"),
    [
        ("--function", {}, ["ok", "ok", "wrong", "skipped"], "FUNCTION_NOT_FOUND"),
        ("--endpoint", {}, ["ok", "wrong", "skipped", "skipped"], "ENDPOINT_NOT_FOUND"),
        (
            "--endpoint",
            {"GLOBUS_COMPUTE_CLIENT_ID": str(uuid4())},
            ["wrong", "skipped", "skipped", "skipped"],
            "401",
        ),
    ],
)
def test_the_doctor_says_what_is_wrong_and_skips_the_rest(
    endpoint, option, variables, states, said
):
    doctor = ["doctor", "--endpoint", endpoint.id, option, str(uuid4())]
    done = endpoint.services.hybrid_parsl(*doctor, **variables)
    assert done.returncode == 2
    words = [line.split()[0] for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert words == states
    assert said in done.stdout


def test_our_function_is_registered_once(endpoint):
    names = [each["name"] for each in endpoint.services.events("function")]
    assert names.count("hybrid_parsl") == 1


@pytest.mark.parametrize(
    ("values", "code"), [({}, 0), ({"drivers": 2}, 0), ({"worker_init": ""}, 1)]
)
def test_the_endpoint_accepts_its_own_configuration(endpoint, tmp_path, values, code):
    options = tmp_path / "options.json"
    options.write_text(json.dumps(values))
    folder = ["-c", str(endpoint.folder.parent)]
    command = ["render-user-config", "-e", endpoint.folder.name, "-o", str(options)]
    done = endpoint.services.command("globus-compute-endpoint", *folder, *command)
    assert (done.returncode != 0) == bool(code), done.stdout + done.stderr
    if not code:
        assert f"max_workers_per_node: {values.get('drivers', 4)}" in done.stdout


def test_the_secret_is_in_no_file_and_in_no_command_line(endpoint, tmp_path):
    ids = endpoint.detached(tmp_path, "bell", "--set", "problem.kind=failing_problems:Slow")
    wait_until(lambda: list((endpoint.there / ids["run"]).glob("*/results.json")), 200)
    attach = ["python", "-m", "hybrid_parsl", "remote", "attach", "--runs-dir", str(tmp_path)]
    with endpoint.services.popen(*attach) as waiting:
        assert ids["run"] in waiting.stdout.readline()
        lines = [" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"])]
        waiting.kill()
    assert any("remote attach" in line for line in lines)
    assert any(ids["run"] in line for line in lines)
    secret = endpoint.services.secret
    assert not [line for line in lines if secret in line]
    tokens = endpoint.services.root / "user" / "storage.db"  # Globus' own, for its owner alone
    assert tokens.stat().st_mode & 0o077 == 0
    for folder in (tmp_path, endpoint.services.root):
        for path in folder.rglob("*"):
            if path.is_file() and path != tokens and "rabbitmq" not in path.parts:
                assert secret.encode() not in path.read_bytes(), path
    for process in psutil.process_iter(["cmdline"]):
        if ids["run"] in " ".join(process.info["cmdline"] or []):
            process.terminate()
