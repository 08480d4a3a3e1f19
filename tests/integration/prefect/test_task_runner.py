"""A user's own flow, in one file, on one of our sites."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from waiting import PATIENCE_S

pytestmark = pytest.mark.timeout(1200)  # the first of them starts the server
FLOWS = """
import os
import sys
import time
from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import INPUTS

from hybrid_parsl.prefect import SiteTaskRunner

OFFSET = 3


def shifted(x):
    return x + OFFSET


@task(tags=["mpi", "num_ranks=3", "mine"])
def on_ranks(x):
    from hybrid_parsl.mpi.team import current_team

    return {"value": shifted(x), "ranks": current_team().size, "prefect": "prefect" in sys.modules}


@task
def double(x):
    return 2 * x, os.getpid()


@task(retries=2)
def third_time(path):
    with open(path, "a") as file:
        file.write("x")
    if Path(path).stat().st_size < 3:
        raise ValueError("not yet")
    return "done"


@task(persist_result=True, cache_policy=INPUTS)
def kept(x):
    return x, time.time_ns()


@task(timeout_seconds=10)
def too_long(seconds):
    time.sleep(seconds)


@task
def failing():
    raise ValueError("as it should")


@task(tags=["mpi"])
def after(first):
    return "never"


@flow(task_runner=SiteTaskRunner("local"))
def spread(counter):
    found = on_ranks.submit(1)
    late = too_long.with_options(tags=["mpi"]).submit(300)
    doubled = double.map([1, 2, 3])
    tried = third_time.submit(counter)
    first = kept.submit(5)
    again = kept.submit(5, wait_for=[first])
    failed = failing.submit()
    never = after.submit(failed)
    for future in (late, never):
        future.wait()
    return {
        "ranks": found.result(),
        "doubled": [value for value, _ in doubled.result()],
        "elsewhere": os.getpid() not in [pid for _, pid in doubled.result()],
        "tried": tried.result(),
        "kept": [first.result() == again.result(), again.state.name],
        "late": late.state.name,
        "failed": repr(failed.result(raise_on_failure=False)),
        "never": never.state.name,
    }


@flow(task_runner=SiteTaskRunner("local"))
def outer():
    spread("unused")
"""

CALL = """
import json, sys
from prefect.flows import load_flow_from_entrypoint
if __name__ == "__main__":
    flow = load_flow_from_entrypoint("flows.py:" + sys.argv[1])
    print("RESULT", json.dumps(flow(*sys.argv[2:])))
"""


@pytest.fixture
def project(tmp_path, prefect_server):  # noqa: ARG001 - its environment is what is wanted
    (tmp_path / "flows.py").write_text(FLOWS)
    (tmp_path / "call.py").write_text(CALL)
    return tmp_path


def call(project, *arguments):
    """Load a flow as a worker does, and call it."""
    return subprocess.run(
        [sys.executable, "call.py", *arguments],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


def test_tasks_of_a_flow_of_ones_own_run_on_a_site(project):
    done = call(project, "spread", str(project / "counter"))
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    assert json.loads(line.removeprefix("RESULT")) == {
        "ranks": {"value": 4, "ranks": 3, "prefect": False},
        "doubled": [2, 4, 6],
        "elsewhere": True,
        "tried": "done",
        "kept": [True, "Cached"],
        "late": "TimedOut",
        "failed": "ValueError('as it should')",
        "never": "NotReady",
    }
    (folder,) = (project / "runs").iterdir()
    assert json.loads((folder / "tasks/too_long/job.json").read_text())["ended"] == "CANCELED"
    assert (folder / "tasks/on_ranks/stderr.log").exists()
    assert "parsl.dataflow" not in done.stderr  # has a log of its own
    assert list((folder / "parsl").rglob("parsl.log"))


def test_one_flow_at_a_time(project):
    done = call(project, "outer")
    assert done.returncode != 0
    assert "ConfigurationError: " in done.stderr
    assert "another session is open in this process" in done.stderr
