"""Checks that a site can be used, before a run leaves anything behind."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hybrid_parsl import labels
from hybrid_parsl.engine.plain_executor import as_site_executor
from hybrid_parsl.engine.session import check_config
from hybrid_parsl.engine.sites import SiteRun
from hybrid_parsl.engine.tasks.resource_request import ResourceRequest
from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import shown

if TYPE_CHECKING:
    from pathlib import Path

    import parsl

    from hybrid_parsl.engine.site_executor import SiteExecutor
    from hybrid_parsl.engine.sites import Site

_FOR_RANKS = "PsiJExecutor, PilotMPIExecutor, or another SiteExecutor with runs_mpi = True"


def check_site(site: Site, resources: dict[str, Any], directory: Path) -> parsl.Config:
    """Return a site's configuration for a run that asks for `resources`; nothing is started.

    Parameters
    ----------
    site
        Where to run.
    resources
        What the search asks for, in Parsl's words.
    directory
        Stands for the folder of the run; it need not be there and is not made.

    Raises
    ------
    ConfigurationError
        If the settings, the configuration, an executor's backend or folder, or the resources
        cannot be used.
    """
    config = site.config(SiteRun(directory.absolute()))
    check_config(config, site.source)
    for executor in map(as_site_executor, config.executors):
        if executor.label == labels.MPI and not executor.runs_mpi:
            message = f"the executor '{labels.MPI}' cannot run a search on ranks"
            raise ConfigurationError(message, site.source, None, executor.kind, _FOR_RANKS)
        executor.check(resources if executor.label == labels.MPI else {})
    return config


def check_qpu_request(site: Site, qpu: str) -> None:
    """Refuse a site whose jobs of circuits do not request a QPU that they need.

    Parameters
    ----------
    site
        Where to run.
    qpu
        The name of the QPU.

    Raises
    ------
    ConfigurationError
        If they request no QPU, or another one.
    """
    settings = site.settings()
    requested = None if settings is None else settings.requested_qpu
    if requested == qpu:
        return
    message = f"the jobs of circuits on the site {site.name} do not request the QPU"
    found = f"qpu = {shown(requested)}" if requested else "no qpu"
    takes_one = site.settings_model is not None and "qpu" in site.settings_model.model_fields
    valid = f'qpu = "{qpu}" with stages = "jobs" or "blocks"'
    if not takes_one:
        valid = f'a site with qpu = "{qpu}", such as slurm, or a driver in a job granted {qpu}'
    raise ConfigurationError(message, "site", "qpu", found, valid)


def ranks_on_this_host(config: parsl.Config, resources: dict[str, Any]) -> int:
    """Return how many ranks of a search share this host; 0 if they run elsewhere."""
    executor = executor_of(config, labels.MPI)
    if not executor.runs_here:
        return 0
    return int(settled_resources(executor, resources)["num_ranks"])


def samples_on_this_host(config: parsl.Config) -> bool:
    """Return whether the quantum stage runs in a process of this host."""
    return executor_of(config, labels.QUANTUM).runs_here


def executor_of(config: parsl.Config, label: str) -> SiteExecutor:
    """Return the executor of a label of a configuration that `check_config` has accepted."""
    return as_site_executor(next(each for each in config.executors if each.label == label))


def settled_resources(executor: SiteExecutor, resources: dict[str, Any]) -> dict[str, Any]:
    """Return what a search gets that asks for `resources`, in Parsl's words.

    The size that the site sets replaces the requested one.

    Raises
    ------
    ConfigurationError
        If a key is not known, or a value is not valid.
    """
    request = ResourceRequest.from_parsl(resources, executor.overrides)
    return {key: value for key, value in asdict(request).items() if value is not None}
