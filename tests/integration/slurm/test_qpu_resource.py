"""Jobs of circuits that ask Slurm for a QPU: by a plug-in's option, or by a licence."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
import rank_functions as functions
from command import Command
from services import require
from slurm_cluster import PLUGIN_PACKAGES, plugins_can_be_built

from hybrid_parsl import labels
from hybrid_parsl.engine.batch_site import BatchSettings
from hybrid_parsl.engine.site_settings import read_settings
from hybrid_parsl.errors import JobRejectedError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("slurm")
VARIABLE = "SLURM_JOB_QPU_RESOURCES"


@pytest.fixture
def plugin() -> None:
    require("slurm", PLUGIN_PACKAGES, available=plugins_can_be_built())


def executors(tmp_path: Path, *settings: str) -> dict[str, Any]:
    found = read_settings(BatchSettings, "cluster", ("stages=jobs", *settings))
    return {each.label: each for each in found.parsl_config("slurm", tmp_path).executors}


@pytest.mark.usefixtures("plugin")
def test_only_a_circuit_gets_the_qpu(tmp_path: Path) -> None:
    found = executors(tmp_path, "qpu=loop_fez")
    for label, name in ((labels.QUANTUM, "loop_fez"), (labels.ANALYSIS, None)):
        executor = found[label]
        executor.start()
        try:
            assert executor.submit(functions.environment, {}, VARIABLE).result() == name
        finally:
            executor.shutdown()


@pytest.mark.usefixtures("plugin")
def test_a_qpu_that_the_site_does_not_have(tmp_path: Path) -> None:
    executor = executors(tmp_path, "qpu=brisbane")[labels.QUANTUM]
    executor.start()
    try:
        with pytest.raises(JobRejectedError, match="no QPU brisbane, only fez,loop_fez"):
            executor.submit(functions.environment, {}, VARIABLE).result()
    finally:
        executor.shutdown()


def test_circuits_wait_for_the_licence_of_the_qpu(tmp_path: Path) -> None:
    executor = executors(tmp_path, "qpu=fez", "qpu_option=licenses=NAME:1")[labels.QUANTUM]
    executor.start()
    try:
        futures = [executor.submit(functions.interval, {}, 1.0) for _ in range(3)]
        found = sorted(future.result() for future in futures)
    finally:
        executor.shutdown()
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(found))


@pytest.mark.usefixtures("plugin", "several_runs")
def test_a_whole_run_and_what_is_said_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYBRID_PARSL_SLURM_STAGES", "jobs")
    monkeypatch.setenv("HYBRID_PARSL_SLURM_QPU", "loop_fez")
    run = Command("slurm", tmp_path / "runs")
    assert run("bell", "--dry-run").stdout.count('#SBATCH --qpu="loop_fez"') == 1
    assert run.document("bell")["run"]["status"] == "completed"
    doctor = run.of_run("doctor", "--site", "slurm")
    assert doctor.returncode == 0, doctor.stdout
    monkeypatch.setenv("HYBRID_PARSL_SLURM_QPU", "brisbane")
    doctor = run.of_run("doctor", "--site", "slurm")
    assert doctor.returncode != 0
    assert "no QPU brisbane, only fez,loop_fez" in doctor.stdout
