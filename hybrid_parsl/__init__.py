"""Hybrid quantum-HPC workflows: MPI search, quantum circuit, analysis, on any site."""

__version__ = "0.1.0"
