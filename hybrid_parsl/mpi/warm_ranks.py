"""Ranks that stay for the next task: ``python -m hybrid_parsl.mpi.warm_ranks``.

What a rank imports and MPI sets up takes longer than many a search. Inside a block of nodes the
same ranks therefore carry out one task after another. Rank 0 reads the folder of the next task
from its standard input and answers on its standard output when it is done; the others wait for
rank 0 with pauses, so that idle ranks leave the processors to others. An exception on any rank
ends them all, as it does for ranks of one task.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_parsl.mpi.rank import run_task
from hybrid_parsl.mpi.shared_memory import check_shared_memory, ranks_on_this_node
from hybrid_parsl.mpi.stale_memory import remove_stale_segments
from hybrid_parsl.parent_death import die_with_parent
from hybrid_parsl.tasks.folder import TaskFolder, output_to

if TYPE_CHECKING:
    from mpi4py import MPI

_LONGEST_PATH = 4096  # PATH_MAX of Linux
_SHORTEST_PAUSE_S = 0.0005
_LONGEST_PAUSE_S = 0.01


def main() -> None:
    """Carry out tasks until the standard input of rank 0 ends."""
    die_with_parent()
    remove_stale_segments()
    check_shared_memory(ranks_on_this_node())
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    while folder := _next_folder(world):
        task = TaskFolder(Path(folder))
        with output_to(task):
            run_task(task, world)
        if world.rank == 0:
            sys.stdout.write(f"{folder}\n")
            sys.stdout.flush()


def _next_folder(world: MPI.Comm) -> str:
    """Return the folder of the next task on every rank, nothing if there is none."""
    path = bytearray(_LONGEST_PATH)
    if world.rank == 0:
        line = os.fsencode(sys.stdin.readline().rstrip("\n"))
        path[: len(line)] = line
    request = world.Ibcast(path)
    pause_s = _SHORTEST_PAUSE_S
    while not request.Test():
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
    return os.fsdecode(bytes(path).rstrip(b"\0"))


if __name__ == "__main__":
    main()
