"""The labels of the executors: the only words that apps and sites share."""

from typing import Final

MPI: Final = "mpi"
"""Runs a function on every rank of an MPI job."""

QUANTUM: Final = "quantum"
"""Runs a function in one process that can reach a simulator or a QPU."""

ANALYSIS: Final = "analysis"
"""Runs a function in one process that can draw figures."""

ALL: Final = (MPI, QUANTUM, ANALYSIS)
"""Every label that a site has to provide."""
