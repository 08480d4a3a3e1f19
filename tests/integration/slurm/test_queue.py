"""What a run knows of jobs that wait, and of a scheduler that does not answer."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

import pytest
import rank_functions as functions
from waiting import PATIENCE_S, wait_until

from hybrid_parsl.engine.jobs.orphans import job_states
from hybrid_parsl.engine.jobs.record import TASK_RECORD, JobRecord
from hybrid_parsl.engine.jobs.scheduler_directives import BatchOptions
from hybrid_parsl.engine.jobs.waiting import waiting_reason, words_of_wait
from hybrid_parsl.engine.psij_executor import PsiJExecutor
from hybrid_parsl.engine.psij_provider import PsiJProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from slurm_cluster import SlurmCluster

ONE = {"num_ranks": 1, "walltime_s": 60}
LATER = BatchOptions(attributes={"begin": "now+1hour"})
WITHOUT_JSON = """\
#!/bin/sh
case " $* " in
*" json "*) echo "qstat: invalid option -- 'F'" >&2; exit 2 ;;
esac
exec /usr/bin/qstat "$@"
"""


@pytest.fixture
def started(slurm: SlurmCluster, tmp_path: Path) -> Iterator[Callable[..., PsiJExecutor]]:
    executors = []

    def start(backend: str = "slurm", **options: Any) -> PsiJExecutor:
        defaults = {"launcher": "srun", "environment": {"SLURM_MPI_TYPE": "pmi2"}}
        executor = PsiJExecutor("mpi", tmp_path / "tasks", backend, **{**defaults, **options})
        executor.start()
        executors.append(executor)
        return executor

    yield start
    for executor in executors:
        executor.shutdown()
    assert slurm.queue() == []


def test_why_a_job_waits(started: Callable[..., PsiJExecutor], tmp_path: Path) -> None:
    job_id = started(batch=LATER).submit(functions.add, ONE, 1).job.job_id
    wait_until(lambda: words_of_wait(tmp_path, "add", "mpi"))
    expected = f"job {job_id} waits in the queue: BeginTime"
    wait_until(lambda: words_of_wait(tmp_path, "add", "mpi") == expected)
    (row,) = job_states(tmp_path)
    assert (row["id"], row["state"], row["waits_for"]) == (job_id, "QUEUED", "BeginTime")


def test_a_job_that_is_put_back_into_the_queue_waits_again(
    started: Callable[..., PsiJExecutor], slurm: SlurmCluster, tmp_path: Path
) -> None:
    future = started().submit(functions.wait_for, ONE, str(tmp_path / "go"))
    record = tmp_path / "tasks" / "wait_for" / TASK_RECORD
    wait_until((record.parent / "ranks.json").exists)
    assert waiting_reason(record) is None
    slurm.command("scontrol", "requeuehold", future.job.job_id)
    wait_until(lambda: waiting_reason(record))
    (row,) = job_states(tmp_path)
    assert row["state"] == "QUEUED"
    assert "held" in row["waits_for"].lower()


def test_why_a_block_waits(slurm: SlurmCluster, tmp_path: Path) -> None:
    provider = PsiJProvider("slurm", LATER)
    provider.script_dir = str(tmp_path / "parsl" / "000" / "submit_scripts")
    try:
        job_id = provider.submit("sleep 60", 1, "parsl.mpi.block-0")
        expected = f"its block, job {job_id} waits in the queue: BeginTime"
        wait_until(lambda: words_of_wait(tmp_path, "search", "mpi") == expected)
    finally:
        provider.close()
    assert slurm.queue() == []


@pytest.mark.usefixtures("pbs")
def test_a_result_is_taken_although_qstat_cannot_be_read(
    started: Callable[..., PsiJExecutor],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    qstat = tmp_path / "bin" / "qstat"
    qstat.parent.mkdir()
    qstat.write_text(WITHOUT_JSON)
    qstat.chmod(0o755)
    monkeypatch.setenv("PATH", f"{qstat.parent}{os.pathsep}{os.environ['PATH']}")
    executor = started("pbs_classic", launcher="mpirun", environment={})
    record = tmp_path / "tasks" / "wait_for" / TASK_RECORD
    with caplog.at_level(logging.WARNING):
        future = executor.submit(functions.wait_for, ONE, str(tmp_path / "go"))
        wait_until(lambda: "does not answer" in caplog.text)
        (tmp_path / "go").touch()
        future.result(PATIENCE_S)
        wait_until(lambda: (found := JobRecord.read(record)) and found.ended == "COMPLETED")
    said = [line.getMessage() for line in caplog.records if "not answer" in line.getMessage()]
    assert said == ["pbs_classic does not answer: qstat: invalid option -- 'F'; its jobs go on"]
