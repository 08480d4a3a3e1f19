"""What is settled before a run begins: the experiment, its site, and that both can be used."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import parsl

    from hybrid_parsl.engine.sites import Site
    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.project import Project

_NO_RUN = "RUN"  # stands for the folder of a run that has not begun


@dataclass(frozen=True)
class RunPlan:
    """An experiment that can be run on a site, as far as this machine can tell.

    Attributes
    ----------
    experiment
        What is asked; it names no file.
    project
        Whose workflow is run.
    site
        Where it runs.
    config
        What the site gives to Parsl, for a folder that stands for that of the run.
    notes
        What the user should know of the file of settings.
    """

    experiment: Experiment
    project: Project
    site: Site
    config: parsl.Config
    notes: list[str] = field(default_factory=list)


def plan_run(
    text: str,
    site: str,
    project: Project,
    overrides: Sequence[str] = (),
    site_settings: Sequence[str] = (),
    runs: Path = Path("runs"),
) -> RunPlan:
    """Return the plan of a run, checked as far as it can be without starting anything.

    Parameters
    ----------
    text
        A TOML file, or the name of one of the project's experiments.
    site
        A site of the project or of a plug-in, or the path of a site file.
    project
        Whose workflow is run.
    overrides
        Keys of the experiment that are replaced, as ``key=value``.
    site_settings
        Settings of the site, as ``key=value``.
    runs
        The folder of all runs.

    Raises
    ------
    ConfigurationError
        Experiment or site is not there, is not valid, or cannot be used.
    """
    experiment = load_experiment(text, overrides, project)
    from hybrid_parsl.engine.site_check import check_site, ranks_on_this_host, samples_on_this_host
    from hybrid_parsl.engine.sites import check_tables, load_site
    from hybrid_parsl.mpi.launcher import TRANSPORTS
    from hybrid_parsl.mpi.shared_memory import check_shared_memory
    from hybrid_parsl.stages.check import check_memory_here
    from hybrid_parsl.stages.host import check_ranks_here

    place = load_site(site, project, site_settings)
    notes = check_tables(place.name, project)
    resources = experiment.search_resources
    config = check_site(place, resources, runs / _NO_RUN)
    with _placed(project.experiment_path(text), overrides):
        n_ranks = ranks_on_this_host(config, resources)
        check_ranks_here(experiment.resources, n_ranks)
        check_shared_memory(n_ranks, os.environ.get("UCX_TLS", TRANSPORTS["UCX_TLS"]))
        check_memory_here(experiment, n_ranks, samples=samples_on_this_host(config))
    return RunPlan(experiment, project, place, config, notes)


def load_experiment(text: str, overrides: Sequence[str], project: Project) -> Experiment:
    """Return the experiment that `text` names, checked as far as it can be on any machine.

    Raises
    ------
    ConfigurationError
        It is not there, or something in it is not valid.
    """
    from hybrid_parsl.experiment_file import read_experiment
    from hybrid_parsl.problems.registry import embed_code, embed_files
    from hybrid_parsl.stages.check import check_experiment

    path = project.experiment_path(text)
    experiment = read_experiment(path, overrides)
    with _placed(path, overrides):
        coded = embed_code(experiment, (path.parent, project.folder))
        embedded = embed_files(coded, path.parent)
        check_experiment(embedded)
    return embedded


@contextlib.contextmanager
def _placed(path: Path, overrides: Sequence[str]) -> Iterator[None]:
    """Let an error tell whether ``--set`` or the file at `path` says what is wrong."""
    from hybrid_parsl.errors import ConfigurationError
    from hybrid_parsl.experiment_file import origin

    try:
        yield
    except ConfigurationError as error:
        raise error.at(origin(error.key, overrides, str(path)) or str(path)) from error
