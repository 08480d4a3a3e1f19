"""Whole runs on a QPU of the loopback service: one used job, whatever happens to their drivers."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from command import Command
from quantum_server import API_KEY
from quantum_service import DEVICE
from waiting import PATIENCE_S, wait_until

from hybrid_parsl.engine.site_settings import variable_name

if TYPE_CHECKING:
    from pathlib import Path

    from quantum_service import QuantumService

ASKED = ["bell", "--set", f"quantum.backend={DEVICE}", "--set", "quantum.shots=200"]


@pytest.fixture
def run(tmp_path: Path) -> Command:
    return Command("local", tmp_path / "runs")


@pytest.fixture
def run_elsewhere(
    service: str,
    stages: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Command:
    """Return the command line on a site; circuits run there with the account that it has there.

    The site comes first: what its service keeps is in the home of this user, not of the account.
    """
    site = "k8s" if service == "kubernetes" else service
    environment = {}
    if service == "kubernetes":
        environment = request.getfixturevalue("kubernetes_site")
    elif service == "k8s":
        environment = request.getfixturevalue("k8s").environment
    else:
        request.getfixturevalue(service).wait_for_nodes()
    account = request.getfixturevalue("quantum_service")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if stages:
        monkeypatch.setenv(variable_name(site, "stages"), stages)
    if stages == "blocks":
        lines = [f"export {name}={value}" for name, value in account.variables.items()]
        monkeypatch.setenv(variable_name(site, "worker_init"), "\n".join(lines))
    return Command(site, tmp_path / "runs")


@pytest.fixture
def waiting_run(run: Command, quantum_service: QuantumService) -> Command:
    """A run whose driver was killed while its job waits in the queue of the service."""
    quantum_service.wait_in_queue(3600)
    driver = subprocess.Popen(run.arguments(*ASKED), stdout=subprocess.DEVNULL)
    try:
        quantum_service.wait_for_jobs(1)
        wait_until(lambda: any('"QUEUED"' in path.read_text() for path in records(run)))
    finally:
        driver.kill()
        driver.wait()
    return run


def records(run: Command) -> list[Path]:
    return list(run.runs.glob("*/tasks/*/qpu-*.jsonl"))


def results(run: Command) -> dict[str, Any]:
    (path,) = run.runs.glob("*/results.json")
    return json.loads(path.read_text())


def used(service: QuantumService) -> list[dict[str, Any]]:
    return [job for job in service.jobs() if job["status"] != "Cancelled"]


def check_no_token(run: Command, done: subprocess.CompletedProcess[str]) -> None:
    for path in run.runs.rglob("*"):
        assert not path.is_file() or API_KEY.encode() not in path.read_bytes(), path
    assert API_KEY not in done.stdout + done.stderr


@pytest.mark.usefixtures("thorough")
def test_a_run_pays_one_job_and_keeps_no_token(
    run: Command, quantum_service: QuantumService
) -> None:
    done = run(*ASKED)
    assert done.returncode == 0, done.stderr
    (job,) = quantum_service.jobs()
    quantum = results(run)["quantum"]
    assert quantum["job_id"] == job["id"]
    assert quantum["usage_s"] == pytest.approx(job["usage"]["seconds"], abs=0.001)
    assert quantum["estimated_usage_s"] > quantum["usage_s"]
    check_no_token(run, done)
    assert job["id"] in run.of_run("show").stdout
    assert run.of_run("report").returncode == run.of_run("status").returncode == 0


@pytest.mark.parametrize(
    ("service", "stages"),
    [
        ("slurm", ""),
        ("slurm", "blocks"),
        ("pbs", ""),
        ("k8s", "driver"),
        ("kubernetes", "driver"),
    ],
)
def test_every_site_pays_one_job_and_keeps_no_token(
    run_elsewhere: Command, quantum_service: QuantumService
) -> None:
    asked = [*ASKED, "--set", "resources={num_nodes=1, ranks_per_node=2}"]
    done = run_elsewhere(*asked)
    assert done.returncode == 0, done.stderr
    (job,) = quantum_service.jobs()
    assert results(run_elsewhere)["quantum"]["job_id"] == job["id"]
    check_no_token(run_elsewhere, done)


@pytest.mark.usefixtures("several_runs")
def test_mitigation_is_a_second_job(run: Command, quantum_service: QuantumService) -> None:
    done = run(*ASKED, "--set", "quantum.mitigation=zne", "--set", "quantum.max_qpu_seconds=20")
    assert done.returncode == 0, done.stderr
    first, second = quantum_service.jobs()
    quantum = results(run)["quantum"]
    assert quantum["job_id"] == f"{first['id']}, {second['id']}"
    used = first["usage"]["seconds"] + second["usage"]["seconds"]
    assert quantum["usage_s"] == pytest.approx(used, abs=0.001)
    assert quantum["mitigation"]["shots"] == 200 * (3 * 1 + 1)
    assert quantum["raw"]["expectation"] != quantum["expectation"]


@pytest.mark.usefixtures("thorough")
@pytest.mark.usefixtures("quantum_service")
def test_a_dry_run_says_what_the_qpu_time_is(run: Command) -> None:
    done = run(*ASKED, "--dry-run")
    assert "1 circuit, 200 shots, 200 executions: 2.05 s of QPU time estimated" in done.stdout
    refused = run(*ASKED, "--set", "quantum.shots=20000", "--set", "quantum.max_qpu_seconds=3")
    assert refused.returncode == 2
    assert "quantum.max_qpu_seconds: the run would need more QPU time than 3 s" in refused.stderr
    assert not list(run.runs.glob("*"))


@pytest.mark.usefixtures("several_runs")
def test_another_driver_takes_the_result_of_the_same_job(
    waiting_run: Command, quantum_service: QuantumService
) -> None:
    status = waiting_run.of_run("status").stdout
    assert "QUEUED (position 1 in the queue)" in status
    quantum_service.wait_in_queue(0)
    done = waiting_run.of_run("resume")
    assert done.returncode == 0, done.stderr
    (job,) = quantum_service.jobs()
    assert results(waiting_run)["quantum"]["job_id"] == job["id"]


@pytest.mark.usefixtures("several_runs")
def test_a_job_is_cancelled_with_its_run(
    waiting_run: Command, quantum_service: QuantumService
) -> None:
    done = waiting_run.of_run("cancel")
    assert done.returncode == 0, done.stderr
    (job,) = quantum_service.jobs()
    assert job["status"] == "Cancelled"
    assert job["id"] in done.stdout
    quantum_service.wait_in_queue(0)
    assert waiting_run.of_run("resume").returncode == 0
    (other,) = used(quantum_service)
    assert results(waiting_run)["quantum"]["job_id"] == other["id"]


@pytest.mark.usefixtures("several_runs")
def test_a_terminated_driver_cancels_the_job(run: Command, quantum_service: QuantumService) -> None:
    quantum_service.wait_in_queue(3600)
    driver = subprocess.Popen(run.arguments(*ASKED), stdout=subprocess.DEVNULL)
    try:
        quantum_service.wait_for_jobs(1)
        driver.terminate()
        assert driver.wait(PATIENCE_S) == 143
    finally:
        driver.kill()
        driver.wait()
    assert [job["status"] for job in quantum_service.jobs()] == ["Cancelled"]
