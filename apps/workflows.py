"""The workflows: which stage takes which stage's result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.analysis import analyse
from apps.quantum import sample
from apps.search import search

if TYPE_CHECKING:
    from parsl.dataflow.futures import AppFuture

    from hybrid_parsl.experiment import Experiment


def pipeline(experiment: Experiment) -> dict[str, AppFuture]:
    """Search the parameters, sample the circuit there, analyse what was measured.

    Returns the future of each stage by its name, in the order in which they run.
    """
    found = search(experiment, parsl_resource_specification=experiment.search_resources)
    measured = sample(experiment, found)
    analysed = analyse(experiment, found, measured)
    return {"search": found, "quantum": measured, "analysis": analysed}
