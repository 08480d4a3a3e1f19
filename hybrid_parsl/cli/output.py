"""What commands print, and what happens when nobody reads it any more."""

from __future__ import annotations

import os
import sys
from io import StringIO
from typing import TYPE_CHECKING

from hybrid_parsl.engine.interrupts import TerminatedError

if TYPE_CHECKING:
    from rich.console import RenderableType

READER_GONE = 141
_NO_WRAPPING = 100_000


class ReaderGoneError(TerminatedError):
    """The reader of the output has closed the pipe, which ends other programs by SIGPIPE."""


def say(text: str) -> None:
    """Print `text` as a line, at once.

    Raises
    ------
    ReaderGoneError
        Nobody reads it.
    """
    write(f"{text}\n")


def write(text: str) -> None:
    """Print `text` as it is, at once.

    Raises
    ------
    ReaderGoneError
        Nobody reads it.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise ReaderGoneError("SIGPIPE") from error


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
        Nobody reads it.
    """
    from rich.console import Console

    if sys.stdout.isatty():
        Console().print(content, soft_wrap=soft_wrap)
        return
    buffer = StringIO()
    Console(file=buffer, width=_NO_WRAPPING, color_system=None).print(content)
    say("\n".join(line.rstrip() for line in buffer.getvalue().rstrip().splitlines()))
