"""Calls in real sessions of Parsl, whose executors are threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import parsl
import pytest
from parsl.dataflow.memoization import BasicMemoizer
from parsl.executors.threads import ThreadPoolExecutor

from hybrid_parsl import labels
from hybrid_parsl.engine.launch_gate import LaunchGate
from hybrid_parsl.engine.plain_executor import PlainExecutor
from hybrid_parsl.engine.result_reuse import ResultReuse
from hybrid_parsl.engine.session import Session
from hybrid_parsl.engine.site_executor import SiteExecutor
from hybrid_parsl.engine.tasks.folders import RESOURCES, TaskFolders
from hybrid_parsl.errors import NotStartedError
from hybrid_parsl.own_code import OwnCode
from hybrid_parsl.reuse.store import ResultStore, StoredResult
from hybrid_parsl.stage_function import StageFunction
from hybrid_parsl.tasks.serialization import read_frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

calls: list[Any] = []


def double(value: int) -> int:
    calls.append(value)
    if value < 0:
        raise ValueError("negative")
    return 2 * value


class Threads(ThreadPoolExecutor):  # type: ignore[misc]
    """Threads that take a resource specification."""

    def submit(self, func: Any, _: Any, *args: Any, **keywords: Any) -> Any:
        keywords.pop(RESOURCES, None)
        return super().submit(func, {}, *args, **keywords)


class BriefThreads(Threads, SiteExecutor):
    """Threads of a study: tasks that leave only a result have no folder."""

    keeps_folders = False


def key_of(function: StageFunction, args: Any, keywords: Any, software: str) -> str | None:
    assert function.__qualname__ == "double"
    assert (keywords, software) == ({}, "")
    return None if args == (99,) else f"{args[0]:064d}"


class Run:
    """One run with a session of its own.

    Attributes
    ----------
    reuse, gate
        The memoizers of the session.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = ResultStore(path.parent / ".cache")
        self.is_verified: Callable[[str], bool] | None = None
        self.threads: type[Threads] = Threads

    def __call__(self, *values: Any, is_blocked: bool = False) -> list[Any]:
        """Return the results of the calls with these values, or how they failed."""
        calls.clear()
        executors = [self.threads(label=label) for label in labels.ALL]
        run_dir = str(self.path / "parsl")
        config = parsl.Config(executors=executors, run_dir=run_dir, strategy="none")
        session = Session(config, "site.py")
        verified = self.is_verified or session.is_verified
        self.reuse = ResultReuse.install(config, self.path, self.store, key_of, verified)
        gate = LaunchGate.install(config)
        with session:
            for answer in session._handshakes.values():
                answer.result()
            if is_blocked:
                gate.block_new_tasks()
            code = OwnCode()
            futures = [
                session.submit("mpi", StageFunction(double, f"t{k}", code), [each], {}, {"n": 1})
                for k, each in enumerate(values)
            ]
            return [future.exception() or future.result() for future in futures]


@pytest.fixture
def first(tmp_path: Path) -> Run:
    return Run(tmp_path / "first")


@pytest.fixture
def second(tmp_path: Path) -> Run:
    return Run(tmp_path / "second")


def test_a_later_run_calls_nothing_again(first: Run, second: Run) -> None:
    assert first(3, 4) == [6, 8]
    assert first.reuse.origins == {}
    assert sorted(calls) == [3, 4]
    assert second(3, 5) == [6, 10]
    assert calls == [5]
    assert second.reuse.origins == {"t0": "first"}
    assert read_frame(second.path / "tasks" / "t0" / "result.frame") == 6
    assert not (second.path / "tasks" / "t1").exists()  # the executor's business


def test_what_a_study_reuses_is_in_its_log_of_calls(first: Run, second: Run) -> None:
    first(3)
    second.threads = BriefThreads
    assert second(3) == [6]
    assert second.reuse.origins == {"t0": "first"}
    folders = TaskFolders(second.path / "tasks")
    again = folders.open(StageFunction(double, "t0", OwnCode()), (3,), {})
    assert again.logged == (6,)
    assert not again.folder.path.exists()
    assert second(3) == [6]
    assert second.reuse.origins == {}  # left to the executor, which finds it in the log


def test_a_failure_is_never_stored(first: Run, second: Run, tmp_path: Path) -> None:
    (error,) = first(-1)
    assert isinstance(error, ValueError)
    (error,) = second(-1)
    assert isinstance(error, ValueError)
    assert calls == [-1]
    assert not (tmp_path / ".cache").exists()


def test_a_call_without_a_key_is_always_carried_out(first: Run, second: Run) -> None:
    assert first(99) == second(99) == [198]
    assert calls == [99]


def test_a_damaged_entry_is_computed_again(first: Run, second: Run, tmp_path: Path) -> None:
    first(3)
    (entry,) = tmp_path.glob(".cache/*/*/*")
    entry.write_bytes(entry.read_bytes()[:-1])
    assert second(3) == [6]
    assert calls == [3]
    stored = second.store.find(f"{3:064d}")
    assert stored is not None
    assert stored.run == "second"


def test_what_an_earlier_driver_has_begun_is_left_to_the_executor(first: Run, second: Run) -> None:
    first(3)
    for name, value in (("t0", 3), ("t1", 4)):
        function = StageFunction(double, name, OwnCode())
        TaskFolders(second.path / "tasks").open(function, [value], {})
    assert second(3, 4) == [6, 8]
    assert sorted(calls) == [3, 4]
    assert second.reuse.origins == {}
    assert second.store.find(f"{4:064d}") is None  # another version may have computed it


def test_what_was_reused_stays_with_the_run(first: Run, second: Run) -> None:
    first(3)
    second(3)
    folders = TaskFolders(second.path / "tasks")
    task = folders.open(StageFunction(double, "t0", OwnCode()), [3], {"a": 1})
    assert task.folder.path.name == "t0-2"
    task = folders.open(StageFunction(double, "t0", OwnCode()), [3], {})
    assert task.folder.path.name == "t0"
    assert task.folder.result.exists()


def test_results_of_executors_that_are_not_verified_are_not_stored(
    first: Run, tmp_path: Path
) -> None:
    first.is_verified = lambda label: label != "mpi"
    assert first(3) == [6]
    assert not (tmp_path / ".cache").exists()


def test_unknown_software_is_never_reused(
    first: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PlainExecutor, "software", None)
    first.store.keep(StoredResult(f"{3:064d}", "other", 7))
    assert first(3, 4) == [6, 8]
    assert len(list(tmp_path.glob(".cache/*/*/*"))) == 1


def test_behind_a_closed_gate_results_are_still_reused(first: Run, second: Run) -> None:
    first(3)
    served, refused = second(3, 4, is_blocked=True)
    assert served == 6
    assert isinstance(refused, NotStartedError)
    assert calls == []


def test_the_sites_memoizer_is_asked_first(tmp_path: Path) -> None:
    memoizer = BasicMemoizer()
    config = parsl.Config(memoizer=memoizer)
    store = ResultStore(tmp_path)
    reuse = ResultReuse.install(config, tmp_path, store, key_of, lambda _: True)
    gate = LaunchGate.install(config)
    assert config.memoizer is gate
    assert gate._memoizer is reuse
    assert reuse._memoizer is memoizer
