"""Executors that know only Parsl, seen through the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parsl.executors import HighThroughputExecutor, MPIExecutor
from parsl.executors.threads import ThreadPoolExecutor
from parsl.launchers import SimpleLauncher
from parsl.providers import LocalProvider
from waiting import PATIENCE_S

from hybrid_parsl.engine.jobs.scheduler_directives import BatchOptions
from hybrid_parsl.engine.plain_executor import PlainExecutor, as_site_executor
from hybrid_parsl.engine.psij_executor import PsiJExecutor
from hybrid_parsl.engine.psij_provider import PsiJProvider
from hybrid_parsl.engine.site_executor import JobSource, Preview

if TYPE_CHECKING:
    from pathlib import Path


def test_an_executor_of_ours_is_used_as_it_is(tmp_path: Path) -> None:
    executor = PsiJExecutor("mpi", tmp_path)
    assert as_site_executor(executor) is executor


def test_threads_get_the_defaults() -> None:
    threads = ThreadPoolExecutor(label="quantum")
    threads.start()
    try:
        found = as_site_executor(threads)
        assert isinstance(found, PlainExecutor)
        assert (found.kind, found.label, found.backend) == ("ThreadPoolExecutor", "quantum", "")
        assert found.runs_here
        assert found.software == ""
        assert not found.runs_mpi
        assert found.preview("search", {}) == Preview()
        assert found.validate("search", {}) == "no scheduler is involved"
        assert found.call(lambda: 7).result(PATIENCE_S) == 7
        assert (found.job_source(), found.connection(), found.diagnose({})) == (None, None, [])
        found.close()
    finally:
        threads.shutdown()


def test_blocks_of_a_provider_of_ours_are_known() -> None:
    provider = PsiJProvider("slurm", BatchOptions("debug"), python="/opt/python")
    found = as_site_executor(HighThroughputExecutor("quantum", provider, address="127.0.0.1"))
    assert found.backend == "slurm"
    assert not found.runs_here
    assert found.job_source() == JobSource("slurm", BatchOptions("debug"), "/opt/python")
    assert found.software is None
    provider = PsiJProvider("slurm", BatchOptions("debug"))
    found = as_site_executor(HighThroughputExecutor("quantum", provider, address="127.0.0.1"))
    assert found.software == ""


def test_parsls_own_executor_for_mpi_cannot_start_ranks_of_a_search() -> None:
    provider = LocalProvider(launcher=SimpleLauncher())
    executor = MPIExecutor("mpi", provider, mpi_launcher="mpiexec", address="127.0.0.1")
    found = as_site_executor(executor)
    assert not found.runs_mpi
    assert found.job_source() is None
    assert found.software is None
