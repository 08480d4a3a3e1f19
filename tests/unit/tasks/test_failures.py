from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from hybrid_parsl.errors import (
    ConfigurationError,
    JobFailedError,
    RankFailedError,
    ResultError,
)
from hybrid_parsl.tasks.failures import await_result, explain_failure, log_tail, read_result
from hybrid_parsl.tasks.folder import Failure, TaskFolder
from hybrid_parsl.tasks.serialization import write_frame

if TYPE_CHECKING:
    from pathlib import Path

MEMBERS = [{"host": "n1", "pid": 500}, {"host": "n1", "pid": 501}, {"host": "n2", "pid": 502}]
HYDRA = """
===================================================================================
=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES
=   PID 501 RUNNING AT n1
=   EXIT CODE: 9
=   CLEANING UP REMAINING PROCESSES
===================================================================================
YOUR APPLICATION TERMINATED WITH THE EXIT STRING: Killed (signal 9)
"""


@pytest.fixture
def folder(tmp_path: Path) -> TaskFolder:
    return TaskFolder(tmp_path)


def report(folder: TaskFolder, rank: int, time: float, error: BaseException | None) -> None:
    text = f"Traceback of {rank}\n{error!r}"
    write_frame(folder.failure(rank), Failure(time, rank, f"n{rank}", 500 + rank, text, error))


# ---- the end of a log


def test_the_last_lines_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "stderr.log"
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    assert log_tail(log) == "\n".join(f"line {number}" for number in range(88, 100))
    assert log_tail(log, 2) == "line 98\nline 99"


def test_logs_that_are_hard_to_read(tmp_path: Path) -> None:
    log = tmp_path / "stderr.log"
    assert log_tail(log) == ""
    assert log_tail(tmp_path) == ""
    log.touch()
    assert log_tail(log) == ""
    log.write_bytes(b"caf\xe9\n\0")
    assert log_tail(log) == "caf\ufffd\n\0"
    log.write_bytes(b"x" * 5_000_000)
    assert log_tail(log) == "x" * 16_384


# ---- a result


def test_the_result_of_rank_0(folder: TaskFolder) -> None:
    with pytest.raises(ResultError, match=r"result\.frame cannot be read: No such file"):
        read_result(folder)
    write_frame(folder.result, [1, 2])
    assert read_result(folder) == [1, 2]


def test_a_result_that_the_file_system_shows_late(folder: TaskFolder) -> None:
    asked = threading.Event()

    class Late(TaskFolder):
        def failures(self) -> list[Path]:
            asked.set()
            return super().failures()

    def show() -> None:
        asked.wait()
        write_frame(folder.result, [1, 2])

    server = threading.Thread(target=show)
    server.start()
    assert await_result(Late(folder.path), "77") == [1, 2]
    server.join()


def test_a_failure_counts_more_than_a_result(folder: TaskFolder) -> None:
    write_frame(folder.result, [1, 2])
    report(folder, 1, 2.0, ValueError("no"))
    with pytest.raises(RankFailedError, match=r"rank 1 on n1 raised ValueError\('no'\)"):
        await_result(folder, "77")


def test_a_result_that_never_comes(folder: TaskFolder) -> None:
    with pytest.raises(ResultError, match=r"result\.frame cannot be read: No such file"):
        await_result(folder, "77", patience_s=0.0)


# ---- a failure


def test_a_rank_that_raised(folder: TaskFolder) -> None:
    folder.stderr.write_text("some noise\n")
    report(folder, 2, 5.0, ValueError("no"))
    error = explain_failure(folder, "77", 3)
    assert isinstance(error, RankFailedError)
    assert (error.rank, error.host, error.job_exit_code) == (2, "n2", 3)
    assert error.traceback.startswith("Traceback of 2")
    assert error.stderr_tail == "some noise"
    assert error.stderr_path == str(folder.stderr)
    assert isinstance(error.__cause__, ValueError)
    assert "rank 2 on n2 raised ValueError('no')" in str(error)


def test_the_earliest_report_counts(folder: TaskFolder) -> None:
    report(folder, 0, 9.0, KeyError("late"))
    report(folder, 1, 2.0, KeyError("first"))
    report(folder, 2, 5.0, ConfigurationError("later"))
    error = explain_failure(folder, "77", 1)
    assert isinstance(error, RankFailedError)
    assert error.rank == 1


