"""Writes a file at once: a reader finds it whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING

from hybrid_parsl.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_MODE = 0o644
"""Never writable by others, whatever the umask is."""


def write_atomically(path: Path, data: bytes, *, is_durable: bool = True) -> None:
    """Write `data` to `path`, whose folder has to be there.

    The bytes go to a new file in the same folder, to the disk, and then take the place of what
    was there before. The name of the new file cannot be guessed, so nothing can lie in wait there.

    Parameters
    ----------
    path, data
        The file and its content.
    is_durable
        Whether to wait for the disk; if not, a crash of the host may leave a part of the content.

    Raises
    ------
    StorageError
        If the file cannot be written; what was there before is still there.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(partial, _NEW_FILE, _MODE)
    except OSError as error:
        raise StorageError(str(path), error.strerror or str(error)) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if is_durable:
                file.flush()
                os.fsync(file.fileno())
        partial.replace(path)
    except BaseException as error:  # an interruption leaves nothing behind, either
        with contextlib.suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError):
            raise StorageError(str(path), error.strerror or str(error)) from error
        raise
