"""Tasks as PSI/J jobs on the local backend, with a real MPI launcher."""

from __future__ import annotations

import contextlib
import os
import pickle
import stat
import subprocess
import sys
import tempfile
import time
from concurrent.futures import CancelledError

import psutil
import pytest
import rank_functions as functions
from waiting import PATIENCE_S

from hybrid_parsl import identity
from hybrid_parsl.engine.psij_executor import PsiJExecutor
from hybrid_parsl.errors import (
    ConfigurationError,
    IdentityMismatchError,
    JobFailedError,
    RankFailedError,
    ResultError,
    StorageError,
    WalltimeExceededError,
)
from hybrid_parsl.tasks.failures import explain_failure
from hybrid_parsl.tasks.folder import Request, TaskFolder
from hybrid_parsl.tasks.serialization import write_frame

TWO = {"num_nodes": 1, "ranks_per_node": 2}


@pytest.fixture(scope="module")
def executor(tmp_path_factory):
    executor = PsiJExecutor("mpi", tmp_path_factory.mktemp("tasks"))
    executor.start()
    yield executor
    executor.shutdown()


def run(executor, function, *arguments, resources=TWO, **keywords):
    return executor.submit(function, resources, *arguments, **keywords).result(PATIENCE_S)


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("n_ranks", [1, 2])
def test_every_rank_calls_the_function_and_rank_0_returns(executor, n_ranks):
    resources = {"num_ranks": n_ranks}
    expected = [(rank, n_ranks) for rank in range(n_ranks)]
    assert run(executor, functions.who, resources=resources) == expected


@pytest.mark.usefixtures("thorough")
def test_a_folder_of_any_name(tmp_path, monkeypatch):
    name = "für 'alle\" a*[b]?"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    executor = PsiJExecutor("mpi", tmp_path / name)
    executor.check(TWO)
    executor.start()
    try:
        assert run(executor, functions.who) == [(0, 2), (1, 2)]
        with pytest.raises(RankFailedError, match="rank 1"):
            run(executor, functions.raise_on, 1)
    finally:
        executor.shutdown()
    assert "ValueError" in (tmp_path / name / "raise_on" / "stderr.log").read_text()
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("name", ["with a space", "a(b", "a;b", "a&b", "a$b", "a'b", 'a"b', "a*b"])
def test_batch_scripts_cannot_work_in_a_folder_in_which_a_shell_reads_more(tmp_path, name):
    executor = PsiJExecutor("mpi", tmp_path / name, backend="slurm")
    for use in (executor.start, lambda: executor.check(TWO)):
        with pytest.raises(ConfigurationError, match="a path of letters"):
            use()


