"""Whether this host has what the ranks of a search ask for."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.simulate.free_memory import check_memory

if TYPE_CHECKING:
    from hybrid_parsl.experiment import Resources

_GIB = 1 << 30
_GPU_DEVICES = {"/dev": re.compile(r"nvidia\d+"), "/dev/dri": re.compile(r"renderD\d+")}


def check_ranks_here(asked: Resources, n_ranks: int) -> None:
    """Refuse a search whose ranks ask for more cores, memory or GPUs than this host has.

    Parameters
    ----------
    asked
        What each rank asks for.
    n_ranks
        Number of ranks that share this host; 0 if they run elsewhere.

    Raises
    ------
    ConfigurationError
        If there are fewer cores or GPUs than asked for.
    InsufficientMemoryError
        If less memory is free than asked for.
    """
    if n_ranks == 0:
        return
    cores = len(os.sched_getaffinity(0))
    _check_count("cores_per_rank", asked.cores_per_rank, n_ranks, cores, "CPU cores")
    if asked.gpus_per_rank:
        _check_count("gpus_per_rank", asked.gpus_per_rank, n_ranks, _count_gpus(), "GPUs")
    if asked.memory_gib_per_rank:
        needed = round(n_ranks * asked.memory_gib_per_rank * _GIB)
        what = f"{asked.memory_gib_per_rank:g} GiB for each of {n_ranks} ranks"
        check_memory(
            needed,
            what,
            "resources.memory_gib_per_rank",
            lambda free: f"at most {free / n_ranks / _GIB:.3g} GiB a rank",
        )


def _check_count(key: str, each: int | None, n_ranks: int, available: int, what: str) -> None:
    """Refuse `each` units for every rank if fewer are available in all."""
    if (each or 0) * n_ranks > available:
        message = f"this computer has {available or 'no'} {what}"
        found = f"{each} for each of {n_ranks} ranks"
        valid = f"at most {available} in all" if available else "a site that has them"
        raise ConfigurationError(message, None, f"resources.{key}", found, valid)


def _count_gpus() -> int:
    """Return the number of GPUs, by their device files: NVIDIA's, or DRM render nodes."""
    counts = []
    for folder, pattern in _GPU_DEVICES.items():
        try:
            counts.append(sum(bool(pattern.fullmatch(name)) for name in os.listdir(folder)))  # noqa: PTH208
        except OSError:
            continue
    return max(counts, default=0)
