"""Sample-based quantum diagonalization."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from apps.diagonalization import diagonalize
from apps.quantum import sample_bitstrings
from apps.search import search
from hybrid_parsl.stages.diagonalization import check_diagonalization

if TYPE_CHECKING:
    from parsl.dataflow.futures import AppFuture

    from hybrid_parsl.experiment import Experiment

_Count = Annotated[int, Field(ge=1, le=10_000)]


def sqd(
    experiment: Experiment,
    *,
    batches: _Count = 4,
    samples_per_batch: _Count = 300,
    iterations: _Count = 10,
    max_strings: _Count = 1000,
    seed: Annotated[int, Field(ge=0)] = 1,
) -> AppFuture:
    """Diagonalize a molecule in the space of the bitstrings that its circuit gives."""
    check_diagonalization(experiment)
    found = search(experiment)
    measured = sample_bitstrings(experiment, found, task="quantum")
    return diagonalize(
        experiment,
        measured,
        batches,
        samples_per_batch,
        iterations,
        max_strings,
        seed,
        task="diagonalization",
    )
