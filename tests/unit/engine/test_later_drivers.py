"""Tasks of a driver that is gone: finished, still running, or failed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest
import rank_functions as functions
from waiting import PATIENCE_S

from hybrid_parsl.engine.jobs.record import JobRecord
from hybrid_parsl.engine.psij_executor import PsiJExecutor
from hybrid_parsl.errors import HybridParslError, RankFailedError

DRIVER = """
import sys, time
import rank_functions as functions
from hybrid_parsl.engine.jobs.record import JobRecord
from hybrid_parsl.engine.psij_executor import PsiJExecutor
executor = PsiJExecutor("mpi", sys.argv[1])
executor.start()
executor.submit(functions.wait_for, {"num_ranks": 2}, sys.argv[2])
print("submitted", flush=True)
time.sleep(60)
"""


@pytest.fixture
def left_job(tmp_path):
    """A job whose driver was killed; it ends when the file that is returned is there."""
    go = tmp_path / "go"
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path / "tasks"), str(go)], stdout=subprocess.PIPE
    )
    assert driver.stdout.readline() == b"submitted\n"
    driver.kill()
    driver.communicate()
    yield go
    go.touch()


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("id_is_known", [True, False])
def test_a_later_driver_follows_the_job_that_still_runs(tmp_path, left_job, id_is_known):
    path = tmp_path / "tasks" / "wait_for" / "job.json"
    record = JobRecord.read(path)
    assert record is not None
    if not id_is_known:  # killed between the submission and the second line of the record
        replace(record, job_id=None, begun=None).write(path)
    executor = PsiJExecutor("mpi", tmp_path / "tasks")
    executor.start()
    future = executor.submit(functions.wait_for, {"num_ranks": 2}, str(left_job))
    assert future.job.job_id == record.job_id
    time.sleep(0.5)
    assert not future.done()
    left_job.touch()
    assert future.result(PATIENCE_S) == 2
    executor.shutdown()
    assert JobRecord.read(path).ended == "COMPLETED"


@pytest.mark.usefixtures("thorough")
def test_a_later_driver_can_cancel_the_job_that_still_runs(tmp_path, left_job):
    executor = PsiJExecutor("mpi", tmp_path / "tasks")
    executor.start()
    future = executor.submit(functions.wait_for, {"num_ranks": 2}, str(left_job))
    process = psutil.Process(int(future.job.job_id))
    tree = [process, *process.children(recursive=True)]
    executor.shutdown()
    with pytest.raises(HybridParslError):
        future.result(0)
    assert not [each for each in tree if each.is_running() and each.status() != "zombie"]


@pytest.mark.usefixtures("thorough")
def test_a_later_driver_takes_a_result_from_the_disk_and_repeats_what_failed(tmp_path):
    counter = tmp_path / "calls"
    results = []
    for fails in (True, False, False):
        executor = PsiJExecutor("mpi", tmp_path / "tasks")
        executor.start()
        if fails:
            os.environ["HYBRID_PARSL_TEST_FAIL"] = "1"
        try:
            future = executor.submit(functions.count_calls, {"num_ranks": 1}, str(counter))
            results.append(future.exception(PATIENCE_S) or future.result())
        finally:
            os.environ.pop("HYBRID_PARSL_TEST_FAIL", None)
            executor.shutdown()
    assert isinstance(results[0], RankFailedError)
    assert results[1:] == [2, 2]
    assert [path.name for path in (tmp_path / "tasks").glob("[!.]*")] == ["count_calls"]
