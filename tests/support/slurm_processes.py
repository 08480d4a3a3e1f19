"""What runs on a Slurm of the tests; as a program, the child that clears it away.

The program reads until its parent, which started the cluster, is no more.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
from pathlib import Path

import psutil


def clear(root: Path) -> None:
    """Kill what still works for the cluster in `root`, and remove the folder."""
    kill_all(root)
    shutil.rmtree(root, ignore_errors=True)


def kill_all(root: Path, node: str | None = None) -> None:
    """Kill what works for a cluster, on one node or on all, until nothing is left of it."""
    while found := _processes_of(root, node):
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(found, timeout=1)


def _processes_of(root: Path, node: str | None = None) -> list[psutil.Process]:
    """Return the step daemons, told by their log, and what runs in jobs, on one node or on all."""
    logs = {str(path) for path in (root / "log").glob(f"slurmd-{node or '*'}.log")}
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            variables = process.environ()
            where = variables.get("SLURMD_NODENAME")
            is_of_a_job = variables.get("SLURM_CONF") == f"{root}/slurm.conf" and (
                where is not None if node is None else where == node
            )
            is_step_daemon = process.name() == "slurmstepd" and logs & {
                file.path for file in process.open_files()
            }
            if is_of_a_job or is_step_daemon:
                found.append(process)
    return found


if __name__ == "__main__":
    sys.stdin.read()
    clear(Path(sys.argv[1]))