def test_a_launcher_that_is_killed_is_no_rank_that_is(executor, tmp_path):
    future = executor.submit(functions.write_and_sleep, TWO, str(tmp_path / "begun"), 300)
    deadline = time.monotonic() + PATIENCE_S
    while not (tmp_path / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    tree = psutil.Process(int(future.job.job_id)).children(recursive=True)
    (launcher,) = [each for each in tree if each.cmdline()[3:4] == ["hybrid_parsl.mpi.launcher"]]
    launcher.kill()
    with pytest.raises(JobFailedError, match="its launcher was killed by signal 9"):
        future.result(PATIENCE_S)


@pytest.mark.usefixtures("thorough")
def test_arguments_and_keywords_arrive(executor):
    assert run(executor, functions.add, 40, second=2) == 42


@pytest.mark.usefixtures("thorough")
def test_parsls_resource_keyword_is_not_the_functions(executor):
    assert run(executor, functions.add, 1, parsl_resource_specification=TWO) == 1


@pytest.mark.usefixtures("thorough")
def test_several_tasks_run_at_once(executor):
    futures = [executor.submit(functions.add, {"num_ranks": 1}, n) for n in range(3)]
    assert [future.result(PATIENCE_S) for future in futures] == list(range(3))


@pytest.mark.usefixtures("thorough")
def test_a_lambda_travels_by_value(executor):
    offset = 3
    assert run(executor, lambda n: n + offset, 4) == 7


@pytest.mark.usefixtures("thorough")
def test_exception_on_one_rank_ends_the_job_and_names_the_rank(executor):
    with pytest.raises(RankFailedError) as caught:
        run(executor, functions.raise_on, 1)
    error = caught.value
    assert error.rank == 1
    assert error.host == os.uname().nodename
    assert "ValueError: told to fail on 1" in error.traceback
    assert isinstance(error.__cause__, ValueError)
    assert "rank 1" in str(error)
    assert "rank_functions.py" in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.usefixtures("thorough")
def test_an_error_of_our_own_tree_stands_for_itself(executor):
    with pytest.raises(StorageError, match="/some/file"):
        run(executor, functions.raise_ours)


@pytest.mark.usefixtures("thorough")
def test_an_exception_that_cannot_be_pickled_is_told_by_its_traceback(executor):
    with pytest.raises(RankFailedError, match="LocalError: cannot travel"):
        run(executor, functions.raise_unpicklable)


@pytest.mark.usefixtures("thorough")
def test_sys_exit_on_a_rank_is_a_failure(executor):
    with pytest.raises(RankFailedError, match="SystemExit: 0"):
        run(executor, functions.leave, 0)


@pytest.mark.usefixtures("thorough")
def test_killed_rank_is_named(executor):
    with pytest.raises(RankFailedError) as caught:
        run(executor, functions.kill_on, 1)
    assert caught.value.rank == 1
    assert caught.value.job_exit_code == 137
    assert "rank 1" in str(caught.value)
    assert "killed by signal 9" in str(caught.value)


@pytest.mark.usefixtures("thorough")
def test_rank_that_ends_without_a_word_is_a_failure(executor):
    with pytest.raises(RankFailedError, match="exit code 7"):
        run(executor, functions.exit_process)


@pytest.mark.usefixtures("thorough")
def test_unpicklable_result_is_a_result_error(executor):
    with pytest.raises(ResultError, match="generator"):
        run(executor, functions.return_unpicklable)


def test_unpicklable_argument_is_refused_at_once(executor):
    with pytest.raises(ResultError, match="cannot send"):
        executor.submit(functions.add, TWO, (n for n in range(3)))


@pytest.mark.usefixtures("thorough")
def test_a_large_result_arrives_whole(executor):
    assert len(run(executor, functions.return_big, 20_000_000)) == 20_000_000


@pytest.mark.usefixtures("thorough")
def test_output_of_the_ranks_is_in_the_folder_of_the_task(tmp_path):
    executor = PsiJExecutor("mpi", tmp_path)
    executor.start()
    try:
        run(executor, functions.print_lines, 3)
    finally:
        executor.shutdown()
    text = (tmp_path / "print_lines" / "stdout.log").read_text()
    assert sorted(text.splitlines()) == [
        f"line {n} of rank {r}" for n in range(3) for r in range(2)
    ]
    assert (tmp_path / "print_lines" / "stderr.log").exists()


def test_walltime_is_kept_on_the_local_backend(executor):
    # PSI/J's local backend ignores the duration of a job
    begun = time.monotonic()
    with pytest.raises(WalltimeExceededError):
        run(executor, functions.sleep, 300, resources={"num_ranks": 2, "walltime_s": 1})
    assert time.monotonic() - begun < 30


def test_cancel_ends_the_processes(executor):
    future = executor.submit(functions.sleep, TWO, 300)
    pid = int(future.job.job_id)
    tree = _wait_for_ranks(pid)
    assert future.cancel()
    with pytest.raises(CancelledError):
        future.result(PATIENCE_S)
    assert not [process for process in tree if runs(process)]


@pytest.mark.usefixtures("thorough")
def test_shutdown_leaves_no_process(tmp_path):
    executor = PsiJExecutor("mpi", tmp_path)
    executor.start()
    future = executor.submit(functions.sleep, TWO, 300)
    tree = _wait_for_ranks(int(future.job.job_id))
    executor.shutdown()
    _, alive = psutil.wait_procs(tree, 10)  # a busy machine takes a while to end what was killed
    assert not [process for process in alive if runs(process)]


def runs(process):
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def _wait_for_ranks(pid):
    process = psutil.Process(pid)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        tree = process.children(recursive=True)
        with contextlib.suppress(psutil.NoSuchProcess):
            if sum(each.cmdline()[3:4] == ["hybrid_parsl.mpi"] for each in tree) >= 2:
                return tree
        time.sleep(0.05)
    raise TimeoutError


@pytest.mark.usefixtures("thorough")
def test_other_sources_on_the_ranks_are_an_identity_mismatch(executor, monkeypatch):
    monkeypatch.setattr(identity, "current", lambda: "0.0.0+other")
    with pytest.raises(IdentityMismatchError) as caught:
        run(executor, functions.add, 1)
    assert caught.value.here == "0.0.0+other"


@pytest.mark.usefixtures("thorough")
def test_the_launcher_beside_the_interpreter_wins_over_path(executor, tmp_path, monkeypatch):
    # slurm-wlm-torque, for one, puts another mpirun into PATH
    fake = tmp_path / "mpirun"
    fake.write_text("#!/bin/sh\nexit 99\n")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert run(executor, functions.add, 5) == 5


def test_a_job_that_cannot_start_says_so(tmp_path):
    executor = PsiJExecutor("mpi", tmp_path, python=str(tmp_path / "no" / "python"))
    executor.start()
    try:
        with pytest.raises(JobFailedError, match="before its ranks had started"):
            run(executor, functions.add, 1)
    finally:
        executor.shutdown()


def test_unknown_backend_lists_the_known_ones(tmp_path):
    with pytest.raises(ConfigurationError, match="local") as caught:
        PsiJExecutor("mpi", tmp_path, backend="slrum").start()
    assert caught.value.found == "slrum"


def test_unknown_resource_key_is_refused(executor):
    with pytest.raises(ConfigurationError, match="num_ranks"):
        executor.submit(functions.add, {"nodes": 2}, 1)


def test_a_task_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    executor = PsiJExecutor("mpi", tmp_path / "file" / "tasks")
    executor.start()
    try:
        with pytest.raises(StorageError, match="tasks/add"):
            executor.submit(functions.add, TWO, 1)
    finally:
        executor.shutdown()


@pytest.mark.usefixtures("thorough")
def test_a_task_of_the_same_name_gets_a_folder_of_its_own(tmp_path):
    executor = PsiJExecutor("mpi", tmp_path)
    executor.start()
    try:
        run(executor, functions.add, 1, resources={"num_ranks": 1})
        run(executor, functions.add, 2, resources={"num_ranks": 1})
    finally:
        executor.shutdown()
    assert {path.name for path in tmp_path.iterdir() if path.name[0] != "."} == {"add", "add-2"}


@pytest.mark.usefixtures("thorough")
def test_request_names_no_module_of_parsl(tmp_path):
    from parsl.app.errors import wrap_error

    executor = PsiJExecutor("mpi", tmp_path)
    executor.start()
    try:
        run(executor, wrap_error(functions.add), 1, resources={"num_ranks": 1})
    finally:
        executor.shutdown()
    data = (tmp_path / "add" / "request.frame").read_bytes()
    assert b"parsl.app" not in data
    assert b"rank_functions" in data


def test_preview_shows_the_command(tmp_path):
    asked = {"num_nodes": 2, "ranks_per_node": 3}
    text = PsiJExecutor("mpi", tmp_path).preview("search", asked).headline
    assert "6 ranks" in text
    ranks = f"{sys.executable} -P -m hybrid_parsl.mpi {tmp_path}/search"
    assert f"{sys.executable} -P -m hybrid_parsl.mpi.launcher 6 {ranks}" in text


@pytest.mark.usefixtures("thorough")
def test_a_driver_that_is_part_of_a_batch_job_keeps_its_ranks_here(executor, monkeypatch):
    for name, value in {
        "SLURM_JOB_ID": "77",
        "SLURM_JOBID": "77",
        "SLURM_NNODES": "2",
        "SLURM_NODELIST": "n[1-2]",
        "SLURM_TASKS_PER_NODE": "2(x2)",
    }.items():
        monkeypatch.setenv(name, value)
    assert run(executor, functions.who) == [(0, 2), (1, 2)]


@pytest.mark.usefixtures("thorough")
def test_a_driver_that_is_a_rank_hands_no_connection_on(tmp_path, monkeypatch):
    for name, value in {"PMI_FD": "9", "PMI_RANK": "1", "PMI_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    executor = PsiJExecutor("quantum", tmp_path, launcher="single")
    executor.start()
    try:
        assert executor.submit(functions.add, {}, 1, 2).result(PATIENCE_S) == 3
    finally:
        executor.shutdown()


def test_fewer_ranks_than_asked_are_refused(tmp_path, monkeypatch):
    # what a launcher gives that the MPI library does not understand: ranks that are alone
    monkeypatch.setenv("UCX_TLS", "self,sysv")
    folder = TaskFolder(tmp_path)
    write_frame(folder.request, Request(identity.current(), functions.add, (1,), {}))
    command = [sys.executable, "-P", "-m", "hybrid_parsl.mpi", str(tmp_path)]
    environment = {**os.environ, "HYBRID_PARSL_N_RANKS": "2"}
    assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode
    error = explain_failure(folder, "77", 1)
    assert isinstance(error, ConfigurationError)
    assert (error.key, error.found) == ("resources.num_ranks", "1 of 2")


def test_software_is_known_to_be_the_drivers_or_not_known(tmp_path):
    assert PsiJExecutor("mpi", tmp_path).software == ""
    assert PsiJExecutor("mpi", tmp_path, python=sys.executable).software == ""
    assert PsiJExecutor("mpi", tmp_path, python="/opt/python").software is None
