"""Decode the log of a job: its two streams, files and live lines, with integrity checks.

``wrapper.sh`` documents the records. A log that was truncated, rotated or damaged is detected: the
first or last record or the file count of a host is missing, or the length or checksum of a file
does not match.

Processes emit live lines while they run. Such a line consists of the byte 0x1D, the eight digits
of the job's mark, the length of the content in bytes, its CRC-32 as eight hexadecimal digits, and
the content: a file name and the line; the parts are separated by spaces, and a line feed ends it.
Output of several processes may be interleaved in the log. A line whose length or checksum does not
match is dropped; the rest of the log is not affected.
"""

from __future__ import annotations

import binascii
import contextlib
import hashlib
import logging
import os
import re
import tempfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from hybrid_parsl.psij_kubernetes.job_plan import target_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from hybrid_parsl.psij_kubernetes.job_plan import Collection

logger = logging.getLogger(__name__)

LIVE_LINE_START = "\x1d"
"""First byte of a live line, before the digits of the mark."""
MAX_LIVE_LINE = 4096
"""Maximum bytes of a live line: a pipe write up to PIPE_BUF (Linux) is atomic."""
_HEADER = re.compile(rb"(\d{1,4}) ([0-9a-f]{8}) ")
_MAX_HEADER = 14
_FILE_NAME = re.compile(r"[^/\0]{1,200}")
_TAIL_BYTES = 8192
_TAIL_LINES = 12


class LiveLineDecoder:
    """Incremental decoder that removes live lines from a log.

    Parameters
    ----------
    digits
        The eight digits of the job's mark.
    record_mark
        Prefix of other records; like a line feed, it ends a damaged line.
    on_line
        Called with the file name and the content of each line.
    """

    def __init__(
        self, digits: str, record_mark: bytes, on_line: Callable[[str, bytes], None]
    ) -> None:
        self._mark = LIVE_LINE_START.encode() + digits.encode()
        self._end = re.compile(b"\n|(?=%b|%b)" % (re.escape(record_mark), re.escape(self._mark)))
        self._on_line = on_line
        self._pending = b""

    def feed(self, data: bytes) -> bytes:
        """Decode the next chunk; return the part of the log that is known not to be a live line."""
        data, self._pending = self._pending + data, b""
        output = []
        while (at := data.find(self._mark)) >= 0:
            output.append(data[:at])
            data = data[at:]
            n_bytes = self._decode_line(data)
            if n_bytes == 0:
                self._pending = data
                return b"".join(output)
            data = data[n_bytes:]
        complete = len(data) - partial_mark_length(self._mark, data)
        self._pending = data[complete:]
        return b"".join([*output, data[:complete]])

    def finish(self) -> bytes:
        """Return the rest of the log without an incomplete live line."""
        rest, self._pending = self._pending, b""
        if not rest.startswith(self._mark):
            return rest
        found = self._end.search(rest, len(self._mark))
        return rest[found.end() :] if found else b""

    def _decode_line(self, data: bytes) -> int:
        """Decode the line at the start of `data`; return its length, 0 if it is incomplete."""
        start = len(self._mark)
        header = _HEADER.match(data, start)
        if header is None:
            return self._damaged_length(data, start + _MAX_HEADER)
        end = header.end() + int(header[1])
        if end - header.end() > MAX_LIVE_LINE:
            return self._damaged_length(data, start + _MAX_HEADER)
        if len(data) <= end:
            return 0
        content = data[header.end() : end]
        if data[end : end + 1] != b"\n" or zlib.crc32(content) != int(header[2], 16):
            return self._damaged_length(data, end)
        name, _, line = content.partition(b" ")
        text = name.decode("utf-8", "replace")
        if _FILE_NAME.fullmatch(text) and text not in (".", "..") and b"\n" not in line:
            self._on_line(text, line)
        return end + 1

    def _damaged_length(self, data: bytes, limit: int) -> int:
        """Return the length of a damaged line, at most `limit`; 0 if more data is needed."""
        searched = limit + len(self._mark) - 1  # up to the end of a mark that starts in it
        found = self._end.search(data, len(self._mark), searched)
        if found is not None and found.start() < limit:
            return found.end()
        return limit if len(data) >= searched else 0


def partial_mark_length(mark: bytes, data: bytes) -> int:
    """Return the number of bytes at the end of `data` that may be the start of `mark`."""
    longest = min(len(mark) - 1, len(data))
    return next((n for n in range(longest, 0, -1) if mark.startswith(data[-n:])), 0)


