"""The doctor: checks a site from the outside in, and reports findings as it goes."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_parsl import identity, labels
from hybrid_parsl.engine.doctor.finding import Finding, ok, skipped, wrong
from hybrid_parsl.engine.doctor.first_job import FirstJob
from hybrid_parsl.engine.doctor.probes import Probes, probe_layout
from hybrid_parsl.engine.doctor.schedulers import examine_scheduler
from hybrid_parsl.engine.plain_executor import as_site_executor
from hybrid_parsl.engine.site_check import check_site, executor_of
from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.records.versions import software_versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import parsl

    from hybrid_parsl.engine.doctor.probes import Probe
    from hybrid_parsl.engine.site_executor import JobSource
    from hybrid_parsl.engine.sites import Site

_TRIES = 20
_PAUSE_S = 0.1


def job_sources(config: parsl.Config) -> list[JobSource]:
    """Return where the executors of a site send jobs, each once; this computer does not count."""
    found: list[JobSource] = []
    for executor in map(as_site_executor, config.executors):
        source = executor.job_source()
        if source is not None and source not in found:
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
            yield wrong("configuration", str(error), "fix this first; nothing can run before")
            return
        yield ok("run directory", f"{folder.parent} can be written to")
        for executor in map(as_site_executor, config.executors):
            executor.discard_failed_jobs()
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


def _examine_cluster(config: parsl.Config) -> Iterator[Finding]:
    """Check the cluster of the search, if the site is one."""
    executor = executor_of(config, labels.MPI)
    advice = "ask who runs the cluster, or take another context or namespace"
    try:
        checks = executor.diagnose(probe_layout(executor))
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
        If it cannot be made.
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
