"""The classical half: the parameters that minimise the energy of the problem's circuit."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from hybrid_parsl.errors import ResultError
from hybrid_parsl.mpi.live_lines import LiveLines
from hybrid_parsl.mpi.task import current_task_folder
from hybrid_parsl.mpi.team import current_team
from hybrid_parsl.optimize.journal import Journal
from hybrid_parsl.optimize.search import search as search_starts
from hybrid_parsl.problems.contract import check_diagonal
from hybrid_parsl.problems.registry import build_problem, problem_fingerprint
from hybrid_parsl.results import Execution, SearchResult
from hybrid_parsl.stages.memory import check_search_memory

if TYPE_CHECKING:
    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.optimize.objective import Objective
    from hybrid_parsl.optimize.team import Team
    from hybrid_parsl.problems.protocol import Problem

_SCIPY_METHODS = ("multistart", "cobyla")


def search(experiment: Experiment) -> SearchResult | None:
    """Search the parameters of `experiment` on all ranks that call this together.

    The result is on rank 0 and does not depend on the number of ranks; the others return None.
    Finished starts are kept in the folder of the task, if the process has one, and are not
    carried out again by another try in the same folder with the same problem class.

    Raises
    ------
    ConfigurationError
        The problem cannot be made, does not fit the memory, or not the search method.
    ResultError
        No start found a finite energy.
    StorageError
        A finished start cannot be written down.
    """
    begun = time.perf_counter()
    team = current_team()
    hosts = team.hosts()
    problem = build_problem(experiment.problem)
    ranks_per_host = -(-team.size // len(hosts))
    team.once_per_node(lambda: check_search_memory(experiment, problem, ranks_per_host))
    objective = build_objective(problem, experiment, team)
    bounds = problem.bounds(experiment.ansatz.layers)
    lines = LiveLines(team.size)
    tell = lines.tell if lines.is_heard else None
    key = f"{experiment.search_key}{problem_fingerprint(experiment.problem.kind)}"
    journal = Journal(current_task_folder(), key, tell)
    with _one_blas_thread(experiment.search.method):
        outcome = search_starts(objective, bounds, experiment.search, team, journal)
    if outcome is None:
        return None
    best = outcome.best
    if not math.isfinite(best.energy):
        reason = f"none of {experiment.search.starts} starts found a finite energy"
        raise ResultError(reason)
    duration = time.perf_counter() - begun
    return SearchResult(
        parameters=best.parameters,
        energy=best.energy,
        method=experiment.search.method,
        best_start=best.index,
        energies=outcome.energies,
        trace=best.trace,
        n_evaluations=outcome.n_evaluations,
        execution=Execution(duration_s=duration, n_ranks=team.size, hosts=hosts),
    )


def _one_blas_thread(method: str) -> threadpool_limits:
    """Keep BLAS from using threads, which for a few angles only wait for each other.

    On a busy node they make a start several times slower. SciPy brings a BLAS of its own, and
    only what has been loaded can be limited.
    """
    if method in _SCIPY_METHODS:
        import scipy.optimize  # noqa: F401
    return threadpool_limits(1, "blas")


def build_objective(problem: Problem, experiment: Experiment, team: Team) -> Objective:
    """Return what the search minimises, ready to be evaluated.

    The kernels are compiled by one rank of each node and then read from the disk by the
    others, so that no start pays for it.
    """
    diagonal = problem.cost_diagonal()
    if problem.ansatz != "circuit" and diagonal is not None:
        check_diagonal(diagonal, problem.n_qubits)
    if problem.ansatz == "circuit" or diagonal is None:
        from hybrid_parsl.simulate.aer import CircuitEnergy

        n_parameters = len(problem.bounds(experiment.ansatz.layers))
        return CircuitEnergy(problem.circuit, problem.observable(), n_parameters)
    import hybrid_parsl.simulate.buffers  # noqa: F401 - on all ranks at once, before one compiles
    from hybrid_parsl.simulate.alternating import AlternatingState, compile_kernels

    settings = experiment.search
    team.once_per_node(lambda: compile_kernels(settings.precision))
    return AlternatingState(
        diagonal,
        experiment.ansatz.layers,
        precision=settings.precision,
        threads=settings.threads,
    )
