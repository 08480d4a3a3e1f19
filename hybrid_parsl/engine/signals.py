"""Turns SIGTERM into an exception, so that a terminated run cleans up first."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM


class TerminatedError(BaseException):
    """The process was terminated by a signal; like KeyboardInterrupt, not an error.

    Parameters
    ----------
    name
        The name of the signal, such as ``SIGTERM``.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    @property
    def exit_code(self) -> int:
        """What a shell says of a program that the signal has ended."""
        return 128 + signal.Signals[self.name]

    @property
    def leaves_jobs(self) -> bool:
        """Whether the jobs of schedulers and clusters go on: a hang-up ends only the driver."""
        return self.name == signal.SIGHUP.name


def exit_code_of(error: BaseException | None) -> int:
    """Return the exit code of a driver that `error` has ended, or nothing."""
    if error is None:
        return 0
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    return int(getattr(error, "exit_code", 1))


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Raise `TerminatedError` in the main thread when SIGTERM or SIGHUP arrives.

    One that whoever has started the program lets it ignore, as nohup(1) does, stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = {
        number: signal.signal(number, _raise)
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore Ctrl-C, SIGTERM and SIGHUP while what was started is being ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    earlier = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _raise(number: int, frame: Any) -> None:
    """Raise `TerminatedError`."""
    del frame
    raise TerminatedError(signal.Signals(number).name)
