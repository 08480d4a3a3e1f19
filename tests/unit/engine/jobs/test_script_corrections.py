from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from hybrid_parsl.engine.jobs.scheduler_directives import BatchOptions
from hybrid_parsl.engine.psij_executor import PsiJExecutor
from hybrid_parsl.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

WORDS = ["it's", "two words", "$HOME `id` $(id)", "", "plain-1.2", "a*b", "#no"]
EACH = {"cores_per_rank": 3, "memory_gib_per_rank": 0.5, "gpus_per_rank": 1}


def script_of(folder: Path, backend: str, asked: dict[str, Any], **options: Any) -> str:
    batch = BatchOptions(**options)
    return PsiJExecutor("mpi", folder, backend, batch=batch).batch_script("search", asked)


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("debug", '#SBATCH --qos="debug"'),
        ("it's", '#SBATCH --qos="it\'s"'),
        ("two words", '#SBATCH --qos="two words"'),
        ('a "b" \\c', '#SBATCH --qos="a \\"b\\" \\\\c"'),
        ("$HOME `id`", '#SBATCH --qos="$HOME `id`"'),
        ("", "#SBATCH --qos"),
    ],
)
def test_values_are_quoted_as_sbatch_reads_them(tmp_path: Path, value: str, line: str) -> None:
    script = script_of(tmp_path, "slurm", {}, attributes={"qos": value})
    assert line in script.splitlines()


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        ("debug", {'#PBS -p "debug"', "#PBS -A debug"}),
        ("it's", {'#PBS -p "it\'s"', '#PBS -A "it\'s"'}),
        ("two words", {'#PBS -p "two words"', '#PBS -A "two words"'}),
    ],
)
def test_values_are_quoted_for_qsub(tmp_path: Path, value: str, lines: set[str]) -> None:
    script = script_of(tmp_path, "pbs", {}, account=value, attributes={"p": value})
    assert lines <= set(script.splitlines())


@pytest.mark.parametrize("value", [*WORDS, "two\nlines", 'say "x"', "back\\slash"])
def test_a_shell_reads_variables_as_they_are(tmp_path: Path, value: str) -> None:
    executor = PsiJExecutor("mpi", tmp_path, "slurm", environment={"WORDS": value})
    lines = executor.batch_script("search", {})
    (export,) = [line for line in lines.split("\nexport ") if line.startswith("WORDS=")]
    shell = ["bash", "-c", f'export {export}\nprintf %s "$WORDS"']
    assert subprocess.run(shell, capture_output=True, text=True, check=True).stdout == value


def test_a_variable_that_a_line_for_the_scheduler_cannot_hold(tmp_path: Path) -> None:
    executor = PsiJExecutor("mpi", tmp_path, "lsf", environment={"WORDS": "two\nlines"})
    with pytest.raises(ConfigurationError, match="has control characters"):
        executor.batch_script("search", {})


@pytest.mark.parametrize(
    ("backend", "asked", "lines"),
    [
        (
            "slurm",
            {"num_nodes": 2, "ranks_per_node": 4, **EACH},
            ["#SBATCH --cpus-per-task=3", "#SBATCH --mem=2097152K", "#SBATCH --gpus-per-task=1"],
        ),
        (
            "pbs",
            {"num_nodes": 2, "ranks_per_node": 4, **EACH},
            ["#PBS -l select=2:ncpus=12:mpiprocs=4:ngpus=4:mem=2097152kb"],
        ),
        ("pbs", {"num_ranks": 2}, ["#PBS -l select=1:ncpus=2:mpiprocs=2"]),
        (
            "pbs_classic",
            {"ranks_per_node": 4, **EACH},
            ["#PBS -l nodes=1:ppn=12:gpus=4", "#PBS -l pmem=524288kb"],
        ),
        ("pbs_classic", {"num_nodes": 2, "ranks_per_node": 3}, ["#PBS -l nodes=2:ppn=3"]),
        ("lsf", EACH, ["#BSUB -gpu num=1/task"]),
    ],
)
def test_what_ranks_ask_for_reaches_the_scheduler(
    tmp_path: Path, backend: str, asked: dict[str, Any], lines: list[str]
) -> None:
    script = script_of(tmp_path, backend, asked).splitlines()
    assert [line for line in lines if line not in script] == []


def test_nothing_is_asked_for_that_nothing_says(tmp_path: Path) -> None:
    script = script_of(tmp_path, "slurm", {"num_ranks": 2})
    assert not any(word in script for word in ("--mem", "--cpus-per-task", "--gpus"))


@pytest.mark.parametrize("option", ["mem", "mem-per-cpu"])
def test_the_memory_that_a_site_asks_for_counts(tmp_path: Path, option: str) -> None:
    script = script_of(tmp_path, "slurm", EACH, attributes={option: "100"})
    assert [line for line in script.splitlines() if "--mem" in line] == [
        f'#SBATCH --{option}="100"'
    ]


def test_srun_gives_ranks_their_cores(tmp_path: Path) -> None:
    executor = PsiJExecutor("mpi", tmp_path, "slurm", launcher="srun")
    assert "export SRUN_CPUS_PER_TASK=3" in executor.batch_script("search", EACH)
    assert "SRUN" not in executor.batch_script("search", {})


def test_torque_cannot_place_ranks_of_several_cores_on_several_nodes(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Torque") as caught:
        script_of(tmp_path, "pbs_classic", {"num_nodes": 2, "ranks_per_node": 1, **EACH})
    assert caught.value.key == "cores_per_rank"
