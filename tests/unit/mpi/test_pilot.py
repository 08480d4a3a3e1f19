"""Ranks that carry out one task after another, with the MPI of this environment."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import rank_functions as functions
from waiting import PATIENCE_S

from hybrid_parsl import identity
from hybrid_parsl.mpi import pilot
from hybrid_parsl.mpi.pilot import TIMED_OUT, call_in_block, run_ranks
from hybrid_parsl.tasks.failures import explain_failure, read_result
from hybrid_parsl.tasks.folder import Request, TaskFolder
from hybrid_parsl.tasks.serialization import write_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MPIEXEC = Path(sys.executable).parent / "mpiexec"


@pytest.fixture
def tasks(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    while pilot._kept:
        pilot._kept.pop().end()


@pytest.fixture
def run(tasks: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, TaskFolder]]:
    def run_task(
        function: Any, *arguments: Any, ranks: int = 2, walltime_s: int = 100
    ) -> tuple[int, TaskFolder]:
        monkeypatch.setenv("PARSL_MPI_PREFIX", f"{MPIEXEC} -n {ranks}")
        folder = TaskFolder(tasks / f"{function.__name__}-{time.time_ns()}")
        folder.path.mkdir()
        write_frame(folder.request, Request(identity.current(), function, arguments, {}))
        return run_ranks(str(folder.path), sys.executable, walltime_s), folder

    return run_task


def members(folder: TaskFolder) -> set[int]:
    return {member["pid"] for member in json.loads(folder.ranks.read_text())}


@pytest.mark.usefixtures("thorough")
def test_ranks_stay_for_the_next_task_of_their_number(run: Any) -> None:
    found = [run(functions.who) for _ in range(2)]
    assert [code for code, _ in found] == [0, 0]
    assert read_result(found[1][1]) == [(0, 2), (1, 2)]
    assert members(found[0][1]) == members(found[1][1])
    code, folder = run(functions.count_together, 5, ranks=3)
    assert code == 0
    dealt = [number for share in read_result(folder) for number in share]
    assert sorted(dealt) == sorted([*range(5), *range(5)])
    assert not members(folder) & members(found[0][1])
    assert not any(psutil.pid_exists(pid) for pid in members(found[0][1]))


@pytest.mark.usefixtures("thorough")
def test_each_task_has_its_own_output(run: Any) -> None:
    for n_lines in (1, 2):
        code, folder = run(functions.print_lines, n_lines)
        assert code == 0
        assert sorted(folder.stdout.read_text().splitlines()) == sorted(
            f"line {line} of rank {rank}" for rank in (0, 1) for line in range(n_lines)
        )


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(
    ("function", "words"), [(functions.raise_on, "told to fail on 1"), (functions.kill_on, "")]
)
def test_ranks_that_fail_are_replaced(run: Any, function: Any, words: str) -> None:
    for _ in range(8):  # now and then MPICH's launcher names one that it has ended itself
        code, folder = run(function, 1)
        assert code > 0
        error = explain_failure(folder, "7", code)
        if error.rank == 1:
            break
    assert error.rank == 1
    assert words in str(error)
    assert run(functions.add, 1)[0] == 0


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(
    ("function", "arguments", "words"),
    [
        (functions.raise_on, (0,), "rank 0 on .* raised ValueError: told to fail on 0"),
        (functions.raise_ours, (), "cannot write /some/file: no space left"),
        (functions.leave, (0,), "raised SystemExit: 0"),
        (functions.return_unpicklable, (), "cannot send a generator"),
    ],
)
def test_an_exception_on_rank_0_is_not_reported_as_success(
    run: Any, function: Any, arguments: tuple[Any, ...], words: str
) -> None:
    code, folder = run(function, *arguments)
    assert code > 0
    assert re.search(words, str(explain_failure(folder, "7", code)))
    assert run(functions.add, 1)[0] == 0  # on new ranks: those that have failed take no task


@pytest.mark.usefixtures("thorough")
def test_ranks_that_are_over_their_walltime_are_ended(run: Any) -> None:
    run(functions.who)  # the time of a task does not include the start of its ranks
    code, folder = run(functions.sleep, 300, walltime_s=3)
    assert code == TIMED_OUT
    assert not any(psutil.pid_exists(pid) for pid in members(folder))
    assert run(functions.add, 1)[0] == 0


@pytest.mark.usefixtures("thorough")
def test_idle_ranks_leave_the_processors_to_others(run: Any) -> None:
    _, folder = run(functions.who)
    ranks = [psutil.Process(pid) for pid in members(folder)]
    before = [sum(rank.cpu_times()[:2]) for rank in ranks]
    time.sleep(2)
    for rank, used in zip(ranks, before, strict=True):
        assert sum(rank.cpu_times()[:2]) - used < 0.5


def test_ranks_end_when_their_worker_is_killed(tasks: Path) -> None:
    folder = TaskFolder(tasks / "who")
    folder.path.mkdir()
    write_frame(folder.request, Request(identity.current(), functions.who, (), {}))
    program = (
        "import sys, time; from hybrid_parsl.mpi.pilot import run_ranks\n"
        "print(run_ranks(sys.argv[1], sys.executable, 100), flush=True); time.sleep(300)"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", program, str(folder.path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PARSL_MPI_PREFIX": f"{MPIEXEC} -n 2"},
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == "0\n"
    ranks = [psutil.Process(pid) for pid in members(folder)]
    worker.kill()
    worker.communicate()
    assert psutil.wait_procs(ranks, timeout=PATIENCE_S)[1] == []


@pytest.mark.usefixtures("thorough")
def test_the_block_of_a_task_is_noted(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARSL_WORKER_BLOCK_ID", "3")
    code, folder = run(functions.who)
    assert (code, folder.block_name()) == (0, "3")
    folder.clear()
    assert folder.block_name() is None
    assert call_in_block(str(folder.path), functions.add, (1,), {"second": 2}) == 3
    assert folder.block_name() == "3"
    assert call_in_block(str(tmp_path / "unseen"), functions.add, (1,), {}) == 1


def test_the_output_of_a_call_goes_to_its_folder(tmp_path: Path) -> None:
    folder = TaskFolder(tmp_path)
    call_in_block(str(tmp_path), os.system, ("echo out; echo err >&2",), {})
    assert (folder.stdout.read_text(), folder.stderr.read_text()) == ("out\n", "err\n")
