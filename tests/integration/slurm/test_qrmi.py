"""Runs whose circuits run in a Slurm job that was granted a QPU, which only that job can reach."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from command import Command
from quantum_server import API_KEY
from services import require, require_module
from slurm_cluster import PLUGIN_PACKAGES, plugins_can_be_built
from waiting import PATIENCE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from quantum_service import QuantumService
    from slurm_cluster import SlurmCluster

require_module("hybrid_parsl.quantum.qrmi", "qiskit_ibm_runtime", "hybrid-parsl[ibm]")
QPU = "loop_fez"
ASKED = ["bell", "--set", f"quantum.backend=qrmi:{QPU}", "--set", "quantum.shots=200"]


@pytest.fixture
def granted(slurm: SlurmCluster, quantum_service: QuantumService) -> Iterator[QuantumService]:
    """The service, which a job with --qpu is given the account of, and nothing else."""
    require("slurm", PLUGIN_PACKAGES, available=plugins_can_be_built())
    lines = (f"{name}={value}\n" for name, value in quantum_service.granted.items())
    slurm.qpu_account.write_text("".join(lines))
    slurm.qpu_account.chmod(0o600)
    yield quantum_service
    slurm.qpu_account.unlink()


@pytest.fixture(params=["jobs", "blocks"])
def run(
    granted: QuantumService,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Command:
    """The command line of a user without an account of the service."""
    for name in granted.variables:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    lines = [f"export {name}={value}" for name, value in granted.proxy.items()]
    monkeypatch.setenv("HYBRID_PARSL_SLURM_WORKER_INIT", "\n".join(lines))
    monkeypatch.setenv("HYBRID_PARSL_SLURM_STAGES", request.param)
    monkeypatch.setenv("HYBRID_PARSL_SLURM_QPU", QPU)
    return Command("slurm", tmp_path / "runs")


def in_a_job(granted: QuantumService, run: Command, command: str) -> str:
    """Return what a command about the run says inside a job that was granted the QPU."""
    words = [sys.executable, "-P", "-m", "hybrid_parsl", command, "latest", "--runs-dir"]
    proxy = ",".join(f"{name}={value}" for name, value in granted.proxy.items())
    asked = ["srun", f"--qpu={QPU}", f"--export=ALL,{proxy}", *words, str(run.runs)]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    return done.stdout + done.stderr


def quantum_results(run: Command) -> dict[str, Any]:
    (path,) = run.runs.glob("*/results.json")
    return json.loads(path.read_text())["quantum"]


@pytest.mark.usefixtures("several_runs")
def test_the_circuit_runs_in_the_job_that_was_granted_the_qpu(
    run: Command, granted: QuantumService
) -> None:
    done = run(*ASKED)
    assert done.returncode == 0, done.stderr
    (job,) = granted.jobs()
    assert quantum_results(run)["job_id"] == job["id"]
    for path in run.runs.rglob("*"):
        assert not path.is_file() or API_KEY.encode() not in path.read_bytes(), path


@pytest.mark.usefixtures("several_runs")
@pytest.mark.parametrize("run", ["jobs"], indirect=True)
def test_a_job_of_a_killed_driver_is_found_from_a_job_with_the_qpu(
    run: Command, granted: QuantumService
) -> None:
    granted.wait_in_queue(3600)
    driver = subprocess.Popen(run.arguments(*ASKED), stdout=subprocess.DEVNULL)
    try:
        (job,) = granted.wait_for_jobs(1)
        wait_until(lambda: any('"QUEUED"' in each.read_text() for each in records(run)))
    finally:
        driver.kill()
        driver.wait()
    assert "can be reached only from a job that was granted the QPU" in run.of_run("status").stdout
    assert "position 1 in the queue" in in_a_job(granted, run, "status")
    cancelled = run.of_run("cancel")
    assert cancelled.returncode != 0
    assert f"QPU job {job['id']}" in cancelled.stderr
    assert "may still run" in cancelled.stderr
    assert job["id"] in in_a_job(granted, run, "cancel")
    assert [each["status"] for each in granted.jobs()] == ["Cancelled"]
    granted.wait_in_queue(0)
    assert run.of_run("resume").returncode == 0
    assert quantum_results(run)["job_id"] == granted.jobs()[-1]["id"]


def records(run: Command) -> list[Path]:
    return list(run.runs.glob("*/tasks/*/qpu-*.jsonl"))


@pytest.mark.parametrize("run", ["jobs"], indirect=True)
def test_a_site_that_does_not_request_the_qpu(
    run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYBRID_PARSL_SLURM_QPU", "fez")
    done = run(*ASKED)
    assert done.returncode == 2
    assert f'valid: qpu = "{QPU}"' in done.stderr
    assert not run.runs.exists()
