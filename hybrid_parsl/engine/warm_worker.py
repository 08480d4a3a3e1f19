"""What a warm process runs; it imports nothing of Parsl, which no stage needs."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybrid_parsl.parent_death import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable


def begin() -> None:
    """Prepare a process: leave Ctrl-C to the driver, and end when the driver ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with_parent()


def call(folder: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Call `function` with its output in `folder`."""
    with _output_to(Path(folder)):
        return function(*args, **kwargs)


@contextlib.contextmanager
def _output_to(folder: Path) -> Any:
    """Send all that this process writes to file descriptors 1 and 2 to files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = [os.dup(1), os.dup(2)]
    for descriptor, name in ((1, "stdout.log"), (2, "stderr.log")):
        file = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, descriptor)
        os.close(file)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, saved in zip((1, 2), kept, strict=True):
            os.dup2(saved, descriptor)
            os.close(saved)
