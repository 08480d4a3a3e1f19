"""A Parsl executor of a few local processes that can be warmed up before they are needed."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import sys
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import util
from multiprocessing.synchronize import SemLock
from pathlib import Path
from pickle import PicklingError
from types import ModuleType
from typing import TYPE_CHECKING, Any

from parsl.executors.base import ParslExecutor
from parsl.utils import RepresentationMixin

from hybrid_parsl.engine import warm_worker
from hybrid_parsl.engine.jobs.processes import ProcessTree
from hybrid_parsl.engine.signals import uninterrupted
from hybrid_parsl.engine.site_executor import SiteExecutor
from hybrid_parsl.engine.tasks.folders import TaskFolders
from hybrid_parsl.engine.warm_worker import SAFE_PATH
from hybrid_parsl.errors import HybridParslError, JobFailedError, ResultError
from hybrid_parsl.stage_function import StageFunction, undecorated
from hybrid_parsl.tasks.failures import log_tail
from hybrid_parsl.tasks.folder import Request
from hybrid_parsl.tasks.serialization import encode_frame, write_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    from hybrid_parsl.engine.tasks.folders import Task

UNLINKER = "semaphores of warm processes"
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
        self._closed = threading.Event()

    def __repr__(self) -> str:
        return f"WarmProcesses({self.n_processes})"

    def open(self) -> None:
        """Start the processes for one more user."""
        with self._lock:
            self._n_users += 1
            if self._pool is None:
                self._pool = _new_pool(self.n_processes)

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Call `function` in one of the processes; if they have died, in one of new ones."""
        with self._lock:
            if self._pool is None:
                message = "the processes have not been started"
                raise RuntimeError(message)
            try:
                return self._pool.submit(function, *args)
            except BrokenProcessPool:
                self._pool = self._pool_of_keeper()
                return self._pool.submit(function, *args)

    def _pool_of_keeper(self) -> ProcessPoolExecutor:
        """Start processes on a thread that lives as long as they do: they end with it."""
        pools: queue.SimpleQueue[ProcessPoolExecutor] = queue.SimpleQueue()
        closed = self._closed

        def keep() -> None:
            pools.put(_new_pool(self.n_processes))
            closed.wait()

        threading.Thread(target=keep, name="warm processes", daemon=True).start()
        return pools.get()

    def close(self) -> None:
        """End the processes, with whatever they are doing, when the last user closes."""
        with self._lock:
            self._n_users -= 1
            if self._pool is None or self._n_users > 0:
                return
            pool, self._pool = self._pool, None
            self._closed.set()
            self._closed = threading.Event()
        processes: list[Any] = list((pool._processes or {}).values())  # noqa: SLF001 - as in 3.14's kill_workers
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            ProcessTree.of(process.pid).end()
            process.join(_PATIENCE_S)


def _new_pool(n_processes: int) -> ProcessPoolExecutor:
    """Return a pool whose processes have been started."""
    spawn = multiprocessing.get_context("spawn")
    begun, beginning = spawn.Pipe(duplex=False)
    arguments = (SAFE_PATH in os.environ, beginning)
    # what is ignored now is ignored by the processes too
    with uninterrupted(), _without_main(), _safe_path():
        pool = ProcessPoolExecutor(n_processes, spawn, warm_worker.begin, arguments)
        for _ in range(n_processes):
            pool.submit(warm_worker.wait)
    beginning.close()
    waiting = (begun, n_processes, _semaphore_names(pool))
    threading.Thread(target=_unlink_when_begun, args=waiting, name=UNLINKER, daemon=True).start()
    return pool


def _semaphore_names(pool: ProcessPoolExecutor) -> set[str]:
    """Return the names of the semaphores by which a pool and its processes share queues."""
    queues: list[Any] = [pool._call_queue, pool._result_queue]  # type: ignore[attr-defined]  # noqa: SLF001
    locks = [getattr(each, name, None) for each in queues for name in ("_rlock", "_wlock", "_sem")]
    return {lock._semlock.name for lock in locks if lock is not None}  # noqa: SLF001


def _unlink_when_begun(begun: Connection, n_processes: int, names: set[str]) -> None:
    """Remove semaphores by name when every process has opened them.

    They live on without names until the last process ends, however that happens. Left to the
    end of this process, a kill would leave them to Python's resource tracker, which then
    warns of "leaked semaphore objects".
    """
    try:
        for _ in range(n_processes):
            begun.recv_bytes()
    except (EOFError, OSError):
        return  # a process has died; the others' names are removed at the end
    finally:
        begun.close()
    cleanup = SemLock._cleanup  # type: ignore[attr-defined]  # noqa: SLF001
    for finalizer in list(util._finalizer_registry.values()):  # type: ignore[attr-defined]  # noqa: SLF001
        if finalizer._callback is cleanup and finalizer._args[0] in names:  # noqa: SLF001
            finalizer()


