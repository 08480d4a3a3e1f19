"""Finds out whether a site can be used, before a run leaves anything behind."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hybrid_parsl import labels
from hybrid_parsl.engine.jobs.batch_scheduler import LOCAL
from hybrid_parsl.engine.session import check_config
from hybrid_parsl.engine.sites import SiteRun
from hybrid_parsl.engine.tasks.resource_request import ResourceRequest
from hybrid_parsl.engine.warm_processes import WarmProcessExecutor
from hybrid_parsl.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    import parsl
    from parsl.executors.base import ParslExecutor

    from hybrid_parsl.engine.sites import Site

_FOR_RANKS = "PsiJExecutor, PilotMPIExecutor, or another one that knows num_nodes and walltime_s"


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
        The settings, the configuration, an executor's backend or folder, or the resources
        cannot be used.
    """
    config = site.config(SiteRun(directory.absolute()))
    check_config(config, site.source)
    for executor in config.executors:
        check = getattr(executor, "check", None)
        if check is not None:
            check(resources if executor.label == labels.MPI else {})
        elif executor.label == labels.MPI and type(executor).__module__.startswith("parsl."):
            kind = type(executor).__name__
            message = f"the executor '{labels.MPI}' cannot run a search on ranks"
            raise ConfigurationError(message, site.source, None, kind, _FOR_RANKS)
    return config


def ranks_on_this_host(config: parsl.Config, resources: dict[str, Any]) -> int:
    """Return how many ranks of a search share this host; 0 if they run elsewhere."""
    (executor,) = (each for each in config.executors if each.label == labels.MPI)
    if not _is_local(executor):
        return 0
    return int(settled_resources(executor, resources)["num_ranks"])


def samples_on_this_host(config: parsl.Config) -> bool:
    """Return whether the quantum stage runs in a process of this host."""
    (executor,) = (each for each in config.executors if each.label == labels.QUANTUM)
    return isinstance(executor, WarmProcessExecutor) or _is_local(executor)


def _is_local(executor: ParslExecutor) -> bool:
    return bool(getattr(executor, "backend", None) == LOCAL)


def settled_resources(executor: ParslExecutor, resources: dict[str, Any]) -> dict[str, Any]:
    """Return what a search gets that asks for `resources`, in Parsl's words.

    What the site says about its size takes the place of what is asked.

    Raises
    ------
    ConfigurationError
        A key is not known, or a value is not valid.
    """
    request = ResourceRequest.from_parsl(resources, getattr(executor, "overrides", {}))
    return {key: value for key, value in asdict(request).items() if value is not None}
