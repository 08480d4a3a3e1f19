"""Records of jobs in the folder of a run that is being driven."""

from __future__ import annotations

import subprocess
import sys

from hybrid_parsl.engine.jobs.orphans import cancel_blocks, job_states, taken_jobs
from hybrid_parsl.engine.jobs.record import BLOCK_RECORD, TASK_RECORD, JobRecord

PREPARE_TASKS = """
import os
while True:
    for number in range(20):
        os.mkdir(f".task-{number}")
    for number in range(20):
        os.rename(f".task-{number}", f"task-{number}")
    for number in range(20):
        os.rmdir(f"task-{number}")
"""


def test_folders_that_are_renamed_meanwhile_are_passed_over(tmp_path):
    with subprocess.Popen([sys.executable, "-c", PREPARE_TASKS], cwd=tmp_path) as driver:
        try:
            assert not any(taken_jobs(tmp_path) for _ in range(2000))
            assert driver.poll() is None
        finally:
            driver.kill()


def test_a_block_whose_driver_died_before_its_submission_has_ended(tmp_path):
    path = tmp_path / f"block{BLOCK_RECORD}"
    JobRecord.of("local", "hybrid-parsl-block-of-nobody").write(path)
    assert cancel_blocks(tmp_path) == []
    assert JobRecord.read(path).ended == "CANCELED"


def test_the_state_of_a_job_whose_backend_there_is_not_is_unknown(tmp_path):
    JobRecord.of("nothing", "x").with_id("7", None).write(tmp_path / TASK_RECORD)
    (row,) = job_states(tmp_path)
    assert row["state"] == "UNKNOWN"
    assert "PSI/J has no such backend" in row["waits_for"]
