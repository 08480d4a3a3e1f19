"""A run on this computer opens no socket that can be reached from elsewhere."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from listening_sockets import open_addresses
from waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]
STAGES = ("search", "quantum", "analysis")
PAUSE_S = 0.1


@pytest.mark.usefixtures("several_runs")
def test_no_phase_of_a_local_run_listens_beyond_loopback(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "run.py"), "bell", "--site", "local"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    )
    found = set()
    seen = dict.fromkeys(STAGES, 0)
    deadline = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < deadline:
        found |= open_addresses(process.pid)
        for stage in STAGES:
            seen[stage] += any(tmp_path.glob(f"runs/*/tasks/{stage}"))
        time.sleep(PAUSE_S)
    assert process.wait(0) == 0
    assert found == set()
    assert all(seen.values()), seen
