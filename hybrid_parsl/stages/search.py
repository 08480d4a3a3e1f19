"""The classical half: the parameters that minimise the energy of the problem's circuit."""

from __future__ import annotations

import hashlib
import math
import time
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from hybrid_parsl.errors import ConfigurationError, ResultError
from hybrid_parsl.messages import shown
from hybrid_parsl.mpi.live_lines import LiveLines
from hybrid_parsl.mpi.team import current_team
from hybrid_parsl.optimize.interpolation import interpolate_angles
from hybrid_parsl.optimize.journal import Journal
from hybrid_parsl.optimize.registry import load_optimizer
from hybrid_parsl.optimize.scaling import Scaling
from hybrid_parsl.optimize.search import search as search_starts
from hybrid_parsl.problems.contract import check_diagonal, compare_diagonal
from hybrid_parsl.problems.ising_problem import IsingProblem, without_offset
from hybrid_parsl.problems.registry import build_problem, code_fingerprint
from hybrid_parsl.results import Execution, SearchResult
from hybrid_parsl.stages.memory import check_search_memory
from hybrid_parsl.tasks.folder import current_task_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float64
    from numpy.typing import NDArray

    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.optimize.objective import Objective
    from hybrid_parsl.optimize.team import Team
    from hybrid_parsl.problems.problem import Problem


def search(
    experiment: Experiment, start: SearchResult | Sequence[float] | None = None
) -> SearchResult | None:
    """Search the parameters of `experiment` on all ranks that call this together.

    The result is on rank 0 and does not depend on the number of ranks; the others return None.
    Finished starts are kept in the folder of the task, if the process has one, and are not
    carried out again by another try in the same folder with the same problem class.

    Parameters
    ----------
    experiment
        The experiment to run.
    start
        Where start 0 begins: angles in radians, or the result of another search. Angles of fewer
        alternating layers are interpolated. All other starts are drawn as ever.

    Raises
    ------
    ConfigurationError
        If the problem cannot be made, does not fit the memory, or not the search method, or `start`
        does not fit the problem.
    ResultError
        If no start found a finite energy.
    StorageError
        If a finished start cannot be written down.
    """
    begun = time.perf_counter()
    experiment.own_code.provide()
    team = current_team()
    hosts = team.hosts()
    problem = build_problem(experiment.problem)
    ranks_per_host = -(-team.size // len(hosts))
    team.once_per_node(lambda: check_search_memory(experiment, problem, ranks_per_host))
    objective, scaling = build_objective(problem, experiment, team)
    bounds = problem.bounds(experiment.ansatz.layers)
    lines = LiveLines(team.size)
    tell = lines.tell if lines.is_heard else None
    point = None if start is None else _first_point(start, problem, len(bounds))
    key = f"{experiment.search_key}{code_fingerprint(experiment)}"
    if point is not None:
        key += hashlib.sha256(point.tobytes()).hexdigest()
    journal = Journal(current_task_folder(), key, tell)
    with _one_blas_thread(loads_scipy=load_optimizer(experiment.search).moves):
        outcome = search_starts(objective, bounds, experiment.search, team, journal, scaling, point)
    if outcome is None:
        return None
    best = outcome.best
    if not math.isfinite(best.energy):
        reason = f"none of {experiment.search.starts} starts found a finite energy"
        raise ResultError(reason)
    duration = time.perf_counter() - begun
    return SearchResult(
        parameters=best.parameters,
        energy=best.total,
        method=experiment.search.method,
        best_start=best.index,
        energies=outcome.energies,
        trace=[energy + best.offset for energy in best.trace],
        n_evaluations=outcome.n_evaluations,
        n_unmoved=outcome.n_unmoved,
        execution=Execution(duration_s=duration, n_ranks=team.size, hosts=hosts),
    )


def _first_point(
    start: SearchResult | Sequence[float], problem: Problem, n_parameters: int
) -> NDArray[float64]:
    """Return the point at which start 0 begins, shape ``(n_parameters,)``.

    Raises
    ------
    ConfigurationError
        If `start` has another number of parameters, or one that is not finite.
    """
    given = start.parameters if isinstance(start, SearchResult) else list(start)
    if problem.ansatz != "circuit" and len(given) < n_parameters:
        return interpolate_angles(given, n_parameters // 2)
    if len(given) != n_parameters or not all(map(math.isfinite, given)):
        found = f"{len(given)} parameters: {shown(given)}"
        valid = f"{n_parameters} finite numbers"
        raise ConfigurationError("does not fit the problem", "search", "start", found, valid)
    return np.asarray(given, dtype=np.float64)


def _one_blas_thread(*, loads_scipy: bool) -> threadpool_limits:
    """Keep BLAS from using threads, which for a few angles only wait for each other.

    On a busy node they make a start several times slower. SciPy brings a BLAS of its own, and
    only what has been loaded can be limited.
    """
    if loads_scipy:
        import scipy.optimize  # noqa: F401
    return threadpool_limits(1, "blas")


def build_objective(
    problem: Problem, experiment: Experiment, team: Team
) -> tuple[Objective, Scaling]:
    """Return what the search minimises, ready to be evaluated, and the units to search in.

    The objective leaves out the offset of the cost. The kernels are compiled by one rank of each
    node and then read from the disk by the others, so that no start pays for it.
    """
    bare, offset = without_offset(problem)
    diagonal = None if bare.ansatz == "circuit" else bare.cost_diagonal()
    if diagonal is None:
        return _circuit_objective(bare, len(bare.bounds(experiment.ansatz.layers)), team)
    check_diagonal(diagonal, bare.n_qubits)
    from hybrid_parsl.simulate.alternating import AlternatingState
    from hybrid_parsl.simulate.diagonal import cost_scale, middle, power_of_two
    from hybrid_parsl.simulate.precompile import compile_kernels

    if not isinstance(bare, IsingProblem):
        compare_diagonal(diagonal, bare.observable())
        offset = middle(diagonal)
        diagonal = diagonal - offset
    settings, layers = experiment.search, experiment.ansatz.layers
    team.once_per_node(lambda: compile_kernels(settings.precision))
    state = AlternatingState(
        diagonal, layers, precision=settings.precision, threads=settings.threads
    )
    scale = cost_scale(diagonal)
    parameters = np.repeat([scale, 1.0], layers)
    return state, Scaling(parameters, power_of_two(scale), offset)


def _circuit_objective(
    problem: Problem, n_parameters: int, team: Team
) -> tuple[Objective, Scaling]:
    """Return the energy of a circuit without the identity of its observable, and its units."""
    from hybrid_parsl.simulate.aer import CircuitEnergy
    from hybrid_parsl.simulate.circuit import CircuitState
    from hybrid_parsl.simulate.circuit_translation import parametric_program
    from hybrid_parsl.simulate.diagonal import power_of_two

    observable = problem.observable()
    is_identity = ~(observable.paulis.x | observable.paulis.z).any(axis=1)
    offset = 0.0
    if is_identity.any() and not is_identity.all():
        offset = float(observable.coeffs[is_identity].real.sum())
        observable = observable[~is_identity]
    scale = power_of_two(float(np.linalg.norm(observable.coeffs)))
    scaling = Scaling(np.ones(n_parameters), scale, offset)
    try:
        program = parametric_program(problem.circuit, n_parameters)
    except ConfigurationError:  # no exact gradient, which not every method needs
        return CircuitEnergy(problem.circuit, observable, n_parameters), scaling
    state = CircuitState(program, observable)
    team.once_per_node(lambda: state.energy(np.zeros(n_parameters)))  # compiles the kernels
    return state, scaling
