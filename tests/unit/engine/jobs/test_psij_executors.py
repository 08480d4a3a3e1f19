"""What PSI/J's executors get wrong, corrected in subclasses of them."""

from __future__ import annotations

import getpass
import json
import os
from pathlib import Path
from typing import Any

import pytest

from hybrid_parsl.engine.jobs.batch_scheduler import executor_config, load_executor
from hybrid_parsl.engine.jobs.psij_executors import (
    Hooks,
    known_to_pbs,
    make_executor,
    one_word_reasons,
)
from hybrid_parsl.engine.jobs.psij_loading import load_psij
from hybrid_parsl.engine.jobs.queue_watch import QueueEntry, QueueWatch

SQUEUE = """\
ARRAY_JOB_ID        ST                  REASON
12                  PD                  (Nodes required for job are DOWN)
13                  R                   None
14                  F
99                  PD                  Nodes required, by others
"""


def test_only_our_lines_of_squeue_are_kept_with_a_reason_of_one_word() -> None:
    assert one_word_reasons(SQUEUE, lambda job_id: job_id != "99").split("\n")[1:] == [
        "12 PD (Nodes_required_for_job_are_DOWN)",
        "13 R None",
        "14 F None",
    ]
    assert one_word_reasons("", lambda _: True) == ""


@pytest.mark.parametrize(
    ("output", "known"),
    [
        ('{"Jobs": {"1.x": {"job_state": "R"}}}\nqstat: Unknown Job Id 2.x', ["1.x"]),
        ("qstat: Unknown Job Id 2.x", []),
        ("", []),
        ("[1]", []),
    ],
)
def test_qstat_may_know_only_some_of_the_jobs(output: str, known: list[str]) -> None:
    assert list(json.loads(known_to_pbs(output))["Jobs"]) == known


@pytest.mark.parametrize("backend", ["pbs", "pbs_classic"])
def test_a_job_that_qstat_does_not_know_is_no_failed_question(backend: str) -> None:
    watch = QueueWatch(backend)
    executor: Any = load_executor(backend, watch=watch)
    known = '{"Jobs": {"1.x": {"job_state": "Q", "comment": "Not Running: no nodes"}}}'
    statuses = executor.parse_status_output(153, f"{known}\nqstat: Unknown Job Id 2.x")
    assert list(statuses) == ["1.x"]
    assert watch.entry("1.x") == QueueEntry("QUEUED", "Not Running: no nodes")


def test_what_a_program_says_instead_of_an_answer_is_kept() -> None:
    watch = QueueWatch("pbs")
    executor: Any = load_executor("pbs", watch=watch)
    with pytest.raises(RuntimeError):
        executor.parse_status_output(2, "qstat: invalid option -- 'F'")
    assert watch.silence == "qstat: invalid option -- 'F'"
    with pytest.raises(ValueError, match="Expecting value"):
        executor.parse_status_output(0, "Job id  Name")
    assert watch.silence == "Job id Name"


def test_slurms_reasons_are_kept_as_slurm_says_them() -> None:
    watch = QueueWatch("slurm")
    executor: Any = load_executor("slurm", watch=watch)
    executor.parse_status_output(0, SQUEUE)
    assert watch.entry("12") == QueueEntry("QUEUED", "(Nodes required for job are DOWN)")
    assert watch.entry("13") == QueueEntry("ACTIVE", "")
    assert executor.get_status_command(["12"])[-1] == "--format=%i %t %r"


def test_only_rows_of_our_jobs_are_read() -> None:
    watch = QueueWatch("slurm")
    config = executor_config("slurm", Path("unused"), 3600)
    executor: Any = make_executor("slurm", config, Hooks(watch, lambda job_id: job_id == "13"))
    assert list(executor.parse_status_output(0, SQUEUE)) == ["13"]
    assert watch.entry("12") is None


@pytest.mark.parametrize("backend", ["slurm", "pbs", "lsf"])
def test_psijs_own_executors_are_left_as_they_are(backend: str, tmp_path: Path) -> None:
    config = executor_config(backend, tmp_path, 3600)
    ours: Any = make_executor(backend, config)
    theirs = load_psij().JobExecutor.get_instance(backend, config=config)
    assert isinstance(ours, type(theirs))
    assert ours.name == theirs.name == backend
    assert "_run_command" not in vars(theirs)
    assert "hybrid_parsl" not in type(theirs).generate_submit_script.__module__


def test_a_user_without_a_terminal_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getlogin", lambda: 1 / 0)
    executor: Any = load_executor("pbs")
    assert executor._current_user() == getpass.getuser()


@pytest.mark.parametrize("backend", ["local", "slurm"])
def test_psijs_executors_plan_no_id_and_can_be_closed(backend: str, tmp_path: Path) -> None:
    executor: Any = load_executor(backend, tmp_path)
    assert executor.planned_id(load_psij().Job()) is None
    executor.close()


def test_a_local_job_has_no_list_of_nodes(tmp_path: Path) -> None:
    executor: Any = load_executor("local", tmp_path)
    assert executor._generate_nodefile(load_psij().Job(), None) is None