class FileTransfer:
    """A file that is being received; it replaces its target only when complete."""

    def __init__(self, path: str, size: int, digest: str, target: Path | None) -> None:
        self.path = path
        self.target = target
        self._size, self._digest = size, digest
        self._n_bytes = 0
        self._hash = hashlib.sha256()
        self._text = b""
        self._damaged = False
        self._file: IO[bytes] | None = None
        self._temporary = ""
        if target is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            descriptor, self._temporary = tempfile.mkstemp(dir=target.parent, prefix=".incoming-")
            self._file = os.fdopen(descriptor, "wb")

    def feed(self, text: bytes) -> None:
        """Decode the next chunk of base64."""
        text = self._text + b"".join(text.split())
        complete = len(text) - len(text) % 4
        self._text = text[complete:]
        try:
            data = binascii.a2b_base64(text[:complete], strict_mode=True)
        except binascii.Error:
            self._damaged = True
            return
        self._hash.update(data)
        self._n_bytes += len(data)
        if self._file is not None:
            self._file.write(data)

    def error(self) -> str:
        """Return why the received file is invalid; empty if it is valid."""
        if self._damaged or self._text:
            return f"{self.path} is damaged"
        if self._n_bytes != self._size:
            return f"{self.path} is truncated: {self._n_bytes} of {self._size} bytes"
        if self._hash.hexdigest() != self._digest:
            return f"{self.path} is damaged: checksum mismatch"
        return ""

    def commit(self) -> None:
        """Replace the target with the received file."""
        if self._file is not None and self.target is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            Path(self._temporary).replace(self.target)

    def discard(self) -> None:
        """Delete the partial file."""
        if self._file is not None:
            self._file.close()
            Path(self._temporary).unlink(missing_ok=True)


