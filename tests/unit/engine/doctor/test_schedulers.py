"""What the doctor concludes; the schedulers themselves are asked in tests/integration."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from hybrid_parsl.engine.doctor import schedulers
from hybrid_parsl.engine.doctor.schedulers import examine_scheduler, waiting_reason
from hybrid_parsl.engine.jobs.scheduler_directives import BatchOptions

if TYPE_CHECKING:
    from pathlib import Path

PARTITIONS = {
    "": ("up", "4", "1:00:00"),
    "debug": ("up", "4", "1:00:00"),
    "old": ("down", "2", "infinite"),
}


@pytest.mark.parametrize(
    ("name", "state", "words"),
    [
        ("debug", "ok", "debug: up, 4 nodes, jobs of at most 1:00:00"),
        ("", "ok", "the default: up"),
        ("old", "wrong", "old: down"),
        ("new", "wrong", "there is no partition 'new'"),
    ],
)
def test_partitions(name: str, state: str, words: str) -> None:
    finding = schedulers._judge_partition(name, PARTITIONS)
    assert finding.state == state
    assert words in finding.message
    assert ("debug, old" in finding.advice) == (state == "wrong")


def test_a_cluster_without_a_default_partition() -> None:
    finding = schedulers._judge_partition("", {"debug": ("up", "4", "1:00:00")})
    assert (finding.state, finding.message) == ("wrong", "there is no default partition")


def install(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that comes first on PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


@pytest.mark.parametrize(
    ("account", "state", "words"),
    [
        ("physics", "ok", "physics;"),
        (None, "ok", "none asked for;"),
        ("chemistry", "wrong", "has no account 'chemistry'"),
    ],
)
def test_accounts(programs: Path, account: str | None, state: str, words: str) -> None:
    # no cluster of the tests keeps accounts: what sacctmgr prints comes from its manual page
    install(programs, "sacctmgr", "printf 'physics\\nbiology\\nphysics\\n'")
    finding = schedulers._judge_account(account)
    assert finding.state == state
    assert words in finding.message
    assert state == "ok" or "biology, physics" in finding.advice


def test_accounts_that_cannot_be_looked_up_are_said_to_be_so(programs: Path) -> None:
    install(programs, "sacctmgr", "echo no database >&2; exit 1")
    finding = schedulers._judge_account("physics")
    assert finding.state == "ok"
    assert finding.message == "physics; cannot be looked up (no database)"


def test_commands_that_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "squeue", "true")
    monkeypatch.setenv("PATH", str(tmp_path))
    (finding,) = examine_scheduler("slurm", BatchOptions())
    assert finding.state == "wrong"
    assert finding.message == "sbatch, scancel, scontrol, sinfo not in PATH"


def test_a_backend_that_nobody_knows_how_to_ask() -> None:
    (finding,) = examine_scheduler("flux", BatchOptions())
    assert finding.state == "skipped"
    assert waiting_reason("flux", "7") == "unknown"


def test_a_qstat_without_json(programs: Path) -> None:
    for name in ("qsub", "qdel"):
        install(programs, name, "true")
    install(programs, "qstat", 'test "$1" = -Q || { echo "invalid option -- F" >&2; exit 2; }')
    findings = {each.check: each for each in examine_scheduler("pbs", BatchOptions("long"))}
    assert findings["queue"].message == "long"
    assert findings["qstat -F json"].state == "wrong"
    assert findings["qstat -F json"].message == "invalid option -- F"
