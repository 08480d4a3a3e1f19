"""Tasks in warm processes of this host."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
import rank_functions as functions
from waiting import PATIENCE_S

from hybrid_parsl.engine.tasks.folders import TaskFolders
from hybrid_parsl.engine.warm_processes import WarmProcesses, WarmProcessExecutor
from hybrid_parsl.errors import JobFailedError, ResultError, StorageError
from hybrid_parsl.own_code import OwnCode, SourceFile
from hybrid_parsl.stage_function import StageFunction
from hybrid_parsl.tasks.serialization import read_frame


@pytest.fixture
def executor(tmp_path):
    executor = WarmProcessExecutor("quantum", tmp_path, WarmProcesses(1))
    executor.start()
    yield executor
    executor.shutdown()


def run(executor, function, *arguments):
    return executor.submit(function, {}, *arguments).result(PATIENCE_S)


def test_tasks_share_one_process_that_is_not_this_one(executor):
    pids = {run(executor, os.getpid) for _ in range(3)}
    assert len(pids) == 1
    assert os.getpid() not in pids


def test_a_process_does_not_carry_parsl(executor):
    assert not run(executor, functions.has_imported, "parsl")


CALL = "os.getpid, {}).result(600) != os.getpid()"
UNGUARDED = """
import os, sys
from pathlib import Path
from hybrid_parsl.engine.warm_processes import WarmProcesses, WarmProcessExecutor
executor = WarmProcessExecutor("quantum", Path(sys.argv[1]), WarmProcesses(1))
executor.start()
print(executor.submit(os.getpid, {}).result(600) != os.getpid())
executor.shutdown()
"""


@pytest.mark.usefixtures("thorough")
def test_the_program_that_starts_a_process_is_not_begun_again_in_it(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(UNGUARDED)
    command = [sys.executable, str(program), str(tmp_path / "tasks")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


@pytest.mark.usefixtures("thorough")
def test_a_file_of_the_current_folder_does_not_shadow_the_standard_library(tmp_path):
    program, home = tmp_path / "program.py", tmp_path / "home"
    program.write_text(UNGUARDED.replace(CALL, "os.getenv, {}, 'PYTHONSAFEPATH').result(600)"))
    home.mkdir()
    for name in ("signal.py", "pickle.py", "random.py"):
        (home / name).write_text("raise RuntimeError('shadowed')\n")
    command = [sys.executable, str(program), str(tmp_path / "tasks")]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "None\n", "")


@pytest.mark.usefixtures("thorough")
def test_output_of_a_task_is_in_its_folder(executor, tmp_path):
    run(executor, functions.print_lines, 2)
    run(executor, functions.print_lines, 1)
    assert (tmp_path / "print_lines" / "stdout.log").read_text().count("line") == 2
    assert (tmp_path / "print_lines-2" / "stdout.log").read_text().count("line") == 1


@pytest.mark.usefixtures("thorough")
def test_an_exception_arrives_as_it_is_with_its_traceback(executor):
    with pytest.raises(ValueError, match="told to fail on 0") as caught:
        run(executor, functions.raise_on, 0)
    assert "rank_functions.py" in str(caught.value.__cause__)


def test_a_process_that_is_killed_is_told(executor):
    with pytest.raises(JobFailedError, match="died unexpectedly"):
        run(executor, functions.kill_on, 0)


@pytest.mark.usefixtures("thorough")
def test_an_unpicklable_result_is_a_result_error(executor):
    with pytest.raises(ResultError, match="pickle"):
        run(executor, functions.return_unpicklable)


def test_shutdown_ends_a_process_in_the_middle_of_a_task(tmp_path):
    executor = WarmProcessExecutor("quantum", tmp_path, WarmProcesses(1))
    executor.start()
    pid = run(executor, os.getpid)
    future = executor.submit(functions.sleep, {}, 300)
    time.sleep(0.3)
    begun = time.monotonic()
    executor.shutdown()
    assert time.monotonic() - begun < 10
    assert not psutil.pid_exists(pid)
    with pytest.raises(JobFailedError):
        future.result(PATIENCE_S)


def test_shared_processes_end_with_their_last_user(tmp_path):
    processes = WarmProcesses(1)
    first, second = (WarmProcessExecutor(each, tmp_path, processes) for each in "ab")
    first.start()
    second.start()
    pid = run(first, os.getpid)
    first.shutdown()
    assert run(second, os.getpid) == pid
    second.shutdown()
    assert not psutil.pid_exists(pid)


def test_a_later_driver_takes_what_is_finished_from_the_disk(tmp_path):
    path = str(tmp_path / "calls")
    for _ in range(2):
        executor = WarmProcessExecutor("quantum", tmp_path, WarmProcesses(1))
        executor.start()
        assert run(executor, functions.count_calls, path) == 1
        executor.shutdown()


def test_a_call_that_is_no_task_is_made_each_time_and_keeps_nothing(executor, tmp_path):
    assert executor.call(os.getpid).result(PATIENCE_S) == executor.call(os.getpid).result(
        PATIENCE_S
    )
    assert not (tmp_path / "getpid" / "result.frame").exists()


def test_processes_that_died_while_they_were_idle_are_started_again(executor):
    first = executor.call(os.getpid).result(PATIENCE_S)
    os.kill(first, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_S
    while psutil.pid_exists(first) and time.monotonic() < deadline:
        time.sleep(0.05)
    found = set()
    while not found and time.monotonic() < deadline:  # the pool hears of it a moment later
        with contextlib.suppress(JobFailedError):
            found.add(executor.call(os.getpid).result(PATIENCE_S))
    assert found
    assert first not in found


KILLED = """
import os, signal, threading
from hybrid_parsl.engine.warm_processes import UNLINKER, WarmProcesses
processes = WarmProcesses(2)
processes.open()
for thread in threading.enumerate():
    if thread.name == UNLINKER:
        thread.join(600)
