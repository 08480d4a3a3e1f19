"""The first job on the backend of this computer; on Slurm and PBS in tests/integration."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from waiting import PATIENCE_S

from hybrid_parsl import identity
from hybrid_parsl.engine.doctor.first_job import FirstJob
from hybrid_parsl.engine.jobs.scheduler_directives import BatchOptions

if TYPE_CHECKING:
    from pathlib import Path

    from hybrid_parsl.engine.doctor.finding import Finding


def examine(folder: Path, **changes: str) -> dict[str, Finding]:
    batch = BatchOptions(worker_init=changes.pop("worker_init", ""))
    options = {"python": sys.executable, "identity": identity.current(), **changes}
    job = FirstJob("local", batch, folder=folder, timeout_s=PATIENCE_S, **options)
    return {finding.check: finding for finding in job.examine()}


def test_each_step_is_told(tmp_path: Path) -> None:
    found = examine(tmp_path)
    assert list(found) == ["submit", "status", "run directory", "package", "cancel"]
    assert {finding.state for finding in found.values()} == {"ok"}


def test_an_interpreter_that_is_not_there(tmp_path: Path) -> None:
    found = examine(tmp_path, python="/no/such python")
    assert found["python"].state == "wrong"
    assert found["python"].message.startswith("/no/such python is not on ")
    assert found["cancel"].state == "ok"


def test_another_version_of_the_package(tmp_path: Path) -> None:
    found = examine(tmp_path, identity="0.0.1+abc")
    assert found["package"].state == "wrong"
    assert found["package"].message.endswith(", 0.0.1+abc here")


@pytest.mark.parametrize(
    ("worker_init", "words"),
    [
        ("echo first >&2; echo no such module >&2; exit 3", "exit code 3; no such module on "),
        ("no_such_command_at_all", "no_such_command_at_all: command not found on "),
    ],
)
def test_a_worker_init_that_fails(tmp_path: Path, worker_init: str, words: str) -> None:
    found = examine(tmp_path, worker_init=worker_init)
    assert found["worker_init"].state == "wrong"
    assert words in found["worker_init"].message


def test_a_job_that_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    job = FirstJob("slurm", BatchOptions(), sys.executable, identity.current(), tmp_path, 30)
    (finding,) = job.examine()
    assert (finding.check, finding.state) == ("submit", "wrong")
    assert "sbatch" in finding.message
