"""What commands print, and what happens when the reader is gone or the disk is full."""

from __future__ import annotations

import contextlib
import os
import sys
from io import StringIO, TextIOWrapper
from typing import TYPE_CHECKING, Any

from hybrid_parsl.engine.signals import TerminatedError
from hybrid_parsl.errors import StorageError
from hybrid_parsl.messages import escape_controls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, RenderableType
    from rich.segment import Segment

_NO_WRAPPING = 100_000


class ReaderGoneError(TerminatedError):
    """The reader of the output has closed the pipe, which ends other programs by SIGPIPE."""


def prepare_streams() -> None:
    """See to it that there are streams, and that they take every text.

    A program that was started without one of them would otherwise write into the first file that
    it opens. A letter that an encoding does not have is written by its number.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            free = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
            os.set_inheritable(free, True)  # noqa: FBT003 - as programs expect of their streams
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def settle_streams() -> None:
    """Write out what waits to be written; what a closed terminal does not take is dropped."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def say(text: str) -> None:
    """Print `text` as a line, at once.

    Raises
    ------
    ReaderGoneError
        If its reader is gone.
    StorageError
        If it goes to a file that cannot be written.
    """
    write(f"{escape_controls(text)}\n")


def say_aside(text: str) -> None:
    """Print `text` as a line on the standard error, if that is possible."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{escape_controls(text)}\n")
        sys.stderr.flush()


def write(text: str) -> None:
    """Print `text` at once; on a terminal, or as `say` does, control characters become text.

    Raises
    ------
    ReaderGoneError
        If its reader is gone.
    StorageError
        If it goes to a file that cannot be written; what comes after it is lost, too.
    """
    try:
        sys.stdout.write(escape_controls(text) if sys.stdout.isatty() else text)
        sys.stdout.flush()
    except OSError as error:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise ReaderGoneError("SIGPIPE") from error
        raise StorageError("the standard output", error.strerror or str(error)) from error


def make_console(**options: Any) -> Console:
    """Return a console of rich's that prints only its own control characters."""
    from rich.console import Console
    from rich.segment import Segment

    class PlainConsole(Console):
        """Shows control characters in what it is given as text."""

        def render(self, *arguments: Any, **keywords: Any) -> Iterator[Segment]:
            for text, style, control in super().render(*arguments, **keywords):
                yield Segment(text if control else escape_controls(text), style, control)

    return PlainConsole(**options)


def say_rich(content: RenderableType, *, soft_wrap: bool = False) -> None:
    """Print something of rich's: with colours on a terminal, else plain and without wrapping.

    Parameters
    ----------
    content
        A table or a text.
    soft_wrap
        Whether to leave the wrapping of long lines to the terminal.

    Raises
    ------
    ReaderGoneError
        If its reader is gone.
    """
    if sys.stdout.isatty():
        make_console().print(content, soft_wrap=soft_wrap)
        return
    buffer = StringIO()
    make_console(file=buffer, width=_NO_WRAPPING, color_system=None).print(content)
    say("\n".join(line.rstrip() for line in buffer.getvalue().rstrip().splitlines()))
