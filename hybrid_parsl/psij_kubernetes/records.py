"""Reads the log of a job's container: its two streams, its files, and that nothing is missing.

``wrapper.sh`` says what the records are. A log that was cut short, rotated or damaged is seen: it
lacks its first or last record, a host's count, or a file does not fit its length or checksum.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from hybrid_parsl.psij_kubernetes.incoming_file import IncomingFile
from hybrid_parsl.psij_kubernetes.line_files import LineFiles
from hybrid_parsl.psij_kubernetes.manifests import target_of
from hybrid_parsl.psij_kubernetes.told_lines import ToldLines, begun

if TYPE_CHECKING:
    from types import TracebackType

    from hybrid_parsl.psij_kubernetes.manifests import Collection

logger = logging.getLogger(__name__)

_TAIL_BYTES = 8192
_TAIL_LINES = 12


@dataclass
class LogReport:
    """What a log has told.

    Attributes
    ----------
    has_records
        Whether there should be records at all.
    begun, ended
        Whether the command's begin and end were seen: all between is its whole output.
    exit_code
        As the wrapper tells it; None if the last record is missing.
    files
        Files that arrived whole, by their path in the pod: where they are now.
    faults
        What was cut short, damaged, or could not be sent.
    n_bytes
        How long it was.
    """

    has_records: bool
    begun: bool = False
    ended: bool = False
    exit_code: int | None = None
    files: dict[str, Path] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    n_bytes: int = 0

    @property
    def streams_are_whole(self) -> bool:
        """Whether all that the command printed is there."""
        return not self.has_records or (self.begun and self.ended)

    @property
    def files_are_whole(self) -> bool:
        """Whether every file is there that the command left."""
        return not self.faults and (not self.has_records or self.exit_code is not None)


class LogReader:
    """Takes a log in pieces and writes what is wanted to files.

    Parameters
    ----------
    collection
        What is wanted, and where it goes.
    """

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._mark = (collection.mark or "").encode()
        self._told = None
        if collection.mark:
            self._told = ToldLines(collection.mark[1:], self._mark, self._take_line)
        self.report = LogReport(bool(self._mark))
        self._buffer = bytearray()
        self._n_searched = 0  # bytes of it that hold no line break: a line may be long
        self._newline = b""
        self._tail = b""
        self._incoming: IncomingFile | None = None
        self._n_files = 0
        self._n_told = 0
        self._n_hosts = 0
        self._open = contextlib.ExitStack()
        self._lines = LineFiles()
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
        self._drop_incoming()
        self._open.close()

    def feed(self, data: bytes) -> None:
        """Take the next piece of the log.

        Raises
        ------
        OSError
            What is wanted cannot be written.
        """
        self.report.n_bytes += len(data)
        if self._told is None:
            self._print(data)
        else:
            self._feed(self._told.feed(data))

    def _feed(self, data: bytes) -> None:
        """Take the next piece of the log without the lines that were told for files."""
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
                self.report.faults.append("a record is damaged")
        whole = (
            at if at >= 0 else len(buffer) - begun(self._mark, bytes(buffer[-len(self._mark) :]))
        )
        self._text(bytes(buffer[:whole]))
        del buffer[:whole]
        self._n_searched = len(buffer) if at >= 0 else 0

    def finish(self) -> LogReport:
        """Return what the whole log has told.

        Raises
        ------
        OSError
            What is wanted cannot be written.
        """
        if self._told is not None:
            self._feed(self._told.finish())
        if not (self._mark and self._buffer.startswith(self._mark)):  # a record that is not whole
            self._text(bytes(self._buffer))
        self._print(self._newline)  # no end has come that it could belong to
        self._buffer.clear()
        self._newline = b""
        if self._mark:
            self._drop_incoming()
            self._check()
        if (
            self.report.begun or not self._mark
        ):  # else its begin is lost, and earlier looks knew more
            for sink in (self._stdout, self._stderr):
                if sink is not None:
                    sink.truncate()
        return self.report

    def tail(self) -> list[str]:
        """Return the last lines that the command printed on both streams."""
        lines = self._tail.decode("utf-8", "replace").splitlines()
        return [line for line in lines if line.strip()][-_TAIL_LINES:]

    def _check(self) -> None:
        """Note what is missing."""
        if self.report.exit_code is None:
            self.report.faults.append("its end is missing")
        elif self._n_told != self._n_hosts:
            missing = self._n_hosts - self._n_told
            self.report.faults.append(f"the files of {missing} pods are missing")

    def _text(self, data: bytes) -> None:
        """Take what stands between two records."""
        if not data:
            return
        if self._incoming is not None:
            self._incoming.feed(data)
        elif self.report.begun and not self.report.ended:
            # the record of the end is on a line of its own: that line break is not the command's
            data = self._newline + data
            self._newline = b"\n" if data.endswith(b"\n") else b""
            self._print(data.removesuffix(b"\n"))
        else:
            self._remember(data)

    def _print(self, data: bytes) -> None:
        """Take a part of the standard output."""
        self._remember(data)
        if self._stdout is not None:
            self._stdout.write(data)

    def _remember(self, data: bytes) -> None:
        """Keep the end of what was printed."""
        self._tail = (self._tail + data)[-_TAIL_BYTES:]

    def _record(self, letter: bytes, rest: bytes) -> None:
        """Take a record."""
        if letter != b"T" and self._newline:
            self._print(self._newline)
        self._newline = b""
        if letter in b"FN!TX":
            self._finish_incoming()
        if letter in b"Ee":
            self._error_line(rest, b"\n" if letter == b"E" else b"")
        elif letter == b"S":
            self.report.begun = True
        elif letter == b"T":
            self.report.ended = True
        elif letter == b"F":
            self._begin_file(rest)
        elif letter == b"N":
            self._end_host(int(rest))
        elif letter == b"X":
            code, _, hosts = rest.partition(b" ")
            self.report.exit_code, self._n_hosts = int(code), int(hosts)
        else:
            self.report.faults.append(rest.decode("utf-8", "replace"))

    def _error_line(self, text: bytes, end: bytes) -> None:
        """Take a line of the standard error."""
        self._remember(text + b"\n")
        if self._stderr is not None and self.report.begun:
            self._stderr.write(text + end)

    def _take_line(self, name: str, line: bytes) -> None:
        """Take a line for a file; nobody relies on it, so one that cannot be kept is no fault."""
        target = target_of(name, self._collection.lines)
        if target is not None:
            try:
                self._lines.add(target, line)
            except OSError as error:
                logger.warning("a line of %s is not kept: %s", target, error)

    def _begin_file(self, header: bytes) -> None:
        """Take the header of a file: length, checksum, path."""
        size, digest, path = header.decode("utf-8", "surrogateescape").split(" ", 2)
        target = target_of(path, self._collection.outputs)
        wanted = target is not None and path not in self.report.files
        self._n_files += 1
        self._incoming = IncomingFile(path, int(size), digest, target if wanted else None)

    def _end_host(self, n_files: int) -> None:
        """Take the number of files that a host has told."""
        if n_files != self._n_files:
            self.report.faults.append(f"{n_files - self._n_files} files of a pod are missing")
        self._n_files = 0
        self._n_told += 1

    def _finish_incoming(self) -> None:
        """Put the file that was coming in into its place, if it is whole."""
        incoming, self._incoming = self._incoming, None
        if incoming is None:
            return
        fault = incoming.fault()
        if fault:
            self.report.faults.append(fault)
            incoming.drop()
        elif incoming.target is not None:
            incoming.keep()
            self.report.files[incoming.path] = incoming.target

    def _drop_incoming(self) -> None:
        """Forget a file that has not come in whole."""
        if self._incoming is not None:
            self.report.faults.append(f"{self._incoming.path} was cut short")
            self._incoming.drop()
            self._incoming = None

    def _sink(self, path: Path | None) -> IO[bytes] | None:
        """Open a file for a stream; who reads it meanwhile sees it grow and not shrink."""
        if path is None:
            return None
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return self._open.enter_context(path.open("r+b"))
