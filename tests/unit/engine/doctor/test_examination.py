"""Which jobs a site would send; the whole examination is in tests/unit/cli and integration."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from parsl.executors.threads import ThreadPoolExecutor

from hybrid_parsl.engine.blocks.pilot import PilotMPIExecutor
from hybrid_parsl.engine.doctor.examination import job_sources
from hybrid_parsl.engine.jobs.scheduler_directives import BatchOptions
from hybrid_parsl.engine.psij_executor import PsiJExecutor
from hybrid_parsl.engine.psij_provider import PsiJProvider
from hybrid_parsl.engine.site_executor import JobSource

if TYPE_CHECKING:
    from pathlib import Path

DEBUG = BatchOptions("debug")


def sources(*executors: Any) -> list[JobSource]:
    return job_sources(SimpleNamespace(executors=executors))


def test_each_source_of_jobs_counts_once_and_this_computer_not(tmp_path: Path) -> None:
    job = PsiJExecutor("mpi", tmp_path, "slurm", batch=DEBUG, python="/opt/python")
    block = PilotMPIExecutor("mpi", tmp_path, PsiJProvider("slurm", DEBUG, python="/opt/python"))
    here = PsiJExecutor("mpi", tmp_path)
    other = PsiJExecutor("mpi", tmp_path, "flux")
    assert sources(job, block, here, other, ThreadPoolExecutor(label="analysis")) == [
        JobSource("slurm", DEBUG, "/opt/python"),
        JobSource("flux", BatchOptions(), sys.executable),
    ]
