from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hybrid_parsl.engine.jobs.batch_scheduler import load_executor
from hybrid_parsl.engine.jobs.psij_loading import load_psij
from hybrid_parsl.engine.jobs.submission import PAUSES_S, hand_over, patiently
from hybrid_parsl.errors import BackendUnavailableError, JobRejectedError, SubmissionError

if TYPE_CHECKING:
    from pathlib import Path

AWAY = BackendUnavailableError("slurm", "unable to contact slurm controller")
REFUSED = JobRejectedError("slurm", "invalid partition")


def attempt_with(*errors: SubmissionError) -> tuple[list[int], Any]:
    left = list(errors)
    tries: list[int] = []

    def attempt() -> None:
        tries.append(len(tries))
        if left:
            raise left.pop(0)

    return tries, attempt


@pytest.mark.parametrize("n_failures", [0, 1, 2])
def test_an_attempt_is_made_until_it_succeeds(n_failures: int) -> None:
    tries, attempt = attempt_with(*[AWAY] * n_failures)
    patiently(attempt, lambda: True, (0, 0))
    assert len(tries) == n_failures + 1


def test_patience_comes_to_an_end() -> None:
    tries, attempt = attempt_with(AWAY, AWAY, AWAY)
    with pytest.raises(BackendUnavailableError, match="unable to contact"):
        patiently(attempt, lambda: True, (0, 0))
    assert len(tries) == 3
    assert sum(PAUSES_S) == 120


def test_what_will_never_pass_is_not_tried_again() -> None:
    tries, attempt = attempt_with(REFUSED)
    with pytest.raises(JobRejectedError):
        patiently(attempt, lambda: True, (0, 0))
    assert len(tries) == 1


def test_nor_is_what_nobody_waits_for() -> None:
    tries, attempt = attempt_with(AWAY)
    with pytest.raises(BackendUnavailableError):
        patiently(attempt, lambda: False, (0, 0))
    assert len(tries) == 1


def test_a_scheduler_whose_program_is_not_there_takes_no_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    psij = load_psij()
    job = psij.Job(psij.JobSpec(executable="/bin/true", launcher="single"))
    with pytest.raises(JobRejectedError, match="no program sbatch on PATH"):
        hand_over(load_executor("slurm", tmp_path), job)


@pytest.mark.parametrize(("launcher", "seen"), [("single", "none"), ("srun", "x")])
def test_a_job_of_this_host_gets_no_options_of_an_allocation_around_the_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launcher: str, seen: str
) -> None:
    psij = load_psij()
    monkeypatch.setenv("PMI_RANK", "x")
    monkeypatch.setenv("KEPT", "kept")
    (tmp_path / "srun").write_text('#!/bin/sh\nexec "$@"\n')
    (tmp_path / "srun").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    spec = psij.JobSpec(
        executable="/bin/sh",
        arguments=["-c", 'echo "${PMI_RANK:-none} $KEPT $OURS"'],
        environment={"OURS": "ours"},
        stdout_path=tmp_path / "out",
        launcher=launcher,
    )
    job = psij.Job(spec)
    hand_over(load_executor("local", tmp_path), job)
    job.wait()
    assert (tmp_path / "out").read_text() == f"{seen} kept ours\n"


def test_the_time_that_the_tries_take_counts() -> None:
    tries, attempt = attempt_with(*[AWAY] * 50)
    with pytest.raises(BackendUnavailableError):
        patiently(attempt, lambda: True, (0,) * 50, lambda: 25.0 * len(tries))
    assert len(tries) == 5  # at 0, 25, 50, 75 and 100 s


def test_no_attempt_follows_a_pause_in_which_it_became_unwanted() -> None:
    answers = iter([True, False, False])
    tries, attempt = attempt_with(AWAY)
    with pytest.raises(BackendUnavailableError):
        patiently(attempt, lambda: next(answers), (60.0,))
    assert len(tries) == 1
