"""How many searches of a study one MPI job carries out."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING

from hybrid_parsl import labels
from hybrid_parsl.engine.site_executor import SiteExecutor
from hybrid_parsl.engine.tasks.resource_request import ResourceRequest
from hybrid_parsl.problems.registry import build_problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import parsl

    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.study_points import Point

_LONGEST_S = 60.0
"""How long a pack should take, about: a job costs a second or more, on some clusters a minute."""
_WALLTIME_SHARE = 0.25
_MOST = 1000
_SEARCH_S, _EVALUATION_S, _AMPLITUDE_S = 0.1, 5e-4, 3e-8
_ITERATIONS_PER_PARAMETER = 10
_DECISIVE = {"problem", "ansatz", "search", "resources"}
_NOTHING: Mapping[str, float | None] = MappingProxyType({})


def share_jobs(config: parsl.Config, points: Sequence[Point]) -> int:
    """Let one job carry out many searches of a study where the site's executor can do that.

    Returns
    -------
    int
        How many at most; 1 if each gets a job of its own.

    Raises
    ------
    ConfigurationError
        If the problem of a point cannot be made.
    """
    executors = [each for each in config.executors if isinstance(each, SiteExecutor)]
    most = 1
    for executor in executors:
        if executor.label == labels.MPI and executor.packs_searches:
            most = executor.pack_size = pack_size(points, executor.overrides)
    return most


def pack_size(points: Sequence[Point], overrides: Mapping[str, float | None] = _NOTHING) -> int:
    """Return how many searches one job may carry out: 1 if each gets a job of its own.

    That is what ``resources.pack`` says, or with ``auto`` as many as take about a minute in all,
    at most a quarter of the walltime.

    Parameters
    ----------
    points
        Of the study, at least one; the smallest pack of any of them counts.
    overrides
        Keys of the resource specification that the site decides.

    Raises
    ------
    ConfigurationError
        If the problem of a point cannot be made.
    """
    different = {_search_of(each.experiment): each.experiment for each in points}
    return min(_pack_size(each, overrides) for each in different.values())


def _pack_size(experiment: Experiment, overrides: Mapping[str, float | None]) -> int:
    """Return how many such searches one job may carry out."""
    if experiment.resources.pack != "auto":
        return experiment.resources.pack
    request = ResourceRequest.from_parsl(experiment.search_resources, overrides)
    wanted_s = min(_LONGEST_S, _WALLTIME_SHARE * request.walltime_s)
    each_s = estimated_search_s(experiment) / request.num_ranks
    return max(1, min(_MOST, int(wanted_s / each_s)))


def estimated_search_s(experiment: Experiment) -> float:
    """Return about how many seconds of one processor a search takes.

    An evaluation of the energy and its gradient costs a constant and a time for each amplitude and
    layer, both as measured on a server of 2023; a start takes a number of them that grows with the
    number of parameters. The estimate can be wrong by a factor of ten.

    Raises
    ------
    ConfigurationError
        If the problem cannot be made.
    """
    problem, search = build_problem(experiment.problem), experiment.search
    n_parameters = len(problem.bounds(experiment.ansatz.layers))
    n_evaluations = search.starts * min(search.iterations, _ITERATIONS_PER_PARAMETER * n_parameters)
    evaluation_s = _EVALUATION_S + _AMPLITUDE_S * 2.0**problem.n_qubits * n_parameters
    return _SEARCH_S + n_evaluations * evaluation_s


def _search_of(experiment: Experiment) -> str:
    """Return what decides on the size of a pack of a search, as text."""
    return json.dumps(experiment.model_dump(mode="json", include=_DECISIVE))
