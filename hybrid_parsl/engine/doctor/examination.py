"""The doctor: looks at a site from the outside in, and tells what it finds as it goes."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybrid_parsl import identity
from hybrid_parsl.engine.doctor.finding import Finding, ok, skipped, wrong
from hybrid_parsl.engine.doctor.first_job import FirstJob
from hybrid_parsl.engine.doctor.probes import Probes, probe_layout
from hybrid_parsl.engine.doctor.schedulers import examine_scheduler
from hybrid_parsl.engine.jobs.batch_options import BatchOptions
from hybrid_parsl.engine.jobs.batch_scheduler import LOCAL
from hybrid_parsl.engine.jobs.kube_context import KUBERNETES
from hybrid_parsl.engine.kubernetes.executor import KubernetesExecutor
from hybrid_parsl.engine.site_check import check_site
from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.records.versions import software_versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import parsl

    from hybrid_parsl.engine.doctor.probes import Probe
    from hybrid_parsl.engine.sites import Site

_TRIES = 20
_PAUSE_S = 0.1


@dataclass(frozen=True)
class JobSource:
    """Where an executor sends jobs.

    Attributes
    ----------
    backend
        PSI/J's name of the scheduler.
    batch
        What jobs tell it.
    python
        The interpreter on the nodes.
    """

    backend: str
    batch: BatchOptions
    python: str


def job_sources(config: parsl.Config) -> list[JobSource]:
    """Return where the executors of a site send jobs, each once; this computer does not count."""
    found: list[JobSource] = []
    for executor in config.executors:
        holder: Any = executor if hasattr(executor, "backend") else getattr(executor, "provider", 0)
        backend = getattr(holder, "backend", LOCAL)
        python = getattr(holder, "python", None) or sys.executable
        source = JobSource(backend, getattr(holder, "batch", BatchOptions()), python)
        if backend not in (LOCAL, KUBERNETES) and source not in found:
            found.append(source)
    return found


def examine(
    site: Site, runs: Path, probes: Mapping[str, Probe], timeout_s: float
) -> Iterator[Finding]:
    """Look at all that a run on a site needs; leaves no job and no file behind.

    Parameters
    ----------
    site
        The site.
    runs
        The folder of all runs.
    probes
        The function for each label that reports from there.
    timeout_s
        Longest time in seconds for a job to start, and for the probes to answer.
    """
    versions = software_versions()
    shown = ("hybrid-parsl", "python", "parsl", "psij-python", "mpi4py")
    yield ok("here", ", ".join(f"{name} {versions[name]}" for name in shown if name in versions))
    try:
        folder = _make_folder(runs)
    except OSError as error:
        advice = "take a --runs-dir that can be written to"
        yield wrong("run directory", f"{error.filename or runs}: {error.strerror}", advice)
        return
    try:
        try:
            config = check_site(site, {}, folder)
        except ConfigurationError as error:
            yield wrong("configuration", str(error), "put this right; nothing can run before")
            return
        yield ok("run directory", f"{folder.parent} can be written to")
        _leave_no_job(config)
        healthy = True
        for finding in _examine_cluster(config):
            healthy &= finding.state == "ok"
            yield finding
        for source in job_sources(config):
            for finding in _examine_jobs(source, folder, timeout_s):
                healthy &= finding.state != "wrong"
                yield finding
        if healthy:
            yield from Probes(config, site.source, probes, versions, folder, timeout_s).examine()
        else:
            yield skipped("ranks and workers", "they need what is wrong above")
    finally:
        _remove(folder, runs)


def _leave_no_job(config: parsl.Config) -> None:
    """See to it that a cluster keeps no probe that fails: the doctor tells what it says."""
    for executor in config.executors:
        if isinstance(executor, KubernetesExecutor):
            executor.cluster = replace(executor.cluster, keep="none")


def _examine_cluster(config: parsl.Config) -> Iterator[Finding]:
    """Look at a Kubernetes cluster, if the site is one."""
    executors = (each for each in config.executors if isinstance(each, KubernetesExecutor))
    executor = next(executors, None)
    if executor is None:
        return
    advice = "ask who runs the cluster, or take another context or namespace"
    try:
        checks = executor.look_at_cluster(probe_layout(executor))
    except ConfigurationError as error:
        is_missing = "pip install" in (error.valid or "")
        advice = "install the client" if is_missing else "set kubeconfig and context of the site"
        yield wrong("cluster", str(error), advice)
        return
    for name, is_fine, detail in checks:
        yield ok(name, detail) if is_fine is not False else wrong(name, detail, advice)


def _examine_jobs(source: JobSource, folder: Path, timeout_s: float) -> Iterator[Finding]:
    """Look at a scheduler, and send it a first job if nothing is wrong with it."""
    for finding in examine_scheduler(source.backend, source.batch):
        yield finding
        if finding.state == "wrong":
            yield skipped("submit", "the scheduler does not take jobs like this")
            return
    job = FirstJob(
        source.backend, source.batch, source.python, identity.current(), folder, timeout_s
    )
    yield from job.examine()


def _make_folder(runs: Path) -> Path:
    """Make a folder like that of a run.

    Raises
    ------
    OSError
        It cannot be made.
    """
    runs.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=".doctor-", dir=runs.resolve()))


def _remove(folder: Path, runs: Path) -> None:
    """Remove the folder, into which a job that just ends may still write."""
    for _ in range(_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            break
        time.sleep(_PAUSE_S)
    with contextlib.suppress(OSError):
        os.rmdir(runs)  # noqa: PTH106 - only if it is empty, as it was if it was made here
