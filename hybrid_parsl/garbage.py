"""How often Python looks for cyclic garbage in the processes of this package."""

from __future__ import annotations

import atexit
import gc

_EVERY = 50_000


def collect_rarely() -> None:
    """Look for garbage after 50,000 new containers instead of 700, and never at the end.

    Imports make hundreds of thousands of them, none garbage: looking took a sixth of their time.
    Only for processes that are this package's own.
    """
    gc.set_threshold(_EVERY)
    atexit.register(gc.freeze)
