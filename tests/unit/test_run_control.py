from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from waiting import PATIENCE_S

from hybrid_parsl.project import find_project
from hybrid_parsl.records.run_directory import RunDirectory
from hybrid_parsl.records.run_lock import run_lock
from hybrid_parsl.run_control import cancel, status_of
from hybrid_parsl.run_plan import plan_run
from hybrid_parsl.runner import Run

ROOT = Path(__file__).parents[2]


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    plan = plan_run("bell", "local", find_project(ROOT), runs=tmp_path)
    directory = RunDirectory.create(tmp_path, "bell")
    Run(plan.experiment, plan.project, plan.site, directory).prepare()
    return directory


def test_a_run_that_was_left_ends_as_if_its_driver_had_been_cancelled(
    directory: RunDirectory,
) -> None:
    assert status_of(directory).state == "left"
    assert cancel(directory) == []
    run = directory.read_results()["run"]
    assert (run["status"], run["exit_code"]) == ("interrupted", 143)


def test_two_who_cancel_a_run_do_not_end_each_other(directory: RunDirectory) -> None:
    second = threading.Thread(target=cancel, args=(directory,))
    with run_lock(directory.lock, "run", cancels=True):  # this process would end by SIGTERM
        second.start()
        time.sleep(1.0)
        assert second.is_alive()
        assert directory.read_results()["run"]["status"] == "running"
    second.join(PATIENCE_S)
    assert directory.read_results()["run"]["status"] == "interrupted"
