"""The scheduler's own verdict on a dry run: nothing is submitted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from waiting import PATIENCE_S

if TYPE_CHECKING:
    from slurm_cluster import SlurmCluster

ROOT = Path(__file__).parents[3]
BLOCKS = ("mpi=pilot", "stages=blocks")


def check(folder: Path, *settings: str) -> subprocess.CompletedProcess[str]:
    assignments = [word for each in settings for word in ("--site-set", each)]
    command = [sys.executable, str(ROOT / "run.py"), "bell", "--site", "slurm", "-n", "--check"]
    return subprocess.run(
        [*command, "--json", *assignments],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        cwd=folder,
    )


@pytest.mark.parametrize(("settings", "asked"), [((), 1), (BLOCKS, 3)])
def test_what_slurm_would_take(
    slurm: SlurmCluster, tmp_path: Path, settings: tuple[str, ...], asked: int
) -> None:
    before = set(slurm.job_names())
    done = check(tmp_path, *settings)
    assert done.returncode == 0, done.stderr
    verdicts = [stage["verdict"] for stage in json.loads(done.stdout)["stages"]]
    assert sum("in partition debug" in verdict for verdict in verdicts) == asked
    assert set(slurm.job_names()) <= before  # Slurm forgets ended jobs after a while
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "names"),
    [((), ["search"]), ((*BLOCKS, "worker_init=true"), ["search", "quantum", "analysis"])],
)
@pytest.mark.usefixtures("slurm")
def test_sbatch_takes_the_scripts_of_a_dry_run(
    tmp_path: Path, settings: tuple[str, ...], names: list[str]
) -> None:
    assignments = [word for each in settings for word in ("--site-set", each)]
    command = [sys.executable, str(ROOT / "run.py"), "bell", "--site", "slurm", "-n"]
    subprocess.run(
        [*command, "--scripts", str(tmp_path), *assignments], check=True, capture_output=True
    )
    for name in names:
        asked = ["sbatch", "--test-only", str(tmp_path / f"{name}.sh")]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        assert (done.returncode, "in partition debug" in done.stderr) == (0, True), done.stderr


@pytest.mark.parametrize(
    "settings",
    [("partition=nowhere",), ("nodes=9",), ("partition=one", "walltime=1h"), (*BLOCKS, "nodes=9")],
)
@pytest.mark.usefixtures("slurm")
def test_what_slurm_would_refuse(tmp_path: Path, settings: tuple[str, ...]) -> None:
    done = check(tmp_path, *settings)
    assert done.returncode == 3
    assert "the slurm backend did not take the job: " in done.stderr
    assert "allocation failure: " in done.stderr
    assert "allocation failure: " in json.loads(done.stdout)["stages"][0]["verdict"]


def test_a_controller_that_is_away(slurm: SlurmCluster, tmp_path: Path) -> None:
    slurm.stop_controller()
    try:
        done = check(tmp_path)
    finally:
        slurm.start_controller()
    assert done.returncode == 3
    assert "Unable to contact slurm controller" in done.stderr
