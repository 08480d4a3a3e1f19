"""A driver that is killed in its first moments leaves a run that can be resumed, or none."""

from __future__ import annotations

import random
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from command import Command
from waiting import PATIENCE_S

from hybrid_parsl.records.run_directory import RunDirectory

if TYPE_CHECKING:
    from pathlib import Path

N_KILLS = 8


@pytest.mark.usefixtures("several_runs")
def test_what_is_left_can_be_resumed_or_says_that_it_never_began(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    chance = random.Random(seed)
    run = Command("local", tmp_path / "runs")
    for _ in range(N_KILLS):
        driver = subprocess.Popen(run.arguments("bell", "--quiet"))
        deadline = time.monotonic() + PATIENCE_S
        while not any(run.runs.glob("*")) and time.monotonic() < deadline:
            time.sleep(0.001)  # most of the time before is that of imports
        time.sleep(chance.uniform(0.0, 0.2))
        driver.kill()
        driver.wait()
    folders = sorted(run.runs.iterdir())
    assert folders
    begun = [path for path in folders if (path / "experiment.toml").exists()]
    for folder in folders:
        done = run.of_run("status", folder.name)
        if folder in begun:
            assert done.returncode == 0, (seed, done.stderr)
        else:
            assert done.returncode == 2, seed
            assert "was killed before it began" in done.stderr, seed
    if begun:
        assert RunDirectory.find(run.runs, "latest").path in begun
    for folder in begun[:3]:
        done = run.of_run("resume", folder.name, "--quiet")
        assert (done.returncode, done.stderr) == (0, ""), seed
