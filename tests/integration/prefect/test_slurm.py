"""Prefect flows whose tasks are jobs of a real Slurm."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from waiting import PATIENCE_S

pytestmark = pytest.mark.timeout(1200)  # the first of them starts the server
SCRIPT = """
import os

from prefect import flow, task

from hybrid_parsl.prefect import SiteTaskRunner, hybrid_workflow


@task(tags=["mpi", "num_nodes=2", "num_ranks=2"])
def nodes():
    from mpi4py import MPI

    return MPI.COMM_WORLD.gather((os.environ["SLURMD_NODENAME"], os.environ["SLURM_JOB_ID"]))


@flow(task_runner=SiteTaskRunner(site="slurm"))
def own():
    return [future.result() for future in (nodes.submit(), nodes.submit())]


if __name__ == "__main__":
    draw = ["search.method=draw", "search.starts=2"]
    print("FOLDER", hybrid_workflow("bell", site="slurm", overrides=draw)["run"]["folder"])
    first, second = own()
    assert {name for name, _ in first} < {"n1", "n2", "n3", "n4"}
    assert [len(set(found)) for found in (first, second)] == [2, 2]
    assert first[0][1] == first[1][1] != second[0][1] == second[1][1]
"""


@pytest.mark.usefixtures("slurm", "prefect_server")
def test_the_workflow_and_a_flow_of_ones_own_run_as_jobs(tmp_path):
    (tmp_path / "flows.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "flows.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = tmp_path.glob("runs/*-bell-*")
    job = json.loads((folder / "tasks" / "search" / "job.json").read_text())
    assert (job["backend"], job["ended"]) == ("slurm", "COMPLETED")
    assert json.loads((folder / "results.json").read_text())["run"]["site"] == "slurm"
