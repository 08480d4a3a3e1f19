"""Imports PSI/J when it is needed, without losing a signal handler of the caller."""

from __future__ import annotations

import importlib
import signal
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType


def load_psij() -> ModuleType:
    """Import PSI/J.

    Imported on the main thread, its local backend takes over SIGCHLD to hear of ended
    processes at once; a handler that was there before is called as well.
    """
    loaded = sys.modules.get("psij")
    if loaded is not None:
        return loaded
    earlier: Any = signal.getsignal(signal.SIGCHLD)
    psij = importlib.import_module("psij")
    ours: Any = signal.getsignal(signal.SIGCHLD)
    if callable(earlier) and ours is not earlier:

        def both(number: int, frame: Any) -> None:
            ours(number, frame)
            earlier(number, frame)

        signal.signal(signal.SIGCHLD, both)
    return psij
