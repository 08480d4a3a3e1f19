"""Removes shared memory that ranks of MPICH left when they were killed.

MPICH names its segments after the job. A job that its scheduler starts again, after a node has
failed or a more urgent job has taken its nodes, would find the segments of its first try and fail
in MPI_Init; those of other killed jobs would stay until the node is rebooted.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SEGMENTS = "mpich_shm_*"
_AGE_S = 5.0


def remove_stale_segments(folder: Path = Path("/dev/shm")) -> None:  # noqa: S108 - MPICH's choice
    """Remove this user's segments that are older than 5 s and that no process has mapped.

    Parameters
    ----------
    folder
        Where the system keeps shared memory.
    """
    latest = time.time() - _AGE_S
    found = set()
    for path in folder.glob(_SEGMENTS):
        with contextlib.suppress(OSError):
            status = path.stat()
            if status.st_uid == os.getuid() and status.st_mtime < latest:
                found.add(path)
    if found:
        for path in found - _mapped(found):
            with contextlib.suppress(OSError):
                path.unlink()


def _mapped(segments: Iterable[Path]) -> set[Path]:
    """Return which segments are in the memory of a process that this user may look at."""
    used = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):
            text = maps.read_text(encoding="utf-8", errors="replace")
            if _SEGMENTS.rstrip("*") in text:
                used |= {path for path in segments if str(path) in text}
    return used
