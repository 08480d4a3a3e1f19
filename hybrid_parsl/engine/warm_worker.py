"""What a warm process runs; it imports nothing of Parsl, which no stage needs."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybrid_parsl.errors import StorageError
from hybrid_parsl.garbage import collect_rarely
from hybrid_parsl.parent_death import die_with_parent
from hybrid_parsl.tasks.call_log import FinishedCall, append_call
from hybrid_parsl.tasks.folder import TaskFolder, output_to
from hybrid_parsl.tasks.serialization import decode_frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from hybrid_parsl.tasks.folder import Request

SAFE_PATH = "PYTHONSAFEPATH"


def begin(is_safe: bool, beginning: Connection) -> None:  # noqa: FBT001 - passed by position
    """Prepare a process: leave Ctrl-C to the driver, and end when the driver ends.

    Parameters
    ----------
    is_safe
        Whether the user has set `SAFE_PATH`; otherwise programs that a task starts do not see it.
    beginning
        Gets one message when the process has opened what it shares with the driver.
    """
    collect_rarely()
    beginning.send_bytes(b"begun")
    beginning.close()
    if not is_safe:
        os.environ.pop(SAFE_PATH, None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    driver = multiprocessing.parent_process()
    die_with_parent(parent=driver.pid if driver else None)


def wait() -> None:
    """Do nothing: a call that makes the pool start a process."""


def call(folder: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Call `function` with its output in `folder`."""
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    with output_to(TaskFolder(path)):
        return function(*args, **kwargs)


def call_briefly(folder: str, frame: bytes) -> Any:
    """Make the call of a request and add it, with its result, to the log of calls.

    Parameters
    ----------
    folder
        For the output of the call. It is removed afterwards if nothing but the request is in it.
    frame
        Holds the request.

    Raises
    ------
    ResultError
        If the result cannot be pickled.
    StorageError
        If the folder or the log of calls cannot be written.
    """
    task = TaskFolder(Path(folder))
    request: Request = decode_frame(frame, "the request")
    try:
        task.path.mkdir(parents=True, exist_ok=True)
        task.request.write_bytes(frame)
    except OSError as error:
        raise StorageError(folder, error.strerror or str(error)) from error
    with output_to(task):
        result = request.function(*request.arguments, **request.keywords)
    append_call(task.path.parent, FinishedCall.of(request, result))
    task.remove_if_silent()
    return result
