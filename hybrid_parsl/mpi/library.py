"""Which MPI this is."""

from __future__ import annotations

import sys


def library_version() -> str | None:
    """Return the first line that the MPI library tells of itself; None outside a rank."""
    if "mpi4py.MPI" not in sys.modules:
        return None
    from mpi4py import MPI

    lines = MPI.Get_library_version().strip("\0\n ").splitlines()
    return " ".join(lines[0].split()) if lines else "unknown"
