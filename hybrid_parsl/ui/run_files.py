"""Reads files of runs that may be hostile: no symbolic link, no device, no more than asked for."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hybrid_parsl.ownership import open_own

if TYPE_CHECKING:
    from pathlib import Path

PART_BYTES = 64 * 1024
_LONGEST_SEARCH = 4096
_COLOUR = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def inside(folder: Path, *parts: str) -> Path:
    """Return the path of something below `folder` that no symbolic link leads to.

    Parameters
    ----------
    folder
        A folder.
    parts
        Names of folders and of the file, from the outside to the inside.

    Raises
    ------
    FileNotFoundError
        If there is no such file, a part is not a plain name, or a symbolic link is on the way.
    """
    path = folder.joinpath(*parts)
    is_plain = all(part not in ("", ".", "..") and not set(part) & {"/", "\0"} for part in parts)
    if not is_plain or not os.path.lexists(path):
        raise FileNotFoundError("no such file")
    if os.path.realpath(path) != os.path.join(os.path.realpath(folder), *parts):  # noqa: PTH118
        raise FileNotFoundError("a symbolic link, which is not followed")
    return path


def read_start(path: Path, most: int) -> bytes:
    """Return at most `most` bytes of a file of the user.

    Raises
    ------
    UntrustedFileError
        If other users own it or can write it.
    OSError
        If it cannot be read.
    """
    with open_own(path) as file:
        return file.read(most)


@dataclass(frozen=True)
class LogPart:
    """Some lines of a log.

    Attributes
    ----------
    text
        The lines; bytes that are not UTF-8 are replaced, colours left out.
    start, end
        Where they are in the file, in bytes.
    size
        Bytes of the file.
    """

    text: str
    start: int
    end: int
    size: int


def read_part(path: Path, *, start: int | None = None, before: int | None = None) -> LogPart:
    """Return at most 64 KiB of whole lines of a log, in a time that does not depend on its size.

    Parameters
    ----------
    path
        A file of the user.
    start
        Where they start, in bytes; beyond the end of the file and below 0 count as the next limit.
    before
        Where they end instead; the last ones of the file if both are None.

    Raises
    ------
    UntrustedFileError
        If other users own the file or can write it.
    OSError
        If it cannot be read.
    """
    with open_own(path) as file:
        size = file.seek(0, os.SEEK_END)
        limit = size if before is None else max(0, min(before, size))
        first = max(0, limit - PART_BYTES) if start is None else max(0, min(start, size))
        n_bytes = min(PART_BYTES, size - first) if start is not None else limit - first
        file.seek(first)
        data = file.read(n_bytes)
    if first and start is None:  # begin with a whole line, unless it is a very long one
        skipped = data.find(b"\n", 0, _LONGEST_SEARCH) + 1
        first, data = first + skipped, data[skipped:]
    if first + len(data) < limit and b"\n" in data:
        data = data[: data.rindex(b"\n") + 1]
    return LogPart(_shown(data), first, first + len(data), size)


def _shown(data: bytes) -> str:
    """Return the text of a log as a terminal shows it: of a line that was rewritten, the last."""
    text = _COLOUR.sub("", data.decode("utf-8", "replace"))
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
