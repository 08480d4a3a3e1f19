"""Imports PSI/J when it is needed, without losing a signal handler of the caller."""

from __future__ import annotations

import importlib
import logging
import signal
import sys
from typing import TYPE_CHECKING, Any

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import nearest

if TYPE_CHECKING:
    from types import ModuleType

LOCAL = "local"
"""PSI/J's name of the backend of this computer."""


def load_psij() -> ModuleType:
    """Import PSI/J.

    Imported on the main thread, its local backend takes over SIGCHLD to notice ended
    processes at once; a handler that was there before is called as well.
    """
    loaded = sys.modules.get("psij")
    if loaded is not None:
        return loaded
    logging.getLogger("psij").addHandler(logging.NullHandler())  # its tracebacks are for logs
    earlier: Any = signal.getsignal(signal.SIGCHLD)
    psij = importlib.import_module("psij")
    ours: Any = signal.getsignal(signal.SIGCHLD)
    if callable(earlier) and ours is not earlier:

        def both(number: int, frame: Any) -> None:
            ours(number, frame)
            earlier(number, frame)

        signal.signal(signal.SIGCHLD, both)
    return psij


def check_backend(name: str) -> None:
    """Check that PSI/J has a backend of that name, and all that the backend imports.

    Raises
    ------
    ConfigurationError
        If it has not.
    """
    executors = load_psij().JobExecutor._executors  # noqa: SLF001 - why one failed to load
    known = sorted(executors)
    if name not in known:
        message, valid = "PSI/J has no such backend", ", ".join(known)
        raise ConfigurationError(message, None, "backend", name, valid, nearest(name, known))
    reason = executors[name][-1].exc
    if reason is not None:
        message = f"PSI/J cannot load this backend: {reason}"
        raise ConfigurationError(message, None, "backend", name)
