"""Executors that run tasks inside blocks of nodes, instead of each in a job of its own."""

from __future__ import annotations

import sys
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parsl.executors import HighThroughputExecutor, MPIExecutor
from parsl.executors.high_throughput.mpi_prefix_composer import compose_all

from hybrid_parsl.engine.blocks.addresses import LOOPBACK
from hybrid_parsl.engine.blocks.lifecycle import block_scripts, settle
from hybrid_parsl.engine.blocks.results import keep_result, read_outcome
from hybrid_parsl.engine.blocks.tasks import BlockTasks
from hybrid_parsl.engine.jobs.psij_loading import load_psij
from hybrid_parsl.engine.tasks.folders import TaskFolders
from hybrid_parsl.engine.tasks.resource_request import ResourceRequest
from hybrid_parsl.mpi.pilot import call_in_block, run_ranks

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from hybrid_parsl.engine.psij_provider import PsiJProvider


class PilotExecutor(HighThroughputExecutor):  # type: ignore[misc]
    """Parsl's executor for tasks of one process, on blocks of a `PsiJProvider`, encrypted.

    Parameters
    ----------
    label
        The label that apps ask for.
    work_directory
        Holds one folder a task, where its result is kept for a later driver.
    provider
        Where blocks come from.
    address
        The address of this computer that workers connect to; they try all of its own if None.
    """

    def __init__(
        self,
        label: str,
        work_directory: str | os.PathLike[str],
        provider: PsiJProvider,
        address: str | None = None,
    ) -> None:
        super().__init__(
            label=label,
            provider=provider,
            address=LOOPBACK,
            max_workers_per_node=1,
            encrypted=True,
        )
        self.work_directory = str(work_directory)
        self._folders = TaskFolders(Path(work_directory))
        self.open_tasks = BlockTasks(self._folders)
        settle(self, address)

    def check(self, resource_specification: dict[str, Any]) -> None:
        """Find out, without starting anything, whether there could be blocks.

        Raises
        ------
        ConfigurationError
            PSI/J has no such backend.
        """
        del resource_specification
        self.provider.check(Path(self.work_directory))

    def start(self) -> None:
        """Start Parsl's interchange.

        PSI/J wants to be imported on the main thread; blocks are submitted from another.
        """
        load_psij()
        super().start()

    def submit(
        self,
        func: Callable[..., Any],
        resource_specification: dict[str, Any],
        *args: Any,
        **kwargs: Any,
    ) -> Future[Any]:
        """Submit a call; one that an earlier driver has finished is answered from the disk.

        Raises
        ------
        ResultError
            The function or an argument cannot be pickled.
        StorageError
            The folder of the task cannot be written.
        """
        task = self._folders.open(func, args, kwargs)
        answer: Future[Any] = Future()
        if not task.answer_from_disk(answer):
            task.prepare()
            call = task.request
            words = (str(task.folder.path), call.function, call.arguments, call.keywords)
            with self.open_tasks.handing_over(answer, task):
                inner = super().submit(call_in_block, resource_specification, *words)
            inner.add_done_callback(lambda done: keep_result(self, answer, task, done))
        return answer

    def headline(self, name: str, resource_specification: dict[str, Any]) -> str:
        """Return how a task that calls the function `name` would be started."""
        del resource_specification
        return _headline(self, f"{name} in a worker process")

    def documents(self, name: str, resource_specification: dict[str, Any]) -> dict[str, str]:
        """Return the scripts of the first block, by file name."""
        del resource_specification
        return _documents(self, name)

    def batch_script(self, name: str, resource_specification: dict[str, Any]) -> str:
        """Return what the scheduler would get for the first block; nothing if there is none."""
        del name, resource_specification
        return block_scripts(self).batch

    def call(self, function: Callable[[], Any]) -> Future[Any]:
        """Call `function` in a block, whatever an earlier driver did, and keep no result."""
        future: Future[Any] = super().submit(function, {})
        return future


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
    address
        The address of this computer that workers connect to; they try all of its own if None.
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
        overrides: Mapping[str, float] | None = None,
        address: str | None = None,
    ) -> None:
        super().__init__(
            label=label,
            provider=provider,
            address=LOOPBACK,
            mpi_launcher=mpi_launcher,
            max_workers_per_block=provider.nodes_per_block,
            encrypted=True,
        )
        settle(self, address)
        self.work_directory = str(work_directory)
        self.python = python
        self.overrides = dict(overrides or {})
        self._folders = TaskFolders(Path(work_directory))
        self.open_tasks = BlockTasks(self._folders)

    def check(self, resource_specification: dict[str, Any]) -> None:
        """Find out, without starting anything, whether a task could be submitted.

        Raises
        ------
        ConfigurationError
            PSI/J has no such backend, or the resource specification has an unknown key or a
            value out of range, or asks for more nodes than a block has.
        """
        self.provider.check(Path(self.work_directory))
        self._request(resource_specification)

    def start(self) -> None:
        """Start Parsl's interchange.

        PSI/J wants to be imported on the main thread; blocks are submitted from another.
        """
        load_psij()
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
        request = self._request(resource_specification)
        task = self._folders.open(func, args, kwargs)
        answer: Future[Any] = Future()
        if task.answer_from_disk(answer):
            return answer
        task.prepare()
        words = (str(task.folder.path), self.python or sys.executable, request.walltime_s)
        with self.open_tasks.handing_over(answer, task):
            inner = super().submit(run_ranks, self._layout(request), *words)
        inner.add_done_callback(lambda done: read_outcome(self, answer, task, done))
        return answer

    def headline(self, name: str, resource_specification: dict[str, Any]) -> str:
        """Return how a task that calls the function `name` would be started.

        Raises
        ------
        ConfigurationError
            As for `submit`.
        """
        layout = self._layout(self._request(resource_specification))
        nodes = [f"NODE{number}" for number in range(1, layout["num_nodes"] + 1)]
        prefix = compose_all(self.mpi_launcher, layout, nodes)["PARSL_MPI_PREFIX"]
        python = self.python or sys.executable
        folder = Path(self.work_directory) / name
        return _headline(self, f"{prefix} {python} -P -m hybrid_parsl.mpi {folder}")

    def documents(self, name: str, resource_specification: dict[str, Any]) -> dict[str, str]:
        """Return the scripts of the first block, by file name.

        Raises
        ------
        ConfigurationError
            As for `submit`.
        """
        self._request(resource_specification)
        return _documents(self, name)

    def batch_script(self, name: str, resource_specification: dict[str, Any]) -> str:
        """Return what the scheduler would get for the first block; nothing if there is none."""
        del name
        self._request(resource_specification)
        return block_scripts(self).batch

    def _request(self, specification: dict[str, Any]) -> ResourceRequest:
        """Return what a task asks for, as far as the site lets it decide."""
        request = ResourceRequest.from_parsl(specification, self.overrides)
        request.check_fits(self.provider.nodes_per_block)
        asked = ResourceRequest.from_parsl(specification)
        if request.num_ranks < asked.num_ranks:
            request = asked.spread_over(request.ranks_per_node, self.provider.nodes_per_block)
        self.provider.need(request)
        return request

    def _layout(self, request: ResourceRequest) -> dict[str, Any]:
        """Return nodes and ranks in Parsl's words."""
        return {
            "launcher_options": request.launcher_options(self.mpi_launcher),
            "num_nodes": request.num_nodes,
            "ranks_per_node": request.ranks_per_node,
            "num_ranks": request.num_ranks,
        }


def _headline(executor: PilotExecutor | PilotMPIExecutor, task: str) -> str:
    """Return how a task is started, and in which blocks."""
    provider = executor.provider
    count, nodes = provider.max_blocks, provider.nodes_per_block
    blocks = f"{count} block{'s' * (count > 1)} of {nodes} node{'s' * (nodes > 1)}"
    walltime = timedelta(seconds=provider.walltime_s)
    return f"{task}\nin at most {blocks}, {walltime} each, from PSI/J backend {provider.backend}"


def _documents(executor: PilotExecutor | PilotMPIExecutor, name: str) -> dict[str, str]:
    """Return what the scheduler gets for a block, and what that runs on its first node."""
    scripts = block_scripts(executor)
    files = {f"{name}.sh": scripts.batch, f"{name}.block.sh": scripts.block}
    return {file: text for file, text in files.items() if text}
