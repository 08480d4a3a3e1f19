"""A file on its way through a log."""

from __future__ import annotations

import binascii
import hashlib
import os
import tempfile
from pathlib import Path
from typing import IO


class IncomingFile:
    """A file on its way through the log; it is put into its place when it is whole."""

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
        """Take a piece of its base64."""
        text = self._text + b"".join(text.split())
        whole = len(text) - len(text) % 4
        self._text = text[whole:]
        try:
            data = binascii.a2b_base64(text[:whole], strict_mode=True)
        except binascii.Error:
            self._damaged = True
            return
        self._hash.update(data)
        self._n_bytes += len(data)
        if self._file is not None:
            self._file.write(data)

    def fault(self) -> str:
        """Return what is wrong with it now that it should be whole; nothing if it is."""
        if self._damaged or self._text:
            return f"{self.path} is damaged"
        if self._n_bytes != self._size:
            return f"{self.path} was cut short: {self._n_bytes} of {self._size} bytes"
        if self._hash.hexdigest() != self._digest:
            return f"{self.path} is damaged: its checksum does not fit"
        return ""

    def keep(self) -> None:
        """Put it into its place."""
        if self._file is not None and self.target is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            Path(self._temporary).replace(self.target)

    def drop(self) -> None:
        """Leave nothing of it."""
        if self._file is not None:
            self._file.close()
            Path(self._temporary).unlink(missing_ok=True)