def test_an_error_of_our_own_stands_for_itself(folder: TaskFolder) -> None:
    report(folder, 1, 2.0, ConfigurationError("too few", key="search.starts"))
    error = explain_failure(folder, "77", 1)
    assert isinstance(error, ConfigurationError)
    assert str(error) == "search.starts: too few"


def test_an_error_that_could_not_travel(folder: TaskFolder) -> None:
    report(folder, 1, 2.0, None)
    error = explain_failure(folder, "77", None)
    assert isinstance(error, RankFailedError)
    assert (error.rank, error.job_exit_code, error.__cause__) == (1, 1, None)


def test_a_damaged_report_is_passed_over(folder: TaskFolder) -> None:
    folder.failure(0).write_bytes(b"HPFRAME1 torn")
    report(folder, 2, 5.0, ValueError("no"))
    error = explain_failure(folder, "77", 1)
    assert isinstance(error, RankFailedError)
    assert error.rank == 2


def test_a_job_that_ended_before_its_ranks(folder: TaskFolder) -> None:
    folder.stderr.write_text("mpirun: command not found\n")
    error = explain_failure(folder, "77", 127)
    assert isinstance(error, JobFailedError)
    assert (error.job_id, error.stderr_tail) == ("77", "mpirun: command not found")
    assert "exit code 127 before its ranks had started" in error.reason


@pytest.mark.parametrize("number", [7, 11])
def test_ranks_that_died_for_want_of_shared_memory(folder: TaskFolder, number: int) -> None:
    error = explain_failure(folder, "77", 128 + number)
    assert f"signal {number}, as where /dev/shm is too small: see --shm-size" in str(error)


@pytest.mark.parametrize("log", ["stderr", "stdout"])
def test_a_rank_that_was_killed_is_named_by_the_launcher(folder: TaskFolder, log: str) -> None:
    folder.ranks.write_text(json.dumps(MEMBERS))
    getattr(folder, log).write_text(HYDRA)
    error = explain_failure(folder, "77", 9)
    assert isinstance(error, RankFailedError)
    assert (error.rank, error.host, error.job_exit_code) == (1, "n1", 137)
    assert str(error).startswith("rank 1 on n1 was killed by signal 9")


def test_a_log_that_was_not_written_is_not_named(folder: TaskFolder) -> None:
    folder.stderr.unlink(missing_ok=True)
    cause = explain_failure(folder, "7", 1)
    assert str(cause) == "job 7: ended with exit code 1 before its ranks had started"
    folder.stderr.touch()
    assert str(explain_failure(folder, "7", 1)) == f"{cause}\n  log: {folder.stderr}"


def test_a_rank_that_the_launcher_does_not_name(folder: TaskFolder) -> None:
    folder.ranks.write_text(json.dumps(MEMBERS))
    error = explain_failure(folder, "77", 13)
    assert isinstance(error, RankFailedError)
    assert (error.rank, error.host, error.job_exit_code) == (-1, "", 13)
    folder.stderr.write_text(HYDRA.replace("501", "999"))
    error = explain_failure(folder, "77", 13)
    assert isinstance(error, RankFailedError)
    assert (error.rank, error.host, error.job_exit_code) == (-1, "n1", 137)


@pytest.mark.parametrize(
    ("members", "who"), [(MEMBERS, "its launcher"), (MEMBERS[:1], "its launcher or its only rank")]
)
def test_a_launcher_that_was_killed_is_no_rank(
    folder: TaskFolder, members: list[dict[str, object]], who: str
) -> None:
    folder.ranks.write_text(json.dumps(members))
    folder.stderr.write_text("a warning\n")
    error = explain_failure(folder, "77", 137)
    assert isinstance(error, JobFailedError)
    assert error.reason == f"{who} was killed by signal 9"
    assert error.stderr_tail == "a warning"


@pytest.mark.parametrize("content", ["", "[", '[{"host": "n1", "pi', "\0", "{}"])
def test_a_list_of_ranks_that_was_cut_short(folder: TaskFolder, content: str) -> None:
    folder.ranks.write_text(content)
    folder.stderr.write_text(HYDRA)
    error = explain_failure(folder, "77", 9)
    assert isinstance(error, RankFailedError)
    assert (error.rank, error.host, error.job_exit_code) == (-1, "n1", 137)
