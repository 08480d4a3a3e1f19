from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from hybrid_parsl.engine.jobs.batch_options import BatchOptions
from hybrid_parsl.engine.jobs.batch_scheduler import (
    is_poll_failure,
    is_time_over,
    is_unreachable,
    known_to_pbs,
    load_executor,
    one_word_reasons,
    unique_job_name,
)
from hybrid_parsl.engine.jobs.queue_watch import QueueEntry, QueueWatch
from hybrid_parsl.engine.psij_executor import PsiJExecutor
from hybrid_parsl.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

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


def test_what_a_scheduler_says() -> None:
    assert is_time_over("The job exhausted its time limit.")
    assert is_time_over("job killed: walltime 12 exceeded limit 10")
    assert is_time_over("TIMEOUT")
    assert not is_time_over("A node required by the job is down.")
    assert not is_time_over(None)
    assert is_unreachable("Unable to contact slurm controller (connect failure)")
    assert not is_unreachable("sbatch: error: invalid partition specified: nope")
    assert is_poll_failure("Failed to poll for job status: Traceback")
    assert not is_poll_failure(None)


@pytest.mark.parametrize(
    ("backend", "words"),
    [
        ("slurm", ["#SBATCH --nodes=2", "#SBATCH --ntasks=6", "#SBATCH --time=0:2:0"]),
        ("pbs_classic", ["#PBS -l nodes=2:ppn=3", "#PBS -l walltime=0:2:0", '#PBS -N "search-']),
        ("pbs", ["#PBS -l select=2", "mpiprocs=3"]),
        ("lsf", ["#BSUB -nnodes 2", "#BSUB -n 6", "#BSUB -W 0:2", '#BSUB -J "hybrid-parsl-search']),
        ("cobalt", ["#COBALT --nodecount=2", "#COBALT --time=2\n", '#COBALT --jobname="hybrid-']),
    ],
)
def test_the_script_is_shown_without_being_written(
    tmp_path: Path, backend: str, words: list[str]
) -> None:
    executor = PsiJExecutor("mpi", tmp_path / "tasks", backend, batch=BatchOptions("debug"))
    resources = {"num_nodes": 2, "ranks_per_node": 3, "walltime_s": 120}
    text = executor.preview("search", resources).documents["search.sh"]
    for word in [*words, "debug", f"-m hybrid_parsl.mpi {tmp_path}/tasks/search"]:
        assert word in text
    assert f"{tmp_path}/tasks/.psij/{backend}" in text
    assert list(tmp_path.iterdir()) == []


def test_no_two_jobs_have_the_same_name_and_pbs_takes_it() -> None:
    for backend, prefix in (("slurm", "hybrid-parsl-search-"), ("pbs_classic", "search-")):
        names = {unique_job_name(backend, "search") for _ in range(50)}
        assert len(names) == 50
        assert all(name.startswith(prefix) for name in names)
    assert len(unique_job_name("pbs", "a_function_of_a_long_name")) == 15


def test_ranks_that_do_not_share_out_evenly_are_refused(tmp_path: Path) -> None:
    executor = PsiJExecutor("mpi", tmp_path, "slurm")
    with pytest.raises(ConfigurationError, match="same number of ranks") as caught:
        executor.preview("search", {"num_nodes": 2, "ranks_per_node": 2, "num_ranks": 3})
    assert caught.value.key == "num_ranks"


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
