"""Which MPI this is, and how its ranks are started on this host."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache

_PATIENCE_S = 10.0


@cache
def is_mpich(path: str) -> bool:
    """Return whether the first ``mpirun`` on a search `path` is MPICH's launcher, Hydra."""
    program = shutil.which("mpirun", path=path)
    if program is None:
        return False
    try:
        done = subprocess.run(  # noqa: S603 - the launcher that would be used
            [program, "-version"], capture_output=True, check=False, timeout=_PATIENCE_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return b"HYDRA" in done.stdout


def library_version() -> str | None:
    """Return the first line of the MPI library's version; None outside a rank."""
    if "mpi4py.MPI" not in sys.modules:
        return None
    from mpi4py import MPI

    lines = MPI.Get_library_version().strip("\0\n ").splitlines()
    return " ".join(lines[0].split()) if lines else "unknown"


def launcher_command(python: str, n_ranks: int) -> list[str]:
    """Return what takes the place of MPICH's mpirun for ranks that all run on this host."""
    return [python, "-P", "-m", "hybrid_parsl.mpi.launcher", str(n_ranks)]
