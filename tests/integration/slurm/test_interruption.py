"""Who interrupts a run leaves no job in the queue."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from waiting import PATIENCE_S

if TYPE_CHECKING:
    from slurm_cluster import SlurmCluster

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_no_job_is_left(slurm: SlurmCluster, tmp_path: Path, number: int, code: int) -> None:
    problem = ["--set", "problem.kind=failing_problems:Slow"]
    command = [sys.executable, str(ROOT / "run.py"), "bell", "--site", "slurm", *problem]
    process = subprocess.Popen(
        [*command, "--runs-dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    wait_for(slurm, ["RUNNING"])
    process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code
    assert "Traceback" not in errors
    wait_for(slurm, [])


def wait_for(slurm: SlurmCluster, states: list[str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while slurm.command("squeue", "-h", "-o", "%T").split() != states:
        assert time.monotonic() < deadline
        time.sleep(0.1)
