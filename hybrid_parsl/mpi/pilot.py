"""Starts the ranks of a task from a worker inside a block of nodes."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from pathlib import Path

from hybrid_parsl.mpi.task import TaskFolder

TIMED_OUT = -1
"""What stands for the exit code of ranks that ran longer than they may."""


def run_ranks(folder: str, python: str, walltime_s: int) -> int:
    """Start the ranks of the task in `folder` and return the launcher's exit code.

    Parameters
    ----------
    folder
        The folder of the task, absolute.
    python
        The interpreter of the ranks.
    walltime_s
        Longest run time in seconds; ranks that run longer are ended.
    """
    task = TaskFolder(Path(folder))
    prefix = shlex.split(os.environ["PARSL_MPI_PREFIX"])
    command = [*prefix, python, "-m", "hybrid_parsl.mpi", folder]
    with task.stdout.open("ab") as stdout, task.stderr.open("ab") as stderr:
        process = subprocess.Popen(  # noqa: S603 - Parsl's launcher and our own module
            command, cwd=folder, stdout=stdout, stderr=stderr, start_new_session=True
        )
        try:
            return process.wait(walltime_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            return TIMED_OUT
