"""Problems: a cost over bitstrings, and the circuit whose angles are searched."""

from hybrid_parsl.problems.problem import Problem
from hybrid_parsl.problems.settings import ProblemSettings

__all__ = ["Problem", "ProblemSettings"]
