"""The workflows of this project: each function calls apps with one another's results.

An app returns a future at once; a future as an argument, or inside a list or a dict, makes one
task wait for another. Run a workflow with ``hybrid-parsl run --workflow NAME``, or name it in the
table ``[workflow]`` of an experiment, where the keyword parameters are its options. Workflows of
other modules of ``apps`` are imported here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.compare import compare

from apps.analysis import analyse
from apps.quantum import sample
from apps.rounds import closed_loop, deepening
from apps.search import search
from apps.sqd import sqd

__all__ = ["closed_loop", "deepening", "depths", "pipeline", "sqd"]

if TYPE_CHECKING:
    from parsl.dataflow.futures import AppFuture

    from hybrid_parsl.experiment import Experiment


def pipeline(experiment: Experiment) -> AppFuture:
    """Search the parameters, sample the circuit there, analyse what was measured."""
    found = search(experiment)
    measured = sample(experiment, found, task="quantum")
    return analyse(experiment, found, measured, task="analysis")


def depths(experiment: Experiment, *, deepest: int = 3) -> AppFuture:
    """Search and sample with 1 to `deepest` layers beside one another, and compare them."""
    layers = list(range(1, deepest + 1))
    samples = []
    for p in layers:
        asked = experiment.model_copy(update={"ansatz.layers": p})
        found = search(asked, task=f"search-p{p}")
        samples.append(sample(asked, found, task=f"sample-p{p}"))
    return compare(layers, samples, task="compare")
