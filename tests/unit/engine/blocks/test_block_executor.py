"""Blocks that do not come to run, and tasks of blocks that have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from parsl.jobs.states import JobState, JobStatus

from hybrid_parsl.engine.blocks.pilot import PilotMPIExecutor
from hybrid_parsl.engine.psij_provider import PsiJProvider
from hybrid_parsl.errors import JobFailedError

if TYPE_CHECKING:
    from pathlib import Path

RUNS, ENDED, LOST = JobState.RUNNING, JobState.FAILED, JobState.MISSING


@pytest.fixture
def executor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PilotMPIExecutor:
    executor = PilotMPIExecutor("mpi", tmp_path, PsiJProvider("local"))
    executor.held = []
    monkeypatch.setattr(executor, "_hold_block", executor.held.append)
    return executor


@pytest.mark.parametrize(
    ("states", "gives_up"),
    [
        ([], False),
        ([LOST], True),
        ([LOST, LOST], True),
        ([LOST, RUNS], False),
        ([ENDED], False),  # it came to run, and another may
        ([ENDED, LOST, LOST], False),
        ([ENDED, LOST, LOST, LOST], True),
        ([LOST] * 9 + [ENDED, LOST], False),
    ],
)
def test_when_no_further_block_is_tried(
    executor: Any, states: list[JobState], gives_up: Any
) -> None:
    executor.look_after({str(n): JobStatus(state) for n, state in enumerate(states)})
    assert executor.bad_state_is_set == gives_up
    if gives_up:
        assert isinstance(executor.executor_exception, JobFailedError)


def test_workers_of_an_ended_block_get_no_task(executor: Any) -> None:
    for _ in range(2):
        executor.look_after({"0": JobStatus(ENDED), "1": JobStatus(RUNS)})
    assert executor.held == ["0"]


def test_software_is_known_to_be_the_drivers_or_not_known(tmp_path: Path) -> None:
    other = PsiJProvider("local", python="/opt/python")
    found = [
        PilotMPIExecutor("mpi", tmp_path, PsiJProvider("local")).software,
        PilotMPIExecutor("mpi", tmp_path, PsiJProvider("local"), python="/opt/python").software,
        PilotMPIExecutor("mpi", tmp_path, other).software,
    ]
    assert found == ["", None, None]
