"""Takes the lines out of a log that processes of a job tell for files while they run.

A line is told in one piece: the byte 0x1D, the eight digits of the job's mark, the length of what
follows in bytes, its CRC-32 in eight hexadecimal digits, the name of a file, the line, each after
a space, and a line break. What several processes print may be mixed up on its way into the log. A
line that does not fit its length and its checksum is lost, and nothing but that line: the rest of
the log is as if it had never been told.
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_BYTE = "\x1d"
"""Begins a line, before the digits of the mark."""
LONGEST = 4096
"""Bytes of a whole line at most: what a pipe takes in one piece (PIPE_BUF of Linux)."""
_HEAD = re.compile(rb"(\d{1,4}) ([0-9a-f]{8}) ")
_LONGEST_HEAD = 14
_NAME = re.compile(r"[^/\0]{1,200}")


class ToldLines:
    """Takes a log in pieces.

    Parameters
    ----------
    digits
        The eight digits of the job's mark.
    ends
        What a damaged line ends at, besides a line break.
    take
        Called with the name of a file and each line for it.
    """

    def __init__(self, digits: str, ends: bytes, take: Callable[[str, bytes], None]) -> None:
        self._mark = FIRST_BYTE.encode() + digits.encode()
        self._end = re.compile(b"\n|(?=%b|%b)" % (re.escape(ends), re.escape(self._mark)))
        self._take = take
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Take the next piece; return what of the log is no told line, as far as that is known."""
        data, self._held = self._held + data, b""
        passed = []
        while (at := data.find(self._mark)) >= 0:
            passed.append(data[:at])
            data = data[at:]
            n_bytes = self._told(data)
            if n_bytes == 0:
                self._held = data
                return b"".join(passed)
            data = data[n_bytes:]
        whole = len(data) - begun(self._mark, data)
        self._held = data[whole:]
        return b"".join([*passed, data[:whole]])

    def finish(self) -> bytes:
        """Return the rest of the log; a line that has not come whole is left out."""
        held, self._held = self._held, b""
        if not held.startswith(self._mark):
            return held
        found = self._end.search(held, len(self._mark))
        return held[found.end() :] if found else b""

    def _told(self, data: bytes) -> int:
        """Take the line at the begin of `data`; return its length, 0 if more has to come."""
        begin = len(self._mark)
        head = _HEAD.match(data, begin)
        if head is None:
            return self._lost(data, begin + _LONGEST_HEAD)
        end = head.end() + int(head[1])
        if end - head.end() > LONGEST:
            return self._lost(data, begin + _LONGEST_HEAD)
        if len(data) <= end:
            return 0
        content = data[head.end() : end]
        if data[end : end + 1] != b"\n" or zlib.crc32(content) != int(head[2], 16):
            return self._lost(data, end)
        name, _, line = content.partition(b" ")
        text = name.decode("utf-8", "replace")
        if _NAME.fullmatch(text) and text not in (".", "..") and b"\n" not in line:
            self._take(text, line)
        return end + 1

    def _lost(self, data: bytes, most: int) -> int:
        """Return how much of `data` belongs to a damaged line: `most` at most."""
        seen = most + len(self._mark) - 1  # to the end of a mark that begins in it
        found = self._end.search(data, len(self._mark), seen)
        if found is not None and found.start() < most:
            return found.end()
        return most if len(data) >= seen else 0


def begun(mark: bytes, data: bytes) -> int:
    """Return how many bytes at the end of `data` may be the begin of `mark`."""
    longest = min(len(mark) - 1, len(data))
    return next((n for n in range(longest, 0, -1) if mark.startswith(data[-n:])), 0)
