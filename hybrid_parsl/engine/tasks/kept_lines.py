"""What the stage of a task has kept, put together for another try elsewhere."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from hybrid_parsl.tasks.folder import TaskFolder

logger = logging.getLogger(__name__)


def collect_lines(folder: TaskFolder, most: int) -> dict[str, bytes]:
    """Return the lines that ranks of earlier tries have kept, in one file for all ranks.

    Parameters
    ----------
    folder
        Where they are, in files named ``WHAT-RANK.jsonl``.
    most
        Bytes that there is room for, at least 0. The longest lines, which hold most, come first;
        those beyond that are left out, as is a file that cannot be read.

    Returns
    -------
    dict
        Content by name: ``WHAT-kept.jsonl``, which no rank calls its own.
    """
    lines = [
        (f"{path.stem.rpartition('-')[0]}-kept{path.suffix}", line)
        for path in folder.kept_lines()
        for line in _lines_of(path)
        if line
    ]
    found: dict[str, bytearray] = {}
    left = most
    for name, line in sorted(lines, key=lambda each: len(each[1]), reverse=True):
        if len(line) < left:
            found.setdefault(name, bytearray()).extend(line + b"\n")
            left -= len(line) + 1
    return {name: bytes(kept) for name, kept in found.items()}


def _lines_of(path: Path) -> list[bytes]:
    """Return the lines of a file; nothing if it cannot be read."""
    try:
        return path.read_bytes().split(b"\n")
    except OSError as error:
        logger.warning("what was kept in %s is lost: %s", path, error)
        return []
