"""The doctor tells a healthy cluster from one where something is wrong, and leaves no trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from services import require
from waiting import PATIENCE_S

if TYPE_CHECKING:
    from slurm_cluster import SlurmCluster

ROOT = Path(__file__).parents[3]
BLOCKS = ("mpi=pilot", "stages=blocks")


class Doctor:
    """Examines a site, and keeps what was said of each check."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.findings: dict[str, dict[str, str]] = {}

    def __call__(
        self,
        site: str,
        *settings: str,
        code: int,
        timeout: str = "3m",
        inside: tuple[str, ...] = (),
    ) -> None:
        assignments = [word for each in settings for word in ("--site-set", each)]
        command = [sys.executable, "-m", "hybrid_parsl", "--project", str(ROOT), "doctor"]
        done = subprocess.run(
            [*inside, *command, "--site", site, "--json", "--timeout", timeout, *assignments],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
            cwd=self.folder,
            env=dict(os.environ),
        )
        found: list[dict[str, str]] = json.loads(done.stdout or "[]")
        self.findings = {each["check"]: each for each in found}
        assert done.returncode == code, f"{done.stdout}{done.stderr}"

    def said(self, check: str, state: str = "wrong") -> str:
        """Return message and advice of a check."""
        finding = self.findings[check]
        assert finding["state"] == state, finding
        return f"{finding['message']} -> {finding['advice']}"


@pytest.fixture
def doctor(slurm: SlurmCluster, tmp_path: Path) -> Any:
    yield Doctor(tmp_path)
    assert slurm.queue() == []
    assert list(tmp_path.iterdir()) == []


def test_a_healthy_cluster(doctor: Doctor) -> None:
    doctor("slurm", "nodes=3", code=0)
    assert {finding["state"] for finding in doctor.findings.values()} == {"ok"}
    assert "4 nodes" in doctor.said("partition", "ok")
    assert "sees it under the same path" in doctor.said("run directory", "ok")
    assert "6 ranks on n1, n2, n3; MPI" in doctor.said("mpi", "ok")


@pytest.mark.usefixtures("pbs")
def test_healthy_blocks_of_pbs(doctor: Doctor) -> None:
    doctor("pbs", *BLOCKS, "nodes=2", code=0)
    assert "prints JSON" in doctor.said("qstat -F json", "ok")
    assert "4 ranks on n1, n2" in doctor.said("mpi", "ok")
    for label in ("quantum", "analysis"):
        assert "connected back to" in doctor.said(label, "ok")


def test_a_partition_that_is_not_there(doctor: Doctor) -> None:
    doctor("slurm", "partition=nowhere", code=2)
    assert "'nowhere' -> set partition to one of: debug, one" in doctor.said("partition")
    assert "mpi" not in doctor.findings


@pytest.mark.usefixtures("pbs")
def test_a_queue_that_is_not_there(doctor: Doctor) -> None:
    doctor("pbs", "partition=nowhere", code=2)
    assert "qstat -Q nowhere" in doctor.said("queue")


def test_a_python_that_the_node_does_not_have(doctor: Doctor) -> None:
    doctor("slurm", "python=/no/such/python", code=2)
    assert "/no/such/python is not on n1 -> set python" in doctor.said("python")
    assert doctor.said("cancel", "ok")


def test_a_python_without_the_package(doctor: Doctor) -> None:
    doctor("slurm", "python=/usr/bin/python3", "worker_init=unset PYTHONPATH; cd /", code=2)
    assert "No module named 'hybrid_parsl'" in doctor.said("package")


def test_more_nodes_than_there_are(doctor: Doctor) -> None:
    doctor("slurm", "nodes=9", code=2)
    assert "sbatch: error" in doctor.said("mpi")
    assert doctor.said("quantum", "ok")


def test_ranks_that_do_not_find_each_other(doctor: Doctor) -> None:
    doctor("slurm", "mpi_type=none", code=2)
    assert "found: 1 of 2" in doctor.said("mpi")
    assert "mpi_type" in doctor.said("mpi")


def test_a_job_that_waits(doctor: Doctor) -> None:
    doctor("slurm", 'attributes={ begin = "now+1hour" }', code=2, timeout="4s")
    assert "waits in the queue for 4 s: PENDING, BeginTime" in doctor.said("status")
    assert doctor.said("cancel", "ok")


def test_a_controller_that_does_not_answer(doctor: Doctor, slurm: SlurmCluster) -> None:
    slurm.stop_controller()
    try:
        doctor("slurm", code=2)
    finally:
        slurm.start_controller()
    assert "DOWN" in doctor.said("controller")
    assert doctor.said("ranks and workers", "skipped")


def test_a_folder_that_nodes_do_not_see(doctor: Doctor) -> None:
    # the driver has a file system of its own there; the nodes see what is below it
    mount = 'mount -t tmpfs tmpfs "$PWD" && cd "$PWD" && exec "$@"'
    inside = ("unshare", "--mount", "sh", "-c", mount, "sh")
    able = subprocess.run([*inside[:-3], "-c", "true"], capture_output=True, check=False)
    require("tmpfs", "nothing, but run as root", available=able.returncode == 0)
    doctor("slurm", code=2, inside=inside)
    assert "left nothing in" in doctor.said("run directory")
    assert "--runs-dir" in doctor.said("run directory")


def test_an_address_that_no_block_reaches(doctor: Doctor) -> None:
    doctor("slurm", *BLOCKS, "address=198.51.100.7", code=2, timeout="20s")
    assert "no worker of it has reached this computer: 198.51.100.7" in doctor.said("quantum")
    assert "set address" in doctor.said("quantum")
