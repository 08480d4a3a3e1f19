"""Finds out before a run what would otherwise fail in the middle of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.optimize.search import check_method
from hybrid_parsl.problems.contract import check_contract
from hybrid_parsl.problems.registry import build_problem
from hybrid_parsl.problems.settings import MOST_QUBITS
from hybrid_parsl.stages.backends import check_backend
from hybrid_parsl.stages.memory import check_search_memory, size_key

if TYPE_CHECKING:
    from hybrid_parsl.experiment import Experiment


def check_experiment(experiment: Experiment) -> None:
    """Check that problem and backend can be made and that the search suits the problem.

    Raises
    ------
    ConfigurationError
        They cannot, or it does not.
    """
    problem = build_problem(experiment.problem)
    check_contract(problem, experiment.ansatz.layers)
    check_backend(experiment.quantum)
    alternating = problem.ansatz == "alternating"
    check_method(experiment.search.method, differentiable=alternating)
    if alternating and problem.n_qubits > MOST_QUBITS:
        message = "has more qubits than any memory holds the state of"
        key, found = size_key(experiment, problem), f"{problem.n_qubits} qubits"
        raise ConfigurationError(message, None, key, found, f"at most {MOST_QUBITS}")


def check_memory_here(experiment: Experiment, n_ranks: int) -> None:
    """Check that a search of which `n_ranks` ranks share this host fits into its memory.

    Where no rank runs here, only the ranks themselves can tell what fits.

    Raises
    ------
    InsufficientMemoryError
        It does not fit.
    """
    if n_ranks > 0:
        check_search_memory(experiment, build_problem(experiment.problem), n_ranks)
