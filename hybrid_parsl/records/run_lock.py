"""Only one process at a time drives a run."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

from hybrid_parsl.errors import RunOverlapError, StorageError
from hybrid_parsl.process_start import process_began

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PATIENCE_S = 0.5
_PAUSE_S = 0.02


@dataclass(frozen=True)
class Driver:
    """The process that drives a run.

    Attributes
    ----------
    host
        The name of its host.
    pid
        Its process id there.
    began
        When it began, as `process_began` gives it.
    cancels
        Whether it only cancels what a driver has left.
    """

    host: str
    pid: int
    began: float | None = None
    cancels: bool = False

    @classmethod
    def current(cls, *, cancels: bool = False) -> Self:
        """Return this process."""
        return cls(socket.gethostname(), os.getpid(), process_began(os.getpid()), cancels)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    def is_here(self) -> bool:
        """Return whether it runs on this host."""
        return self.host == socket.gethostname()

    def terminate(self, what: str) -> None:
        """Send SIGTERM to the process, unless it has ended.

        Parameters
        ----------
        what
            What it drives, named in the error.

        Raises
        ------
        RunOverlapError
            If its process id is that of a process that began at another time.
        """
        import psutil

        found = process_began(self.pid)
        if found is None:
            return
        if found != self.began:
            raise RunOverlapError(what, f"{self}, which is not the process that took the lock,")
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(self.pid).terminate()


@contextlib.contextmanager
def run_lock(
    path: Path, what: str, *, cancels: bool = False, patience_s: float = _PATIENCE_S
) -> Iterator[None]:
    """Hold the lock in the file at `path` until the block ends, or this process does.

    The kernel keeps it (flock(2)): that of a process that is dead is free.

    Parameters
    ----------
    path
        The file; made if it is not there.
    what
        What the lock is for, named in the error.
    cancels
        Whether it is held only to cancel what a driver has left.
    patience_s
        Seconds to wait for it, at least 0.

    Raises
    ------
    RunOverlapError
        If another process holds it.
    StorageError
        If the file cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StorageError(str(path), error.strerror or str(error)) from error
    try:
        if not locked(descriptor, path, patience_s):
            raise RunOverlapError(what, str(_read(descriptor)))
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(asdict(Driver.current(cancels=cancels))).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def locked(descriptor: int, path: Path, patience_s: float) -> bool:
    """Lock a file and return True, or False if somebody else keeps it locked.

    Parameters
    ----------
    descriptor, path
        The file.
    patience_s
        Seconds to wait for it, at least 0. Who only asks for the driver holds it for a moment.

    Raises
    ------
    StorageError
        If its file system has no locks.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE_S)
        except OSError as error:
            reason = f"it cannot be locked (flock: {error.strerror}); choose another --runs-dir"
            raise StorageError(str(path), reason) from error
        else:
            return True


def driver_of(path: Path) -> Driver | None:
    """Return who holds the lock in the file at `path`, None if no process does.

    Nobody does where the file system has no locks.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return None


def state_of(status: str, driver: Driver | None) -> str:
    """Return the state of a run: its recorded status, or ``left`` if nobody drives it any more."""
    return "left" if status == "running" and driver is None else status


def _read(descriptor: int) -> Driver:
    """Return the driver that has written its name into a lock file."""
    from pydantic import TypeAdapter

    try:
        return TypeAdapter(Driver).validate_json(os.pread(descriptor, 4096, 0), strict=True)
    except (OSError, ValueError):
        return Driver("an unknown host", 0)
