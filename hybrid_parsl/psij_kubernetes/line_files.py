"""Files that get lines from the log of a job while it runs."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class LineFiles:
    """Adds to each file the lines that it does not have, so that a log may be read many times."""

    def __init__(self) -> None:
        self._files: dict[Path, IO[bytes]] = {}
        self._known: dict[Path, set[bytes]] = {}

    def add(self, path: Path, line: bytes) -> None:
        """Write `line` to the end of the file at `path` unless the file has it.

        Raises
        ------
        OSError
            It cannot be written.
        """
        if path not in self._files:
            self._open(path)
        known = self._known[path]
        if line not in known:
            known.add(line)
            self._files[path].write(line + b"\n")

    def close(self) -> None:
        """Finish writing."""
        for file in self._files.values():
            file.close()

    def _open(self, path: Path) -> None:
        """Open a file and read what it holds; a last line without an end is left to itself."""
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
        file.seek(0)
        data = file.read()
        if data and not data.endswith(b"\n"):
            file.write(b"\n")
        self._files[path], self._known[path] = file, set(data.split(b"\n"))
