"""A Parsl executor of a few local processes that can be warmed up before they are needed."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from pickle import PicklingError
from typing import TYPE_CHECKING, Any

from parsl.executors.base import ParslExecutor
from parsl.utils import RepresentationMixin

from hybrid_parsl.engine.calls import plain_function
from hybrid_parsl.engine.interrupts import uninterrupted
from hybrid_parsl.engine.processes import ProcessTree
from hybrid_parsl.engine.task_folders import TaskFolders
from hybrid_parsl.errors import JobFailedError, ResultError
from hybrid_parsl.mpi.outcome import log_tail
from hybrid_parsl.parent_death import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE_S = 5.0


class WarmProcesses:
    """Processes that several executors may share.

    Parameters
    ----------
    n_processes
        Number of processes, at least 1.
    """

    def __init__(self, n_processes: int = 1) -> None:
        self.n_processes = n_processes
        self._pool: ProcessPoolExecutor | None = None
        self._n_users = 0
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"WarmProcesses({self.n_processes})"

    def open(self) -> None:
        """Start the processes for one more user."""
        with self._lock:
            self._n_users += 1
            if self._pool is None:
                spawn = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(self.n_processes, spawn, initializer=_begin)
                with uninterrupted():  # what is ignored now is ignored by the processes too
                    for _ in range(self.n_processes):
                        self._pool.submit(_begin)

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Call `function` in one of the processes."""
        if self._pool is None:
            message = "the processes have not been started"
            raise RuntimeError(message)
        return self._pool.submit(function, *args)

    def close(self) -> None:
        """End the processes, with whatever they are doing, when the last user closes."""
        with self._lock:
            self._n_users -= 1
            if self._pool is None or self._n_users > 0:
                return
            pool, self._pool = self._pool, None
        processes: list[Any] = list((pool._processes or {}).values())  # noqa: SLF001 - as in 3.14's kill_workers
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            ProcessTree.of(process.pid).end()
            process.join(_PATIENCE_S)


class WarmProcessExecutor(ParslExecutor, RepresentationMixin):  # type: ignore[misc]
    """Runs each task in a process of this host that stays alive between tasks.

    What the process imports once is there for every later task, so a stage can be warmed up
    while another one runs elsewhere.

    Parameters
    ----------
    label
        The label that apps ask for.
    work_directory
        Holds one folder a task, named after its function, with what it wrote to its standard
        output and standard error.
    processes
        The processes, which another executor may share.
    """

    keeps_processes = True
    checks_identity = False

    def __init__(
        self, label: str, work_directory: str | os.PathLike[str], processes: WarmProcesses
    ) -> None:
        super().__init__()
        self.label = label
        self.work_directory = str(work_directory)
        self.processes = processes
        self._folders = TaskFolders(Path(work_directory))

    def start(self) -> None:
        """Start the processes."""
        self.processes.open()

    def submit(
        self,
        func: Callable[..., Any],
        resource_specification: dict[str, Any],
        *args: Any,
        **kwargs: Any,
    ) -> Future[Any]:
        """Call `func` in a process; its resource specification means nothing here."""
        del resource_specification
        kwargs.pop("parsl_resource_specification", None)
        folder = self._folders.new(getattr(func, "__name__", "task")).path
        answer: Future[Any] = Future()
        answer.set_running_or_notify_cancel()
        inner = self.processes.submit(_call, str(folder), plain_function(func), args, kwargs)
        inner.add_done_callback(lambda done: _answer(answer, done, folder))
        return answer

    def shutdown(self) -> None:
        """End the processes."""
        self.processes.close()
        super().shutdown()

    def monitor_resources(self) -> bool:
        """Return False: Parsl's monitor follows processes of its own workers only."""
        return False


def _answer(answer: Future[Any], done: Future[Any], folder: Path) -> None:
    """Give `answer` the outcome of `done`, a failure of the process as an error of ours."""
    if done.cancelled():
        answer.set_exception(JobFailedError(folder.name, "was dropped before it began"))
        return
    error = done.exception()
    if error is None:
        answer.set_result(done.result())
    elif isinstance(error, BrokenProcessPool):
        log = folder / "stderr.log"
        reason = "its process ended without a word (killed, or out of memory)"
        answer.set_exception(JobFailedError(folder.name, reason, str(log), log_tail(log)))
    elif isinstance(error, PicklingError | AttributeError | TypeError) and "pickle" in str(error):
        answer.set_exception(ResultError(f"{folder.name}: {error}"))
    else:
        answer.set_exception(error)


def _begin() -> None:
    """Prepare a process: leave Ctrl-C to the driver, and end when the driver ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with_parent()


def _call(folder: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Call `function` with its output in `folder`."""
    with _output_to(Path(folder)):
        return function(*args, **kwargs)


@contextlib.contextmanager
def _output_to(folder: Path) -> Any:
    """Send all that this process writes to file descriptors 1 and 2 to files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = [os.dup(1), os.dup(2)]
    for descriptor, name in ((1, "stdout.log"), (2, "stderr.log")):
        file = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, descriptor)
        os.close(file)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, saved in zip((1, 2), kept, strict=True):
            os.dup2(saved, descriptor)
            os.close(saved)
