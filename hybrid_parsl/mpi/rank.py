"""One rank of a task: every rank calls the function, rank 0's return value is the result.

An exception on any rank is written down with its traceback and ends the whole job at once.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import socket
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from hybrid_parsl import identity
from hybrid_parsl.errors import ConfigurationError, HybridParslError, IdentityMismatchError
from hybrid_parsl.mpi.launcher import OF_LAUNCHERS
from hybrid_parsl.mpi.live_lines import LiveLines
from hybrid_parsl.mpi.shared_memory import check_shared_memory, ranks_on_this_node
from hybrid_parsl.mpi.stale_memory import remove_stale_segments
from hybrid_parsl.mpi.team import close_team
from hybrid_parsl.parent_death import die_with_parent
from hybrid_parsl.tasks.folder import (
    ALONE_VARIABLE,
    N_RANKS_VARIABLE,
    TASK_FOLDER_VARIABLE,
    Failure,
    Request,
    TaskFolder,
)
from hybrid_parsl.tasks.serialization import decode_frame, write_frame

if TYPE_CHECKING:
    from mpi4py import MPI

_FAILED = 1


def main() -> None:
    """Run the task in the folder that the command line names."""
    die_with_parent()
    remove_stale_segments()
    _forget_outer_launcher()
    folder = TaskFolder(Path(sys.argv[1]))
    try:
        check_shared_memory(ranks_on_this_node())
    except HybridParslError as error:
        report_failure(folder, int(os.environ.get("PMI_RANK", "0")), error)
        sys.exit(_FAILED)
    from mpi4py import MPI

    run_task(folder, MPI.COMM_WORLD)


def _forget_outer_launcher() -> None:
    """Where no launcher has started this rank, remove what a launcher has reported to the driver.

    A driver that is itself a rank hands the connection to its launcher on to all that it starts.
    """
    if os.environ.pop(ALONE_VARIABLE, None):
        for name in [each for each in os.environ if each.startswith(OF_LAUNCHERS)]:
            del os.environ[name]


def run_task(folder: TaskFolder, world: MPI.Comm) -> None:
    """Make the call that is requested in `folder`, and keep rank 0's result there; collective.

    An exception on any rank ends all of them.

    Parameters
    ----------
    folder
        The folder of the task.
    world
        All ranks.
    """
    os.environ[TASK_FOLDER_VARIABLE] = str(folder.path)
    if isinstance(sys.stdout, io.TextIOWrapper):  # lines of several ranks do not mix
        sys.stdout.reconfigure(line_buffering=True, write_through=False)
    try:
        _check_size(world)
        result = _call(folder, world)
        world.Barrier()
        close_team()
        if world.rank == 0:
            write_frame(folder.result, result)
        world.Barrier()
    except BaseException as error:  # noqa: BLE001 - whatever it is, the job has to end
        report_failure(folder, world.rank, error)
        _abort(world)


def _check_size(world: MPI.Comm) -> None:
    """Refuse to work with fewer ranks than were asked for.

    Raises
    ------
    ConfigurationError
        If MPI connects fewer, as where it does not understand its launcher.
    """
    asked = int(os.environ.get(N_RANKS_VARIABLE, "0"))
    if world.size < asked:
        raise ConfigurationError(
            "MPI connects fewer ranks than the search asks for",
            None,
            "resources.num_ranks",
            f"{world.size} of {asked}",
            "a launcher that the MPI library understands: see mpi_launcher, mpi_type and doctor",
        )


def _abort(world: MPI.Comm) -> NoReturn:
    """End all ranks; this one must not go on to report success.

    MPICH asks the launcher to end the ranks and may return before that has happened, although
    the standard lets no program count on it (MPI 4.1, section 9.4).
    """
    sys.stdout.flush()
    world.Abort(_FAILED)
    os._exit(_FAILED)


def _call(folder: TaskFolder, world: MPI.Comm) -> Any:
    """Make the requested call; rank 0 reads the request for all."""
    members = world.gather(this_rank())
    if world.rank == 0:
        text = json.dumps(members)
        folder.ranks.write_text(text, encoding="utf-8")
        LiveLines(1).tell(folder.ranks.name, text)
    data = folder.request.read_bytes() if world.rank == 0 else None
    data = world.bcast(data)
    return make_call(data, folder, world.rank)


def this_rank() -> dict[str, Any]:
    """Return what ``ranks.json`` holds of this process."""
    return {"host": socket.gethostname(), "pid": os.getpid()}


def make_call(data: bytes, folder: TaskFolder, rank: int) -> Any:
    """Make the call that is requested in `data`, the content of the request in `folder`.

    Raises
    ------
    IdentityMismatchError
        If the driver has another version of this package.
    ResultError
        If the request cannot be read.
    """
    request = decode_frame(data, str(folder.request))
    if not isinstance(request, Request):
        message = f"{folder.request} holds a {type(request).__name__}, not a Request"
        raise TypeError(message)
    here = identity.current()
    if request.identity != here:
        raise IdentityMismatchError(request.identity, here, f"rank {rank}")
    return request.function(*request.arguments, **request.keywords)


def report_failure(folder: TaskFolder, rank: int, error: BaseException) -> None:
    """Write down why this rank fails: for people to its standard error, for the driver a frame."""
    text = "".join(traceback.format_exception(error))
    sys.stderr.write(f"rank {rank} on {socket.gethostname()}:\n{text}")
    sys.stderr.flush()
    failure = Failure(time.time(), rank, socket.gethostname(), os.getpid(), text, _portable(error))
    with contextlib.suppress(HybridParslError):
        write_frame(folder.failure(rank), failure)


def _portable(error: BaseException) -> BaseException | None:
    """Return `error` if the driver can read it, else None.

    Reading one of mpi4py's would initialize MPI in the driver.
    """
    if type(error).__module__.startswith("mpi4py"):
        return None
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    except Exception:  # noqa: BLE001 - whatever a third-party exception does there
        return None
    return error
