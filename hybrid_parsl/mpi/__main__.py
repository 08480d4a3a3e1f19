"""Runs one rank: ``python -m hybrid_parsl.mpi FOLDER``."""

from hybrid_parsl.garbage import collect_rarely

collect_rarely()

from hybrid_parsl.mpi.rank import main  # noqa: E402 - most of its time goes into imports

main()
