"""Optimisers, and the search that shares their starts over ranks without knowing about MPI."""

from hybrid_parsl.optimize.optimizer import Optimizer, OptimizerOptions
from hybrid_parsl.optimize.start import Recorder

__all__ = ["Optimizer", "OptimizerOptions", "Recorder"]
