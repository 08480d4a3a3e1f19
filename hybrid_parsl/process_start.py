"""When a process began, which distinguishes it from a later one with the same id."""

from __future__ import annotations

import os
from pathlib import Path


def process_began(pid: int) -> float | None:
    """Return when process `pid` began, None if it has ended.

    In seconds since the host was started, which setting the clock does not change, where the
    kernel gives that (proc(5), field 22 of ``/proc/PID/stat``); else in seconds since the epoch.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return None
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            return int(stat.rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        except (OSError, ValueError, IndexError):
            return float(process.create_time())
    except (psutil.NoSuchProcess, ValueError, OverflowError):
        return None