class LineAppender:
    """Append lines to files unless present, so that a log can be read repeatedly."""

    def __init__(self) -> None:
        self._files: dict[Path, IO[bytes]] = {}
        self._known: dict[Path, set[bytes]] = {}

    def add(self, path: Path, line: bytes) -> None:
        """Append `line` to the file at `path` unless the file contains it.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        if path not in self._files:
            self._open(path)
        known = self._known[path]
        if line not in known:
            known.add(line)
            self._files[path].write(line + b"\n")

    def close(self) -> None:
        """Close all files."""
        for file in self._files.values():
            file.close()

    def _open(self, path: Path) -> None:
        """Open a file and read its lines; an incomplete last line is terminated."""
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
        file.seek(0)
        data = file.read()
        if data and not data.endswith(b"\n"):
            file.write(b"\n")
        self._files[path], self._known[path] = file, set(data.split(b"\n"))


@dataclass
class LogReport:
    """Summary of a decoded log.

    Attributes
    ----------
    has_records
        Whether the log contains records.
    started, ended
        Whether the records of start and end of the command were found; the output is between.
    exit_code
        As reported by the wrapper; None if the last record is missing.
    files
        Local paths of the files that were received completely, by path in the pod.
    errors
        What was truncated, damaged or could not be sent.
    n_bytes
        Length of the log.
    """

    has_records: bool
    started: bool = False
    ended: bool = False
    exit_code: int | None = None
    files: dict[str, Path] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    n_bytes: int = 0

    @property
    def streams_are_complete(self) -> bool:
        """Whether the log contains the complete output of the command."""
        return not self.has_records or (self.started and self.ended)

    @property
    def lacks_end(self) -> bool:
        """Whether the last record is missing."""
        return self.has_records and self.exit_code is None

    @property
    def files_are_complete(self) -> bool:
        """Whether all files that the command left were received."""
        return not self.errors and not self.lacks_end


class LogReader:
    """Incremental decoder of a log that writes streams, files and live lines.

    Parameters
    ----------
    collection
        Destinations.
    """

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._mark = (collection.mark or "").encode()
        self._live_lines = None
        if collection.mark:
            self._live_lines = LiveLineDecoder(collection.mark[1:], self._mark, self._on_line)
        self.report = LogReport(bool(self._mark))
        self._buffer = bytearray()
        self._n_searched = 0  # bytes without a line feed: lines may be long
        self._newline = b""
        self._tail = b""
        self._transfer: FileTransfer | None = None
        self._n_files = 0
        self._n_hosts_reported = 0
        self._n_hosts_expected = 0
        self._open = contextlib.ExitStack()
        self._lines = LineAppender()
        self._open.callback(self._lines.close)
        self._stdout = self._sink(collection.stdout)
        same = collection.stderr == collection.stdout
        self._stderr = self._stdout if same else self._sink(collection.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._abort_transfer()
        self._open.close()

    def feed(self, data: bytes) -> None:
        """Decode the next chunk of the log.

        Raises
        ------
        OSError
            If a destination cannot be written.
        """
        self.report.n_bytes += len(data)
        if self._live_lines is None:
            self._print(data)
        else:
            self._feed(self._live_lines.feed(data))

    def _feed(self, data: bytes) -> None:
        """Decode the next chunk of the log without live lines."""
        buffer = self._buffer
        buffer += data
        while (at := buffer.find(self._mark)) >= 0:
            end = buffer.find(b"\n", max(at, self._n_searched))
            if end < 0:
                break
            self._text(bytes(buffer[:at]))
            record = bytes(buffer[at + len(self._mark) : end])
            del buffer[: end + 1]
            self._n_searched = 0
            try:
                self._record(record[:1], record[1:])
            except ValueError:
                self.report.errors.append("a record is damaged")
        end = at
        if at < 0:
            tail = bytes(buffer[-len(self._mark) :])
            end = len(buffer) - partial_mark_length(self._mark, tail)
        self._text(bytes(buffer[:end]))
        del buffer[:end]
        self._n_searched = len(buffer) if at >= 0 else 0

    def finish(self) -> LogReport:
        """Return the report of the whole log.

        Raises
        ------
        OSError
            If a destination cannot be written.
        """
        if self._live_lines is not None:
            self._feed(self._live_lines.finish())
        if not (self._mark and self._buffer.startswith(self._mark)):  # an incomplete record
            self._text(bytes(self._buffer))
        self._print(self._newline)  # without an end record it belongs to the output
        self._buffer.clear()
        self._newline = b""
        if self._mark:
            self._abort_transfer()
            self._check()
        if self.report.started or not self._mark:  # else rotated: an earlier fetch has more
            for sink in (self._stdout, self._stderr):
                if sink is not None:
                    sink.truncate()
        return self.report

    def tail(self) -> list[str]:
        """Return the last lines of both streams."""
        lines = self._tail.decode("utf-8", "replace").splitlines()
        return [line for line in lines if line.strip()][-_TAIL_LINES:]

    def _check(self) -> None:
        """Record what is missing."""
        if self.report.exit_code is None:
            self.report.errors.append("the end of the log is missing")
        elif self._n_hosts_reported != self._n_hosts_expected:
            missing = self._n_hosts_expected - self._n_hosts_reported
            self.report.errors.append(f"the files of {missing} pods are missing")

    def _text(self, data: bytes) -> None:
        """Process data between two records."""
        if not data:
            return
        if self._transfer is not None:
            self._transfer.feed(data)
        elif self.report.started and not self.report.ended:
            # a line feed precedes the end record: hold back the last one
            data = self._newline + data
            self._newline = b"\n" if data.endswith(b"\n") else b""
            self._print(data.removesuffix(b"\n"))
        else:
            self._remember(data)

    def _print(self, data: bytes) -> None:
        """Process a part of the standard output."""
        self._remember(data)
        if self._stdout is not None:
            self._stdout.write(data)

    def _remember(self, data: bytes) -> None:
        """Keep the last bytes of the output."""
        self._tail = (self._tail + data)[-_TAIL_BYTES:]

    def _record(self, letter: bytes, rest: bytes) -> None:
        """Process a record."""
        if letter != b"T" and self._newline:
            self._print(self._newline)
        self._newline = b""
        if letter in b"FN!TX":
            self._finish_transfer()
        if letter in b"Ee":
            self._error_line(rest, b"\n" if letter == b"E" else b"")
        elif letter == b"S":
            self.report.started = True
        elif letter == b"T":
            self.report.ended = True
        elif letter == b"F":
            self._begin_file(rest)
        elif letter == b"N":
            self._end_host(int(rest))
        elif letter == b"X":
            code, _, hosts = rest.partition(b" ")
            self.report.exit_code, self._n_hosts_expected = int(code), int(hosts)
        else:
            self.report.errors.append(rest.decode("utf-8", "replace"))

    def _error_line(self, text: bytes, end: bytes) -> None:
        """Process a line of the standard error."""
        self._remember(text + b"\n")
        if self._stderr is not None and self.report.started:
            self._stderr.write(text + end)

    def _on_line(self, name: str, line: bytes) -> None:
        """Write a live line; failures are only logged because live lines are best effort."""
        target = target_of(name, self._collection.lines)
        if target is not None:
            try:
                self._lines.add(target, line)
            except OSError as error:
                logger.warning("cannot write a live line to %s: %s", target, error)

    def _begin_file(self, header: bytes) -> None:
        """Process the header of a file: length, checksum, path."""
        size, digest, path = header.decode("utf-8", "surrogateescape").split(" ", 2)
        target = target_of(path, self._collection.outputs)
        is_new = target is not None and path not in self.report.files
        self._n_files += 1
        self._transfer = FileTransfer(path, int(size), digest, target if is_new else None)

    def _end_host(self, n_files: int) -> None:
        """Compare the number of files that a host has sent."""
        if n_files != self._n_files:
            self.report.errors.append(f"{n_files - self._n_files} files of a pod are missing")
        self._n_files = 0
        self._n_hosts_reported += 1

    def _finish_transfer(self) -> None:
        """Commit the current file if it is valid."""
        transfer, self._transfer = self._transfer, None
        if transfer is None:
            return
        error = transfer.error()
        if error:
            self.report.errors.append(error)
            transfer.discard()
        elif transfer.target is not None:
            transfer.commit()
            self.report.files[transfer.path] = transfer.target

    def _abort_transfer(self) -> None:
        """Discard a file that was not received completely."""
        if self._transfer is not None:
            self.report.errors.append(f"{self._transfer.path} is truncated")
            self._transfer.discard()
            self._transfer = None

    def _sink(self, path: Path | None) -> IO[bytes] | None:
        """Open the file of a stream without truncating it: readers never see it shrink."""
        if path is None:
            return None
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return self._open.enter_context(path.open("r+b"))
