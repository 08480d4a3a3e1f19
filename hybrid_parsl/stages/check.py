"""Finds out before a run what would otherwise fail in the middle of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.optimize.search import STRATEGIES
from hybrid_parsl.problems.registry import build_problem
from hybrid_parsl.stages.backends import check_backend

if TYPE_CHECKING:
    from hybrid_parsl.experiment import Experiment


def check_experiment(experiment: Experiment) -> None:
    """Check that problem and backend can be made and that the search method suits them.

    Raises
    ------
    ConfigurationError
        They cannot, or it does not.
    """
    problem = build_problem(experiment.problem)
    check_backend(experiment.quantum)
    method = experiment.search.method
    if STRATEGIES[method].needs_gradient and problem.ansatz == "circuit":
        free = [name for name, strategy in STRATEGIES.items() if not strategy.needs_gradient]
        message = "needs an exact gradient, which this problem's circuit does not have"
        raise ConfigurationError(message, None, "search.method", method, ", ".join(free))
