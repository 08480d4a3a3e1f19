"""What the stage of a task has kept, put together for another try elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hybrid_parsl.mpi.task import TaskFolder


def collect_lines(folder: TaskFolder, most: int) -> dict[str, bytes]:
    """Return the lines that ranks of earlier tries have kept, in one file for all ranks.

    Parameters
    ----------
    folder
        Where they are, in files named ``WHAT-RANK.jsonl``.
    most
        Bytes that there is room for, at least 0; lines beyond that are left out.

    Returns
    -------
    dict
        Content by name: ``WHAT-kept.jsonl``, which no rank calls its own.
    """
    found: dict[str, bytearray] = {}
    left = most
    for path in folder.kept_lines():
        what = path.stem.rpartition("-")[0]
        kept = found.setdefault(f"{what}-kept{path.suffix}", bytearray())
        for line in path.read_bytes().splitlines():
            if line and len(line) < left:
                kept += line + b"\n"
                left -= len(line) + 1
    return {name: bytes(kept) for name, kept in found.items() if kept}
