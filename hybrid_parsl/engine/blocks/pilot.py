"""Executors that run tasks inside blocks of nodes, instead of each in a job of its own."""

from __future__ import annotations

import sys
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parsl.executors import MPIExecutor
from parsl.executors.high_throughput.mpi_prefix_composer import compose_all

from hybrid_parsl.engine.blocks.block_executor import BlockExecutor
from hybrid_parsl.engine.blocks.results import keep_result, read_outcome
from hybrid_parsl.engine.tasks.resource_request import ResourceRequest
from hybrid_parsl.mpi.pilot import call_in_block, run_ranks

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from hybrid_parsl.engine.psij_provider import PsiJProvider
    from hybrid_parsl.engine.site_executor import Preview


class PilotExecutor(BlockExecutor):
    """Runs tasks of one process each in blocks of a `PsiJProvider`.

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
        super().__init__(label, work_directory, provider, address, max_workers_per_node=1)

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
            If the function or an argument cannot be pickled.
        StorageError
            If the folder of the task cannot be written.
        """
        task = self._folders.open(func, args, kwargs)
        answer: Future[Any] = Future()
        if not task.answer_from_disk(answer):
            task.prepare()
            call = task.request
            words = (str(task.folder.path), call.function, call.arguments, call.keywords)
            with self.open_tasks.handing_over(answer, task):
                inner = self.submit_to_block(call_in_block, resource_specification, *words)
            inner.add_done_callback(lambda done: keep_result(self, answer, task, done))
        return answer

    def preview(self, name: str, resource_specification: dict[str, Any]) -> Preview:
        """Return how a task would be started, and the scripts of the first block."""
        del resource_specification
        return self.block_preview(name, f"{name} in a worker process")

    def call(self, function: Callable[[], Any]) -> Future[Any]:
        """Call `function` in a block, whatever an earlier driver did, and keep no result."""
        return self.submit_to_block(function, {})


class PilotMPIExecutor(BlockExecutor, MPIExecutor):  # type: ignore[misc]
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

    runs_mpi = True
    grows_requests = True
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
            label,
            work_directory,
            provider,
            address,
            mpi_launcher=mpi_launcher,
            max_workers_per_block=provider.nodes_per_block,
        )
        self.python = python
        self.overrides = dict(overrides or {})

    def check(self, resource_specification: dict[str, Any]) -> None:
        """Check, without starting anything, that a task could be submitted.

        Raises
        ------
        ConfigurationError
            If PSI/J has no such backend, or the resource specification has an unknown key or a
            value out of range, or asks for more nodes than a block has.
        """
        super().check(resource_specification)
        self._request(resource_specification)

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
            If the resource specification has an unknown key or a value out of range, or asks for
            more nodes than a block has.
        ResultError
            If the function or an argument cannot be pickled.
        """
        request = self._request(resource_specification)
        task = self._folders.open(func, args, kwargs)
        answer: Future[Any] = Future()
        if task.answer_from_disk(answer):
            return answer
        task.prepare()
        words = (str(task.folder.path), self.python or sys.executable, request.walltime_s)
        with self.open_tasks.handing_over(answer, task):
            inner = self.submit_to_block(run_ranks, self._layout(request), *words)
        inner.add_done_callback(lambda done: read_outcome(self, answer, task, done))
        return answer

    def preview(self, name: str, resource_specification: dict[str, Any]) -> Preview:
        """Return how the ranks of a task would be started, and the scripts of the first block.

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
        return self.block_preview(name, f"{prefix} {python} -P -m hybrid_parsl.mpi {folder}")

    def batch_script(self, name: str, resource_specification: dict[str, Any]) -> str:
        """Return what the scheduler would get for the first block; nothing if there is none."""
        self._request(resource_specification)
        return super().batch_script(name, resource_specification)

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