assert processes.submit(abs, -3).result(600) == 3
os.kill(os.getpid(), signal.{})
"""


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("number", ["SIGKILL", "SIGTERM"])
def test_a_driver_that_is_killed_leaks_no_semaphores(number):
    """Python's resource tracker, which warns of them, holds the standard error to its end."""
    killed = subprocess.run(
        [sys.executable, "-c", KILLED.format(number)],
        capture_output=True, text=True, check=False, timeout=PATIENCE_S * 2,
    )  # fmt: skip
    assert killed.returncode == -getattr(signal, number)
    assert killed.stderr == ""


def stage(function, name):
    return StageFunction(function, name, OwnCode())


@pytest.fixture
def make_brief(tmp_path):
    made = []

    def make():
        executor = WarmProcessExecutor("quantum", tmp_path, WarmProcesses(1))
        executor.keeps_folders = False
        executor.start()
        made.append(executor)
        return executor

    yield make
    for executor in made:
        executor.shutdown()


def entries(folder):
    return sorted(each.name for each in folder.iterdir())


def test_a_brief_task_leaves_its_result_and_no_folder(make_brief, tmp_path):
    count = tmp_path / "count"
    for _ in range(2):
        executor = make_brief()
        assert run(executor, stage(functions.count_calls, "0.count"), str(count)) == 1
        assert entries(tmp_path) == ["calls.frames", "count"]
        executor.shutdown()
    assert run(make_brief(), stage(functions.count_calls, "1.count"), str(count)) == 2


def test_a_brief_task_that_prints_has_a_folder(make_brief, tmp_path):
    executor = make_brief()
    assert run(executor, stage(functions.print_lines, "0.print"), 2) == 2
    assert (tmp_path / "0.print" / "stdout.log").read_text().count("line") == 2
    later = TaskFolders(tmp_path).open(stage(functions.print_lines, "0.print"), (2,), {})
    assert later.logged == (2,)


def test_a_brief_task_that_failed_goes_on_in_its_folder(make_brief, tmp_path):
    executor, failing = make_brief(), stage(functions.keep_lines_and_fail, "0.keep")
    with pytest.raises(RuntimeError):
        run(executor, failing)
    assert read_frame(tmp_path / "0.keep" / "request.frame").function == failing
    assert run(executor, failing) == ["of rank 0"]
    assert not (tmp_path / "0.keep-2").exists()


def test_a_brief_task_that_is_killed_goes_on_in_its_folder(make_brief, tmp_path):
    executor = make_brief()
    with pytest.raises(JobFailedError, match="died unexpectedly"):
        run(executor, stage(functions.kill_on, "0.kill"), 0)
    executor.shutdown()
    task = TaskFolders(tmp_path).open(stage(functions.kill_on, "0.kill"), (0,), {})
    assert (task.is_new, task.folder.path.name) == (False, "0.kill")


def test_an_edited_brief_task_is_computed_again(make_brief, caplog):
    executor = make_brief()
    assert run(executor, stage(functions.add, "0.add"), 1) == 1
    executor.shutdown()
    edited = OwnCode((SourceFile("a", "a.py", b""),))
    assert run(make_brief(), StageFunction(functions.add, "0.add", edited), 1) == 1
    assert "0.add: its source has changed; it is computed again" in caplog.messages


def test_a_brief_task_on_a_full_disk_is_an_error(make_brief, tmp_path):
    executor = make_brief()
    (tmp_path / "calls.frames").mkdir()
    with pytest.raises(StorageError, match=r"calls\.frames"):
        run(executor, stage(functions.add, "0.add"), 1)


def test_what_is_no_stage_has_a_folder_in_any_case(make_brief, tmp_path):
    run(make_brief(), functions.add, 1)
    assert (tmp_path / "add" / "result.frame").exists()
