"""What a rank runs (``python -m hybrid_parsl.mpi TASK``), and what the driver reads of it.

The only room that imports mpi4py, and only inside a rank.
"""
