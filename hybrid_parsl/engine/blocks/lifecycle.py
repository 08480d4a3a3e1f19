"""How blocks of nodes are prepared, shown, looked after and lost."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from hybrid_parsl.engine.blocks import interchange
from hybrid_parsl.engine.blocks.addresses import LOOPBACK, own_addresses
from hybrid_parsl.engine.jobs.batch_scheduler import LOCAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from parsl.executors import HighThroughputExecutor
    from parsl.jobs.states import JobStatus

    from hybrid_parsl.engine.psij_provider import BlockScripts

_RUN = "000"  # Parsl's first folder in that of the run
_TRIES = 3


def settle(executor: HighThroughputExecutor, address: str | None) -> None:
    """Prepare a new executor, before it starts.

    Workers connect to `address`, or try every address of this computer; the interchange listens
    on all of them, as `address` may be that of a gateway. Blocks on this computer need loopback
    only. By default, Parsl would also ask a public web service for an address.

    Parameters
    ----------
    executor
        The executor.
    address
        The address of this computer as the nodes see it, if it is known.
    """
    executor.interchange_launch_cmd = interchange.COMMAND
    is_here = executor.provider.backend == LOCAL
    executor.address = LOOPBACK if is_here else None
    executor.all_addresses = {LOOPBACK} if is_here else {address} if address else own_addresses()
    executor.block_error_handler = look_after


def look_after(executor: HighThroughputExecutor, blocks: Mapping[str, JobStatus]) -> None:
    """Fail the tasks of blocks that have ended, and all tasks when blocks do not come to run.

    Workers of a block that has ended get no further tasks, although Parsl believes in them for
    two minutes. No further block is tried when none has ever come to run, or none of the last
    three.

    Parameters
    ----------
    executor
        The executor.
    blocks
        The state of each block that there ever was.
    """
    for name in executor.open_tasks.note_ended(blocks):
        executor._hold_block(name)  # noqa: SLF001 - there is no other way
    executor.open_tasks.fail_lost(lambda name: executor.provider.cause(job_of(executor, name)))
    latest = sorted(blocks, key=int)[-_TRIES:]
    if latest and all(blocks[name].state.name == "MISSING" for name in latest):
        executor.set_bad_state_and_fail_all(executor.provider.cause())


def job_of(executor: HighThroughputExecutor, name: str | None) -> str | None:
    """Return the backend's id of a block, None if it is not known."""
    job_id = executor.blocks_to_job_id.get(name)
    return None if job_id is None else str(job_id)


def lost_block(error: BaseException) -> BaseException:
    """Return why there is no block, if that is what a task says, else what it says."""
    from parsl.executors.errors import BadStateException

    if isinstance(error, BadStateException):
        cause: BaseException | None = error.executor.executor_exception
        return cause or error
    return error


def block_scripts(executor: HighThroughputExecutor) -> BlockScripts:
    """Return the scripts of an executor's first block, as they would be without starting it.

    The port that workers connect to is not known before; the word PORT stands for it.

    Parameters
    ----------
    executor
        One that was not started.
    """
    from pathlib import Path

    shown: Any = copy.copy(executor)
    folder = Path(executor.work_directory).absolute().parent / "parsl" / _RUN
    shown.run_dir = str(folder)
    shown.cert_dir = f"{shown.logdir}/certificates"
    shown.logconf_path = None
    shown.worker_port = "PORT"
    shown.initialize_scaling()
    command = shown.launch_cmd.format(block_id="0")
    name = f"parsl.{executor.label}.block-0"
    scripts: BlockScripts = executor.provider.scripts(command, folder / "submit_scripts" / name)
    return scripts
