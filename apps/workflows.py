"""The workflows: each function calls apps with one another's results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.analysis import analyse
from apps.quantum import sample
from apps.rounds import closed_loop, deepening
from apps.search import search
from apps.sqd import sqd

__all__ = ["closed_loop", "deepening", "pipeline", "sqd"]

if TYPE_CHECKING:
    from parsl.dataflow.futures import AppFuture

    from hybrid_parsl.experiment import Experiment


def pipeline(experiment: Experiment) -> AppFuture:
    """Search the parameters, sample the circuit there, analyse what was measured."""
    found = search(experiment)
    measured = sample(experiment, found, task="quantum")
    return analyse(experiment, found, measured, task="analysis")
