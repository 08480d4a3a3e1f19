from __future__ import annotations

from pathlib import Path

from hybrid_parsl.project import find_project
from hybrid_parsl.records.run_directory import RunDirectory
from hybrid_parsl.run_control import cancel, status_of
from hybrid_parsl.run_plan import plan_run
from hybrid_parsl.runner import Run

ROOT = Path(__file__).parents[2]


def test_a_run_that_was_left_ends_as_if_its_driver_had_been_canceled(tmp_path: Path) -> None:
    plan = plan_run("bell", "local", find_project(ROOT), runs=tmp_path)
    directory = RunDirectory.create(tmp_path, "bell")
    Run(plan.experiment, plan.project, plan.site, directory).prepare()
    assert status_of(directory).state == "left"
    assert cancel(directory) == []
    run = directory.read_results()["run"]
    assert (run["status"], run["exit_code"]) == ("interrupted", 143)
