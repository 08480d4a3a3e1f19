"""Finds out before a run what would otherwise fail in the middle of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.optimize.optimizer import seeded_point
from hybrid_parsl.optimize.registry import check_gradient, load_optimizer
from hybrid_parsl.problems.contract import check_contract, compare_with_observable
from hybrid_parsl.problems.registry import PROBLEMS, build_problem
from hybrid_parsl.problems.settings import MOST_QUBITS
from hybrid_parsl.quantum.registry import open_backend
from hybrid_parsl.stages.memory import check_sample_memory, check_search_memory, size_key

if TYPE_CHECKING:
    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.problems.problem import Problem

CHECKED_TABLES = ("problem", "ansatz", "search", "quantum")
"""The tables of an experiment that `check_experiment` reads."""


def check_experiment(experiment: Experiment, *, is_driven_here: bool = True) -> None:
    """Check that problem and backend can be made and that the search suits the problem.

    Parameters
    ----------
    experiment
        The experiment to run.
    is_driven_here
        Whether this host will drive the run, so that it has the account of a remote backend.

    Raises
    ------
    ConfigurationError
        If they cannot, or it does not.
    """
    problem = build_problem(experiment.problem)
    check_contract(problem, experiment.ansatz.layers)
    alternating = problem.ansatz == "alternating"
    if alternating and problem.n_qubits > MOST_QUBITS:
        message = "has more qubits than any memory holds the state of"
        key, found = size_key(experiment, problem), f"{problem.n_qubits} qubits"
        raise ConfigurationError(message, None, key, found, f"at most {MOST_QUBITS}")
    if experiment.problem.kind not in PROBLEMS.built_in:  # those are compared by our own tests
        compare_with_observable(problem, experiment.ansatz.layers)
    bounds = problem.bounds(experiment.ansatz.layers)
    backend = open_backend(experiment.quantum)
    if backend.is_reachable and (is_driven_here or not backend.is_remote):
        backend.check(lambda: problem.circuit(seeded_point(bounds, 0, 0).tolist()))
    optimizer = load_optimizer(experiment.search)
    if not alternating and optimizer.gradient == "required":
        check_gradient(optimizer, _obstacle(problem, len(bounds)))
    optimizer.check(len(bounds))


def _obstacle(problem: Problem, n_parameters: int) -> str | None:
    """Return why the circuit of a problem has no exact gradient, None if it has one."""
    from hybrid_parsl.simulate.circuit_translation import parametric_program

    try:
        parametric_program(problem.circuit, n_parameters)
    except ConfigurationError as error:
        found = f" ({error.found})" if error.found else ""
        return f"{error.message}{found}"
    return None


def check_memory_here(experiment: Experiment, n_ranks: int, *, samples: bool) -> None:
    """Check that what runs on this host fits into its memory.

    What runs elsewhere can only be checked there.

    Parameters
    ----------
    experiment
        The experiment to run.
    n_ranks
        How many ranks of the search share this host; 0 if they run elsewhere.
    samples
        Whether the quantum stage runs on this host.

    Raises
    ------
    InsufficientMemoryError
        If it does not fit.
    """
    problem = build_problem(experiment.problem)
    if n_ranks > 0:
        check_search_memory(experiment, problem, n_ranks)
    if samples:
        check_sample_memory(experiment, problem)
