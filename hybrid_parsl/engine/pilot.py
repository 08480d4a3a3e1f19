"""Executors that run tasks inside blocks of nodes, instead of each in a job of its own."""

from __future__ import annotations

import os
import sys
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parsl.executors import HighThroughputExecutor, MPIExecutor

from hybrid_parsl import identity
from hybrid_parsl.engine.calls import plain_function
from hybrid_parsl.engine.psij_loading import load_psij
from hybrid_parsl.engine.resource_request import ResourceRequest
from hybrid_parsl.engine.task_folders import TaskFolders
from hybrid_parsl.errors import JobFailedError, WalltimeExceededError
from hybrid_parsl.mpi.frames import write_frame
from hybrid_parsl.mpi.outcome import explain_failure, log_tail, read_result
from hybrid_parsl.mpi.pilot import TIMED_OUT, run_ranks
from hybrid_parsl.mpi.task import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hybrid_parsl.engine.psij_provider import PsiJProvider
    from hybrid_parsl.mpi.task import TaskFolder


class PilotExecutor(HighThroughputExecutor):  # type: ignore[misc]
    """Parsl's executor for tasks of one process, on blocks of a `PsiJProvider`, encrypted.

    Parameters
    ----------
    label
        The label that apps ask for.
    provider
        Where blocks come from.
    """

    def __init__(self, label: str, provider: PsiJProvider) -> None:
        super().__init__(label=label, provider=provider, max_workers_per_node=1, encrypted=True)

    def start(self) -> None:
        """Start Parsl's interchange, whose program lies beside this interpreter."""
        _make_ready()
        super().start()


class PilotMPIExecutor(MPIExecutor):  # type: ignore[misc]
    """Starts the ranks of each task on nodes of a block, several tasks side by side.

    The ranks are the same ``python -m hybrid_parsl.mpi`` as those of a `PsiJExecutor`, with
    the same folder, errors and results.

    Parameters
    ----------
    label
        The label that apps ask for.
    work_directory
        Holds one folder a task; driver and nodes have to see it under the same path.
    provider
        Where blocks come from.
    mpi_launcher
        ``srun`` or ``mpiexec``.
    python
        The interpreter of the ranks; this process's own if None.
    overrides
        Keys of the resource specification that the site decides.
    """

    keeps_processes = False
    checks_identity = True

    def __init__(
        self,
        label: str,
        work_directory: str | os.PathLike[str],
        provider: PsiJProvider,
        mpi_launcher: str = "srun",
        python: str | None = None,
        overrides: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(
            label=label,
            provider=provider,
            mpi_launcher=mpi_launcher,
            max_workers_per_block=provider.nodes_per_block,
            encrypted=True,
        )
        self.work_directory = str(work_directory)
        self.python = python
        self.overrides = dict(overrides or {})
        self._folders = TaskFolders(Path(work_directory))

    def start(self) -> None:
        """Start Parsl's interchange, whose program lies beside this interpreter."""
        _make_ready()
        super().start()

    def submit(
        self,
        func: Callable[..., Any],
        resource_specification: dict[str, Any],
        *args: Any,
        **kwargs: Any,
    ) -> Future[Any]:
        """Submit `func` to be called by every rank of a task.

        Raises
        ------
        ConfigurationError
            The resource specification has an unknown key or a value out of range, or asks for
            more nodes than a block has.
        ResultError
            The function or an argument cannot be pickled.
        """
        request = ResourceRequest.from_parsl(resource_specification, self.overrides)
        request.check_fits(self.provider.nodes_per_block)
        kwargs.pop("parsl_resource_specification", None)
        function = plain_function(func)
        folder = self._folders.new(getattr(function, "__name__", "task"))
        write_frame(folder.request, Request(identity.current(), function, args, kwargs))
        layout = {
            "num_nodes": request.num_nodes,
            "ranks_per_node": request.ranks_per_node,
            "num_ranks": request.num_ranks,
        }
        python = self.python or sys.executable
        inner = super().submit(run_ranks, layout, str(folder.path), python, request.walltime_s)
        answer: Future[Any] = Future()
        answer.set_running_or_notify_cancel()
        inner.add_done_callback(lambda done: _answer(answer, folder, done))
        return answer


def _answer(answer: Future[Any], folder: TaskFolder, done: Future[Any]) -> None:
    """Give `answer` the outcome of a task."""
    try:
        code = int(done.result())
        if code == 0:
            answer.set_result(read_result(folder))
        elif code == TIMED_OUT:
            details = (str(folder.stderr), log_tail(folder.stderr))
            reason = "its walltime is over"
            answer.set_exception(WalltimeExceededError(folder.path.name, reason, *details))
        else:
            answer.set_exception(explain_failure(folder, folder.path.name, code))
    except Exception as error:  # noqa: BLE001 - whatever Parsl tells of the block
        reason = f"its block did not run it: {type(error).__name__}: {error}"
        tail = log_tail(folder.stderr)
        failure = JobFailedError(folder.path.name, reason, str(folder.stderr), tail)
        failure.__cause__ = error
        answer.set_exception(failure)


def _make_ready() -> None:
    """Let this process find Parsl's programs beside its interpreter, and load PSI/J.

    PSI/J wants to be imported on the main thread; blocks are submitted from another.
    """
    load_psij()
    home = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath)
    if home not in path.split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([home, path])
