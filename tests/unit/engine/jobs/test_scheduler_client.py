from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from hybrid_parsl.engine.jobs.scheduler_client import (
    client_environment,
    ignored_variables,
    run_client,
)
from hybrid_parsl.engine.jobs.scheduler_directives import BatchOptions

KEPT = (
    "SLURM_CONF",
    "SLURM_JWT",
    "PBS_SERVER",
    "PBS_CONF_FILE",
    "PMIX_MCA_gds",
    "PATH",
    "MYSLURM_X",
    "PBSPRO",
    "SBATCHED",
)
DROPPED = (
    "SBATCH_PARTITION",
    "SQUEUE_NAMES",
    "SALLOC_ACCOUNT",
    "SCANCEL_NAME",
    "SLURM_MEM_PER_CPU",
    "SLURM_CPU_BIND_TYPE",
    "SLURMD_NODENAME",
    "SRUN_CPUS_PER_TASK",
    "PBS_NODEFILE",
    "PBS_DPREFIX",
    "QSTAT_X",
    "QSUB_ARGS",
    "PMI_RANK",
    "PMIX_RANK",
    "PMI_FD",
)


def test_options_of_the_users_shell_do_not_reach_programs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in (*KEPT[:5], *KEPT[6:], *DROPPED):
        monkeypatch.setenv(name, "x")
    program = "import json, os; print(json.dumps(dict(os.environ)))"
    seen: dict[str, Any] = json.loads(run_client([sys.executable, "-c", program]).stdout)
    assert [name for name in KEPT if name not in seen] == []
    assert [name for name in DROPPED if name in seen] == []
    assert not set(DROPPED) & set(client_environment())


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        (
            {"SBATCH_PARTITION": "debug"},
            ["SBATCH_PARTITION=debug of your environment is ignored; ", "set partition=debug"],
        ),
        ({"SBATCH_TIMELIMIT": "3"}, ["--site-set walltime=3min"]),
        ({"SBATCH_QOS": "long"}, ["--site-set 'attributes={ qos = \"long\" }'"]),
        ({"SBATCH_EXPORT": "NONE"}, ["is ignored; set variables in worker_init"]),
        ({"SLURM_CPU_BIND": "none"}, ["export it in the setting worker_init"]),
    ],
)
def test_a_variable_that_would_have_counted_is_named(
    environment: dict[str, str], words: list[str]
) -> None:
    (message,) = ignored_variables("slurm", BatchOptions(), environment)
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize(
    ("backend", "environment"),
    [
        ("slurm", {"SBATCH_PARTITION": "one", "SBATCH_ACCOUNT": "phys", "SBATCH_QOS": "q"}),
        ("slurm", {"SLURM_JOB_ID": "1", "SLURM_CPU_BIND": "none"}),
        ("slurm", {"SLURM_CONF": "/x", "SQUEUE_FORMAT": "%i", "SLURM_MPI_TYPE": "pmix"}),
        ("local", {"SBATCH_PARTITION": "two"}),
    ],
)
def test_a_variable_that_would_not_have_counted_is_not(
    backend: str, environment: dict[str, str]
) -> None:
    options = BatchOptions("one", "phys", {"qos": "q"})
    assert ignored_variables(backend, options, environment) == []
