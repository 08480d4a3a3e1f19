"""Runs one rank: ``python -m hybrid_parsl.mpi FOLDER``."""

from hybrid_parsl.mpi.rank import main

main()
