"""How many searches of a study one MPI job carries out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hybrid_parsl.problems.registry import build_problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.study_points import Point

_LONGEST_S = 60.0
"""How long a pack should take, about: a job costs a second or more, on some clusters a minute."""
_WALLTIME_SHARE = 0.25
_MOST = 1000
_SEARCH_S, _EVALUATION_S, _AMPLITUDE_S = 0.1, 5e-4, 3e-8
_ITERATIONS_PER_PARAMETER = 10


def pack_size(points: Sequence[Point]) -> int:
    """Return how many searches one job may carry out: 1 if each gets a job of its own.

    That is what ``resources.pack`` says, or with ``auto`` as many as take about a minute in all.

    Parameters
    ----------
    points
        Of the study, at least one.

    Raises
    ------
    ConfigurationError
        If the problem of a point cannot be made.
    """
    resources = points[0].experiment.resources
    if resources.pack != "auto":
        return resources.pack
    different = {_search_of(each.experiment): each.experiment for each in points}
    longest_s = max(map(estimated_search_s, different.values()))
    wanted_s = min(_LONGEST_S, _WALLTIME_SHARE * resources.walltime_s)
    return max(1, min(_MOST, int(wanted_s * resources.num_ranks / longest_s)))


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
    """Return what decides on the time of a search, as text."""
    return json.dumps(experiment.model_dump(mode="json", include={"problem", "ansatz", "search"}))
