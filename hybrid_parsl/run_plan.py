"""What is settled before a run begins: the experiment, its site, and that both can be used."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import parsl

    from hybrid_parsl.engine.sites import Site
    from hybrid_parsl.engine.trace import Trace
    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.project import Project
    from hybrid_parsl.study_points import Point
    from hybrid_parsl.sweep import Sweep
    from hybrid_parsl.workflow import Workflow

_NO_RUN = "RUN"  # stands for the folder of a run that has not begun


@dataclass(frozen=True)
class RunPlan:
    """An experiment that can be run on a site, as far as this machine can check.

    Attributes
    ----------
    experiment
        The experiment, without references to files.
    project
        Whose workflow is run.
    site
        Where it runs.
    config
        What the site gives to Parsl, for a folder that stands for that of the run.
    trace
        The calls that the workflow makes, as far as they are known; those at the first point of a
        study.
    notes
        What the user should know of the file of settings.
    points
        The points of a study; none for a single run. `experiment` is that of the first one, with
        the sweep.
    n_tasks
        How many tasks there are; None if that is decided at run time.
    """

    experiment: Experiment
    project: Project
    site: Site
    config: parsl.Config
    trace: Trace
    notes: list[str] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    n_tasks: int | None = None


def plan_run(
    text: str | Mapping[str, Any],
    site: str,
    project: Project,
    overrides: Sequence[str] = (),
    site_settings: Sequence[str] = (),
    runs: Path = Path("runs"),
    workflow: str | None = None,
) -> RunPlan:
    """Return the plan of a run, checked as far as it can be without starting anything.

    Parameters
    ----------
    text
        A TOML file, or the name of one of the project's experiments; or the content of such a file,
        whose paths are relative to the current folder.
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
    workflow
        The workflow to run; that of the experiment if None.

    Raises
    ------
    ConfigurationError
        If experiment or site is not there, is not valid, or cannot be used.
    """
    from hybrid_parsl.experiment_file import sweep_of

    asked = [*overrides, *([f"workflow.name={workflow}"] if workflow else [])]
    path, table = _read(text, project)
    sweep = sweep_of(table, asked, str(path))
    points = _make_points(path, table, sweep, asked, project) if sweep else []
    experiment = points[0].experiment if points else _load_single(path, table, asked, project)
    from hybrid_parsl.engine.site_check import check_site
    from hybrid_parsl.engine.sites import check_tables, load_site
    from hybrid_parsl.study_points import embedded_sweep
    from hybrid_parsl.workflow import find_workflow

    with _placed(path, asked):
        chosen = find_workflow(project.workflows(), experiment.workflow.name)
        experiment = _with_options(experiment, chosen)
        points = [_point_with_options(each, chosen, path) for each in points]
    place = load_site(site, project, site_settings)
    notes = check_tables(place.name, project)
    resources = experiment.search_resources
    config = check_site(place, resources, runs / _NO_RUN)
    with _placed(path, asked):
        trace = _trace(lambda: chosen(experiment), experiment, chosen, project)
        n_tasks, others = _extent(trace, chosen, experiment, points, project)
        for other in others:
            check_site(place, other, runs / _NO_RUN)
        _check_here([each.experiment for each in points] or [experiment], place, config, trace)
    if sweep is not None:
        experiment = experiment.model_copy(update={"sweep": embedded_sweep(sweep, points)})
    return RunPlan(experiment, project, place, config, trace, notes, points, n_tasks)


def _check_here(
    experiments: Sequence[Experiment], site: Site, config: parsl.Config, trace: Trace
) -> None:
    """Check what experiments need of a QPU, and of this host if a part of them runs here.

    Raises
    ------
    ConfigurationError
        If they need more than there is.
    InsufficientMemoryError
        If a part of one does not fit in the memory of this host.
    """
    from hybrid_parsl.engine.site_check import (
        check_qpu_request,
        ranks_on_this_host,
        samples_on_this_host,
    )
    from hybrid_parsl.mpi.launcher import TRANSPORTS
    from hybrid_parsl.mpi.shared_memory import check_shared_memory
    from hybrid_parsl.quantum.registry import open_backend
    from hybrid_parsl.stages.check import check_memory_here
    from hybrid_parsl.stages.host import check_ranks_here
    from hybrid_parsl.stages.qpu_estimate import check_qpu_time

    for each in _distinct(experiments, "problem", "ansatz", "quantum"):
        backend = open_backend(each.quantum)
        if backend.required_qpu and not backend.is_reachable:
            check_qpu_request(site, backend.required_qpu)
        check_qpu_time(each, trace.functions)
    if not _may_search(trace):
        return
    for each in _distinct(experiments, "problem", "ansatz", "quantum", "search", "resources"):
        n_ranks = ranks_on_this_host(config, each.search_resources)
        check_ranks_here(each.resources, n_ranks)
        check_shared_memory(n_ranks, os.environ.get("UCX_TLS", TRANSPORTS["UCX_TLS"]))
        check_memory_here(each, n_ranks, samples=samples_on_this_host(config))


def _read(text: str | Mapping[str, Any], project: Project) -> tuple[Path, dict[str, Any]]:
    """Return where an experiment comes from, and its content as TOML has it.

    Raises
    ------
    ConfigurationError
        If there is no such file, or it is not TOML.
    """
    from hybrid_parsl.experiment_file import read_table

    if not isinstance(text, str):
        return Path.cwd() / "experiment", dict(text)
    path = project.experiment_path(text)
    return path, read_table(path)


def requested_experiments(
    table: dict[str, Any], overrides: Sequence[str], source: str
) -> list[Experiment]:
    """Return the experiment of each point as it is requested; nothing is imported or read for it.

    Parameters
    ----------
    table
        The experiment as TOML has it.
    overrides
        As for `plan_run`.
    source
        Where the experiment comes from, for errors.

    Raises
    ------
    ConfigurationError
        If a key or value is not valid.
    """
    from hybrid_parsl.experiment_file import parse_experiment, sweep_of, with_values
    from hybrid_parsl.study_points import make_points

    sweep = sweep_of(table, overrides, source)
    if sweep is None:
        return [parse_experiment(table, overrides, source)]
    asked = with_values(table, overrides, source)
    points = make_points(asked, sweep, source, lambda experiment, _: experiment, ())
    return [each.experiment for each in points]


def load_experiment(
    text: str | Mapping[str, Any],
    overrides: Sequence[str],
    project: Project,
    *,
    is_driven_here: bool = True,
) -> Experiment:
    """Return the experiment that `text` names, checked as far as it can be on any machine.

    Parameters
    ----------
    text, overrides, project
        As for `plan_run`.
    is_driven_here
        Whether this host will drive the run, so that it has the account of a remote backend.

    Raises
    ------
    ConfigurationError
        If it is not there, or something in it is not valid.
    """
    from hybrid_parsl.errors import ConfigurationError
    from hybrid_parsl.experiment_file import origin, sweep_of
    from hybrid_parsl.sweep import KEY

    path, table = _read(text, project)
    if sweep_of(table, overrides, str(path)) is not None:
        message, valid = "is not possible here", "hybrid-parsl run, Prefect, or no sweep"
        raise ConfigurationError(message, origin(KEY, overrides, str(path)), KEY, None, valid)
    return _load_single(path, table, overrides, project, is_driven_here=is_driven_here)


def _load_single(
    path: Path,
    table: dict[str, Any],
    overrides: Sequence[str],
    project: Project,
    *,
    is_driven_here: bool = True,
) -> Experiment:
    """Return the experiment in a table without a sweep, checked; `path` is where it comes from."""
    from hybrid_parsl.experiment_file import parse_experiment

    experiment = parse_experiment(table, overrides, str(path))
    with _placed(path, overrides):
        return _completed(experiment, path, project, is_driven_here=is_driven_here)


def _make_points(
    path: Path,
    table: dict[str, Any],
    sweep: Sweep,
    overrides: Sequence[str],
    project: Project,
) -> list[Point]:
    """Return the points of a study, each checked as an experiment is.

    Raises
    ------
    ConfigurationError
        If a point is not valid.
    """
    from hybrid_parsl.errors import ConfigurationError
    from hybrid_parsl.experiment_file import with_values
    from hybrid_parsl.stages.check import CHECKED_TABLES
    from hybrid_parsl.study_points import make_points

    for assignment in overrides:
        key, _, value = (part.strip() for part in assignment.partition("="))
        if key in sweep.axes:
            message, valid = "is swept, so it has other values", f"--sweep {key}={value}"
            raise ConfigurationError(message, "--set", key, assignment, valid)

    def complete(experiment: Experiment, place: str) -> Experiment:
        with _placed(Path(place), ()):
            return _completed(experiment, path, project)

    asked = with_values(table, overrides, str(path))
    return make_points(asked, sweep, str(path), complete, CHECKED_TABLES)


def _completed(
    experiment: Experiment, path: Path, project: Project, *, is_driven_here: bool = True
) -> Experiment:
    """Return an experiment with the code and the files that it names, checked."""
    from hybrid_parsl.problems.registry import embed_code, embed_files
    from hybrid_parsl.stages.check import check_experiment

    coded = embed_code(experiment, (path.parent, project.folder))
    embedded = embed_files(coded, path.parent)
    check_experiment(embedded, is_driven_here=is_driven_here)
    return embedded


def _distinct(experiments: Sequence[Experiment], *tables: str) -> list[Experiment]:
    """Return one experiment for each content of some tables."""
    found: dict[str, Experiment] = {}
    for each in experiments:
        found.setdefault(each.model_dump_json(include=set(tables)), each)
    return list(found.values())


def _point_with_options(point: Point, workflow: Workflow, path: Path) -> Point:
    """Return a point whose experiment has every option of its workflow.

    Raises
    ------
    ConfigurationError
        If the workflow does not take these options.
    """
    with _placed(Path(f"{path}, {point.label}"), ()):
        return replace(point, experiment=_with_options(point.experiment, workflow))


def _with_options(experiment: Experiment, workflow: Workflow) -> Experiment:
    """Return `experiment` with every option of its workflow.

    Raises
    ------
    ConfigurationError
        If the workflow does not take these options.
    """
    table = type(experiment.workflow).model_validate(workflow.complete(experiment.workflow))
    if table == experiment.workflow:
        return experiment
    return experiment.model_copy(update={"workflow": table})


def _trace(
    call: Callable[[], object], experiment: Experiment, workflow: Workflow, project: Project
) -> Trace:
    """Return the calls that `call` makes, which must fit the tables of resources.

    Raises
    ------
    HybridParslError
        If the workflow fails before it needs a result.
    ConfigurationError
        If a table of ``[resources]`` is for no task of the workflow.
    """
    from hybrid_parsl import labels
    from hybrid_parsl.engine.stage_errors import workflow_error
    from hybrid_parsl.engine.trace import trace_workflow
    from hybrid_parsl.errors import ConfigurationError
    from hybrid_parsl.messages import nearest
    from hybrid_parsl.reuse.call_key import share_key

    trace = trace_workflow(call, project.code_of, experiment.resources_of_call, share_key)
    if trace.error is not None:
        raise workflow_error(f"workflow {workflow.name}", trace.error) from trace.error
    known = {*labels.ALL}
    known |= {word for call in trace.calls for word in (call.name, call.function.split(":")[-1])}
    for name in experiment.resources.stages if trace.is_complete else ():
        if name not in known:
            key = f"resources.{name}"
            valid = ", ".join(sorted(known))
            raise ConfigurationError("no such task", None, key, name, valid, nearest(name, known))
    return trace


def _extent(
    trace: Trace,
    workflow: Workflow,
    experiment: Experiment,
    points: Sequence[Point],
    project: Project,
) -> tuple[int | None, list[dict[str, Any]]]:
    """Return how many tasks a run has, None if that is not known, and what else MPI tasks ask for.

    Parameters
    ----------
    trace
        Of the workflow at `experiment`, or at the first point.
    workflow, experiment, points, project
        What is run.
    """
    from hybrid_parsl.study_workflow import Study

    if points and trace.is_complete:
        study = Study(workflow, points, waits=False)
        trace = _trace(lambda: study(experiment), experiment, workflow, project)
    n_tasks = len(trace.calls) if trace.is_complete else None
    return n_tasks, _other_resources(trace, experiment.search_resources)


def _other_resources(trace: Trace, resources: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what MPI tasks ask for besides `resources`, each once."""
    from hybrid_parsl import labels

    others: list[dict[str, Any]] = []
    for call in trace.calls:
        is_new = call.resources != resources and call.resources not in others
        if call.label == labels.MPI and is_new:
            others.append(call.resources)
    return others


def _may_search(trace: Trace) -> bool:
    """Return whether the workflow searches parameters on MPI ranks, as far as is known."""
    from hybrid_parsl.stage_function import SEARCH

    return not trace.is_complete or SEARCH in trace.functions


@contextlib.contextmanager
def _placed(path: Path, overrides: Sequence[str]) -> Iterator[None]:
    """Let an error say whether ``--set`` or the file at `path` is wrong."""
    from hybrid_parsl.errors import ConfigurationError
    from hybrid_parsl.experiment_file import origin

    try:
        yield
    except ConfigurationError as error:
        raise error.at(origin(error.key, overrides, str(path)) or str(path)) from error
