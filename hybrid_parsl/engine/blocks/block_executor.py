"""What the executors whose tasks run in blocks of nodes have in common."""

from __future__ import annotations

import copy
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parsl.executors import HighThroughputExecutor

from hybrid_parsl.engine.blocks import interchange
from hybrid_parsl.engine.blocks.addresses import LOOPBACK, own_addresses
from hybrid_parsl.engine.blocks.tasks import BlockTasks
from hybrid_parsl.engine.jobs.psij_loading import LOCAL, load_psij
from hybrid_parsl.engine.site_executor import Connection, JobSource, Preview, SiteExecutor
from hybrid_parsl.engine.tasks.folders import TaskFolders

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from parsl.jobs.states import JobStatus

    from hybrid_parsl.engine.psij_provider import BlockScripts, PsiJProvider

_RUN = "000"  # Parsl's first folder in that of the run
_TRIES = 3


class BlockExecutor(HighThroughputExecutor, SiteExecutor):  # type: ignore[misc]
    """Parsl's ``HighThroughputExecutor`` on blocks of a `PsiJProvider`, encrypted."""

    def __init__(
        self,
        label: str,
        work_directory: str | os.PathLike[str],
        provider: PsiJProvider,
        address: str | None,
        **options: Any,
    ) -> None:
        """Prepare Parsl's executor.

        Workers connect to `address`, or try every address of this computer; the interchange
        listens on all of them, as `address` may be that of a gateway. Blocks on this computer need
        loopback only. By default, Parsl would also ask a public web service for an address.

        Parameters
        ----------
        label, work_directory, provider, address
            As for `PilotExecutor`.
        options
            More of Parsl's parameters.
        """
        super().__init__(
            label=label, provider=provider, address=LOOPBACK, encrypted=True, **options
        )
        self.backend = provider.backend
        is_here = self.runs_here
        addresses = {LOOPBACK} if is_here else {address} if address else own_addresses()
        self.interchange_launch_cmd = interchange.command()
        self.address = LOOPBACK if is_here else None
        self.all_addresses = addresses
        self.block_error_handler = lambda _, blocks: self.look_after(blocks)
        self.work_directory = str(work_directory)
        self._folders = TaskFolders(Path(work_directory))
        self.open_tasks = BlockTasks(self._folders)

    @property
    def runs_here(self) -> bool:
        """Whether blocks are processes of this computer."""
        return bool(self.backend == LOCAL)

    @property
    def software(self) -> str | None:
        """Empty if workers and ranks use the driver's interpreter, else None."""
        return "" if {self.python, self.provider.python} <= {None, sys.executable} else None

    @property
    def num_nodes(self) -> int:
        """The number of nodes of a block."""
        return int(self.provider.nodes_per_block)

    def submit_to_block(
        self, func: Callable[..., Any], resource_specification: dict[str, Any], *args: Any
    ) -> Future[Any]:
        """Submit a call to Parsl's workers."""
        future: Future[Any] = super().submit(func, resource_specification, *args)  # type: ignore[safe-super]
        return future

    def check(self, resource_specification: dict[str, Any]) -> None:
        """Check, without starting anything, that there could be blocks.

        Raises
        ------
        ConfigurationError
            If PSI/J has no such backend.
        """
        del resource_specification
        self.provider.check(Path(self.work_directory))

    def start(self) -> None:
        """Start Parsl's interchange.

        PSI/J has to be imported on the main thread; blocks are submitted from another.
        """
        load_psij()
        super().start()

    def close(self) -> None:
        """Cancel all blocks."""
        self.provider.close()

    def job_source(self) -> JobSource | None:
        """Return where blocks are submitted to, None if they are processes of this computer."""
        source: JobSource | None = self.provider.job_source()
        return source

    def job_id_of(self, future: Future[Any]) -> str | None:
        """Return the id of the block that was submitted last, None if there was none."""
        del future
        block_id: str | None = self.provider.latest_block()
        return block_id

    def connection(self) -> Connection:
        """Return how workers reach the driver."""
        addresses = tuple(sorted(self.all_addresses))
        return Connection(addresses, self.worker_port, bool(self.connected_managers()))

    def batch_script(self, name: str, resource_specification: dict[str, Any]) -> str:
        """Return the batch script of the first block, or nothing without a scheduler."""
        del name, resource_specification
        return self.block_scripts().batch

    def block_preview(self, name: str, command: str) -> Preview:
        """Return how a task is started, and the scripts of the first block.

        Parameters
        ----------
        name
            The name of the task.
        command
            What starts it inside a block.
        """
        provider, scripts = self.provider, self.block_scripts()
        count, nodes = provider.max_blocks, provider.nodes_per_block
        blocks = f"{count} block{'s' * (count > 1)} of {nodes} node{'s' * (nodes > 1)}"
        walltime = timedelta(seconds=provider.walltime_s)
        place = f"in at most {blocks}, {walltime} each, from PSI/J backend {provider.backend}"
        files = {f"{name}.sh": scripts.batch, f"{name}.block.sh": scripts.block}
        documents = {file: text for file, text in files.items() if text}
        return Preview(f"{command}\n{place}", documents)

    def block_scripts(self) -> BlockScripts:
        """Return the scripts of the first block, for an executor that was not started.

        The port that workers connect to is not known before; the word PORT stands for it.
        """
        shown: Any = copy.copy(self)
        folder = Path(self.work_directory).absolute().parent / "parsl" / _RUN
        shown.run_dir = str(folder)
        shown.cert_dir = f"{shown.logdir}/certificates"
        shown.logconf_path = None
        shown.worker_port = "PORT"
        shown.initialize_scaling()
        command = shown.launch_cmd.format(block_id="0")
        name = f"parsl.{self.label}.block-0"
        scripts: BlockScripts = self.provider.scripts(command, folder / "submit_scripts" / name)
        return scripts

    def look_after(self, blocks: Mapping[str, JobStatus]) -> None:
        """Fail the tasks of blocks that have ended, and all tasks when blocks do not start.

        Workers of a block that has ended get no further tasks, although Parsl takes them for
        alive for two minutes. No further block is tried when none has ever started, or none of
        the last three.

        Parameters
        ----------
        blocks
            The state of each block that there ever was.
        """
        for name in self.open_tasks.note_ended(blocks):
            self._hold_block(name)
        self.open_tasks.fail_lost(lambda name: self.provider.cause(self.job_of_block(name)))
        latest = sorted(blocks, key=int)[-_TRIES:]
        if latest and all(blocks[name].state.name == "MISSING" for name in latest):
            self.set_bad_state_and_fail_all(self.provider.cause())

    def job_of_block(self, name: str | None) -> str | None:
        """Return the backend's id of a block, None if it is not known."""
        job_id = None if name is None else self.blocks_to_job_id.get(name)
        return None if job_id is None else str(job_id)


def lost_block(error: BaseException) -> BaseException:
    """Return why there is no block, if that is why a task failed, else the task's own error."""
    from parsl.executors.errors import BadStateException

    if isinstance(error, BadStateException):
        cause: BaseException | None = error.executor.executor_exception
        return cause or error
    return error
