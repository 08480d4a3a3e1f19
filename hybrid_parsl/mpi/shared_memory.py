"""What MPICH needs of /dev/shm, which most container engines limit to 64 MiB.

A rank that finds too little there is killed by signal 7 or 11 without a message, and not always at
the same size: UCX falls back on other memory where it notices in time.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from hybrid_parsl.errors import ConfigurationError

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - MPICH's choice
BYTES_PER_RANK = 8 * 2**20
"""Measured with MPICH 5.0.2 and UCX, 4 to 16 ranks: 5.2 MiB, for a moment up to 8 MiB."""
BYTES_WITHOUT_UCX = 5 * 2**18
"""Where UCX uses other memory, as in `hybrid_parsl.mpi.launcher`: 1.03 MiB measured."""

_USES = ("all", "sm", "shm", "mm", "posix")
_N_LOCAL_RANKS = ("MPI_LOCALNRANKS", "SLURM_STEP_TASKS_PER_NODE")
"""Where launchers say how many ranks a node has; Slurm's is a list such as ``3(x2),2``."""
_COUNT = re.compile(r"(?:^|,)(\d+)")


def needed_shared_memory(n_ranks: int, transports: str = "all") -> int:
    """Return how many bytes of /dev/shm MPICH needs on a node.

    Parameters
    ----------
    n_ranks
        Ranks on the node, at least 1.
    transports
        UCX's own list, as in ``UCX_TLS``.
    """
    with_ucx = any(name in _USES for name in transports.split(","))
    return n_ranks * (BYTES_PER_RANK if with_ucx else BYTES_WITHOUT_UCX)


def ranks_on_this_node() -> int:
    """Return how many ranks the launcher of this rank says that its node has, at least 1."""
    stated = next(filter(None, map(os.environ.get, _N_LOCAL_RANKS)), "")
    return max(map(int, _COUNT.findall(stated)), default=1)


def check_shared_memory(
    n_ranks: int, transports: str | None = None, folder: Path = SHARED_MEMORY
) -> None:
    """Refuse to start ranks on a node whose shared memory is too small for them.

    Where there is no such folder, nothing is refused. The size counts, not what is free: other
    ranks may have begun to use it.

    Parameters
    ----------
    n_ranks
        Ranks on this node; nothing is refused for 0.
    transports
        UCX's own list; ``$UCX_TLS`` if None.
    folder
        Where the system keeps shared memory.

    Raises
    ------
    ConfigurationError
        If it is too small; the error names the size, the size needed and what to change.
    """
    try:
        size = os.statvfs(folder)
    except OSError:
        return
    found = size.f_blocks * size.f_frsize
    needed = needed_shared_memory(n_ranks, transports or os.environ.get("UCX_TLS", "all"))
    if found < needed:
        message = f"is too small for {n_ranks} MPI ranks on {os.uname().nodename}"
        enough = f"{_mib(needed)} or more, such as docker run --shm-size={-(-needed // 2**20)}m"
        key = "resources.ranks_per_node"
        raise ConfigurationError(f"{folder} {message}", None, key, _mib(found), enough)


def _mib(n_bytes: int) -> str:
    """Return a size as text."""
    return f"{n_bytes / 2**20:.0f} MiB"