@contextlib.contextmanager
def _safe_path() -> Iterator[None]:
    """Keep new processes from importing modules of the current folder, such as a ``signal.py``.

    Python starts them with ``-c``, which puts that folder first.
    """
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[SAFE_PATH]
        else:
            os.environ[SAFE_PATH] = before


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Let new processes not import the program that this one runs.

    They need nothing of it, and one that does not ask for its name would begin a second run.
    """
    program = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = program


class WarmProcessExecutor(ParslExecutor, SiteExecutor, RepresentationMixin):  # type: ignore[misc]
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

    def __init__(
        self, label: str, work_directory: str | os.PathLike[str], processes: WarmProcesses
    ) -> None:
        super().__init__()
        self.label = label
        self.work_directory = str(work_directory)
        self.processes = processes
        self._folders = TaskFolders(Path(work_directory), is_durable=False)

    @property
    def runs_here(self) -> bool:
        """Whether tasks run on the driver's host: always."""
        return True

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
        """Call `func` in a process; its resource specification means nothing here.

        A call that an earlier driver has finished is answered from the disk.

        Raises
        ------
        ResultError
            If the function or an argument cannot be pickled.
        StorageError
            If the folder of the task cannot be written.
        """
        del resource_specification
        is_brief = not self.keeps_folders and isinstance(undecorated(func), StageFunction)
        task = self._folders.open(func, args, kwargs, makes_folder=not is_brief)
        answer: Future[Any] = Future()
        if task.is_new or not task.answer_from_disk(answer):
            if not task.is_new:
                task.prepare()
            answer.set_running_or_notify_cancel()
            if is_brief:
                inner = self._call_briefly(task)
                inner.add_done_callback(lambda done: _answer(answer, done, task.folder.path))
            else:
                inner = self._call(task.folder.path, task.request)
                inner.add_done_callback(lambda done: self._finish(answer, done, task))
        return answer

    def call(self, function: Callable[[], Any]) -> Future[Any]:
        """Call `function` in a process, whatever an earlier driver did, and keep no result."""
        name = getattr(function, "__name__", "task")
        answer: Future[Any] = Future()
        answer.set_running_or_notify_cancel()
        folder = self._folders.logs(name)
        inner = self._call(folder, Request("", function, (), {}))
        inner.add_done_callback(lambda done: _answer(answer, done, folder))
        return answer

    def shutdown(self) -> None:
        """End the processes."""
        self.processes.close()
        super().shutdown()

    def monitor_resources(self) -> bool:
        """Return False: Parsl's monitor follows processes of its own workers only."""
        return False

    def _call(self, folder: Path, request: Request) -> Future[Any]:
        """Make a call in a process, with its output in `folder`."""
        call = (request.function, request.arguments, request.keywords)
        return self.processes.submit(warm_worker.call, str(folder), *call)

    def _call_briefly(self, task: Task) -> Future[Any]:
        """Carry out a task in a process that keeps the result, and no folder that says nothing."""
        request = encode_frame(task.request)
        inner = self.processes.submit(warm_worker.call_briefly, str(task.folder.path), request)
        inner.add_done_callback(lambda done: self._release_failed(done, task))
        return inner

    def _release_failed(self, done: Future[Any], task: Task) -> None:
        """Let the next equal call go on in the folder of a task that gave no result."""
        if done.cancelled() or done.exception() is not None:
            self._folders.release(task)

    def _finish(self, answer: Future[Any], done: Future[Any], task: Task) -> None:
        """Keep the outcome of a task for a later driver, and give it to `answer`."""
        try:
            if not done.cancelled() and done.exception() is None:
                write_frame(task.folder.result, done.result(), is_durable=False)
            else:
                self._folders.release(task)
        except HybridParslError as error:
            answer.set_exception(error)
        else:
            _answer(answer, done, task.folder.path)


def _answer(answer: Future[Any], done: Future[Any], folder: Path) -> None:
    """Give `answer` the outcome of `done`, a failure of the process as an error of this package."""
    if done.cancelled():
        answer.set_exception(JobFailedError(folder.name, "was cancelled before it started"))
        return
    error = done.exception()
    if error is None:
        answer.set_result(done.result())
    elif isinstance(error, BrokenProcessPool):
        log = folder / "stderr.log"
        reason = "its process died unexpectedly (killed, or out of memory)"
        answer.set_exception(JobFailedError(folder.name, reason, str(log), log_tail(log)))
    elif isinstance(error, PicklingError | AttributeError | TypeError) and "pickle" in str(error):
        answer.set_exception(ResultError(f"{folder.name}: {error}"))
    else:
        answer.set_exception(error)
