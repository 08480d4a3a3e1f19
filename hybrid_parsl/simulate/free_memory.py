"""How much memory this process may still take."""

from __future__ import annotations

import os
import time
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_parsl.errors import InsufficientMemoryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_RETRIES = 4
_PAUSE_S = 0.25
_FRESH_S = 0.05


def available_bytes(root: Path = Path("/")) -> int:
    """Return how many bytes can be allocated without swapping or being killed.

    The smallest of what the kernel says is available and what is left in each of the
    control groups (version 1 or 2) that hold this process, as batch systems and containers
    set them. Where there is no ``/proc``, such as on macOS, the physical memory.

    Parameters
    ----------
    root
        The folder that holds ``proc`` and ``sys``.

    Returns
    -------
    int
        Bytes, 0 or more.
    """
    return max(0, min([_of_the_machine(root), *_of_control_groups(root)]))


def check_memory(
    required: int,
    what: str,
    key: str | None = None,
    fitting: Callable[[int], str] | None = None,
) -> None:
    """Raise an error if `required` bytes are not free.

    A virtual machine may get its memory back from its host only on demand, and says for a
    moment that nothing is free: a shortage has to last before it is believed.

    Parameters
    ----------
    required
        Bytes about to be allocated.
    what
        What for, as text for the user.
    key
        The dotted key of the experiment that decides how much.
    fitting
        Returns, for a number of free bytes, what would fit, as text.

    Raises
    ------
    InsufficientMemoryError
        If less is available.
    """
    free = _looked(available_bytes, time.monotonic() // _FRESH_S)
    for _ in range(_RETRIES):
        if required <= free:
            return
        time.sleep(_PAUSE_S)
        free = available_bytes()
    if required > free:
        fits = fitting(free) if fitting else None
        raise InsufficientMemoryError(required, free, what, key, fits)


@lru_cache(maxsize=1)
def _looked(look: Callable[[], int], moment: float) -> int:
    """Return what was free at a moment: a study has many points to check, one after another."""
    del moment
    return look()


def _of_the_machine(root: Path) -> int:
    try:
        lines = (root / "proc/meminfo").read_text(encoding="ascii").splitlines()
        sizes = dict(line.split(":", 1) for line in lines if ":" in line)
        return int(sizes["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _of_control_groups(root: Path) -> Iterator[int]:
    """Give what is left in each control group of this process and in those around it."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            base, limit, used = root / "sys/fs/cgroup", "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            base = root / "sys/fs/cgroup/memory"
            limit, used = "memory.limit_in_bytes", "memory.usage_in_bytes"
        else:
            continue
        group = base / path.lstrip("/")
        for folder in (group, *group.parents):
            if folder == base or base in folder.parents:
                yield from _left(folder, limit, used)


def _left(folder: Path, limit: str, used: str) -> Iterator[int]:
    """Give the bytes left in one control group, if it has a limit."""
    try:
        most = int((folder / limit).read_text(encoding="ascii"))  # "max" is no number
        now = int((folder / used).read_text(encoding="ascii"))
        stat = (folder / "memory.stat").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return
    counts = dict(zip(stat[::2], stat[1::2], strict=False))
    files = sum(
        int(counts.get(f"total_{kind}", counts.get(kind, "0")))
        for kind in ("inactive_file", "active_file")
    )
    yield most - now + files  # the cache of files is given back when memory gets short
