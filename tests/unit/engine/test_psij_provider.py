"""Blocks as PSI/J jobs, on the local backend."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from parsl.jobs.states import JobState
from parsl.providers.errors import SubmitException
from waiting import PATIENCE_S

from hybrid_parsl.engine.jobs.scheduler_directives import BatchOptions
from hybrid_parsl.engine.psij_provider import PsiJProvider
from hybrid_parsl.errors import (
    JobCancelledError,
    JobFailedError,
    SubmissionError,
    WalltimeExceededError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[PsiJProvider]:
    provider = make(tmp_path)
    yield provider
    provider.close()


def make(folder: Path, **keywords: object) -> PsiJProvider:
    provider = PsiJProvider("local", **keywords)
    provider.script_dir = str(folder)
    return provider


def wait_for(provider: PsiJProvider, job_id: str, state: JobState) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (found := provider.status([job_id])[0]).state != state:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


@pytest.mark.parametrize(("code", "state"), [(0, JobState.COMPLETED), (3, JobState.FAILED)])
def test_how_a_block_ended(provider: PsiJProvider, code: int, state: JobState) -> None:
    job_id = provider.submit(f"echo out; echo err >&2; exit {code}", 1)
    wait_for(provider, job_id, state)
    status = provider.status([job_id])[0]
    assert status.exit_code == code
    assert (status.stdout, status.stderr) == ("out\n", "err\n")


def test_a_block_that_runs_and_is_cancelled(provider: PsiJProvider) -> None:
    job_id = provider.submit("sleep 100", 1)
    wait_for(provider, job_id, JobState.RUNNING)
    assert provider.cancel([job_id, "unknown"]) == [True, False]
    wait_for(provider, job_id, JobState.CANCELLED)


def test_a_walltime_that_is_over_is_no_failure(tmp_path: Path) -> None:
    provider = make(tmp_path, walltime_s=1)
    try:
        job_id = provider.submit("sleep 100", 1)
        wait_for(provider, job_id, JobState.TIMEOUT)
    finally:
        provider.close()


def test_a_block_is_prepared_before_its_command(tmp_path: Path) -> None:
    batch = BatchOptions(worker_init="export FIRST=1")
    provider = make(tmp_path, batch=batch, environment={"COLOUR": "deep blue"})
    try:
        job_id = provider.submit('echo "$FIRST $COLOUR"; command -v process_worker_pool.py', 1)
        wait_for(provider, job_id, JobState.COMPLETED)
        words = str(provider.status([job_id])[0].stdout)
    finally:
        provider.close()
    assert words.startswith("1 deep blue\n/")


def test_closing_ends_all_blocks(tmp_path: Path) -> None:
    provider = make(tmp_path)
    job_id = provider.submit(f"touch {tmp_path}/begun; sleep 100", 1)
    deadline = time.monotonic() + PATIENCE_S
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    provider.close()
    assert provider.status([job_id])[0].state == JobState.CANCELLED


def test_a_block_that_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = PsiJProvider("slurm")
    provider.script_dir = str(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    try:
        with pytest.raises(SubmitException, match="slurm"):
            provider.submit("true", 1)
    finally:
        provider.close()


def test_parsl_is_told_how_many_blocks_and_how_often_to_look() -> None:
    provider = PsiJProvider("slurm", BatchOptions(polling_interval_s=7), max_blocks=3)
    assert (provider.init_blocks, provider.min_blocks, provider.max_blocks) == (0, 0, 3)
    assert (provider.label, provider.status_polling_interval) == ("psij-slurm", 7)


def test_why_there_is_no_block(provider: PsiJProvider) -> None:
    assert "no block of nodes has started" in str(provider.cause())
    job_id = provider.submit("echo no such module >&2; exit 3", 1)
    wait_for(provider, job_id, JobState.FAILED)
    cause = provider.cause()
    assert isinstance(cause, JobFailedError)
    assert cause.job_id == job_id
    assert cause.stderr_tail == "no such module"


def test_why_a_block_is_there_no_more(tmp_path: Path) -> None:
    provider = make(tmp_path, walltime_s=1)
    try:
        slow = provider.submit("sleep 100", 1)
        cancelled = provider.submit("sleep 100", 1)
        provider.cancel([cancelled])
        wait_for(provider, cancelled, JobState.CANCELLED)
        wait_for(provider, slow, JobState.TIMEOUT)
        assert isinstance(provider.cause(slow), WalltimeExceededError)
        assert isinstance(provider.cause(cancelled), JobCancelledError)
        assert f"job {cancelled}: its block was cancelled" in str(provider.cause(cancelled))
    finally:
        provider.close()


def test_a_refusal_is_kept_as_it_was_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = PsiJProvider("slurm")
    provider.script_dir = str(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    try:
        with pytest.raises(SubmitException):
            provider.submit("true", 1)
        assert isinstance(provider.cause(), SubmissionError)
    finally:
        provider.close()


def test_the_scripts_of_a_block_are_known_before_it_is_submitted(tmp_path: Path) -> None:
    batch = BatchOptions("debug", worker_init="module load mpi")
    provider = PsiJProvider("slurm", batch, nodes_per_block=3, environment={"A": "b c"})
    scripts = provider.scripts("run-workers", tmp_path / "block")
    assert '#SBATCH --partition="debug"' in scripts.batch
    assert "#SBATCH --nodes=3" in scripts.batch
    assert str(tmp_path / "block.sh") in scripts.batch
    assert scripts.block.splitlines()[-3:] == ["module load mpi", "export A='b c'", "run-workers"]
    assert list(tmp_path.iterdir()) == []
    assert PsiJProvider("local").scripts("true", tmp_path / "block").batch == ""
