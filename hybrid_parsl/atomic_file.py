"""Writes a file at once: a reader finds it whole or not at all."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from hybrid_parsl.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whose folder has to be there.

    The bytes go to another name in the same folder, to the disk, and then take the place of
    what was there before.

    Raises
    ------
    StorageError
        The file cannot be written; what was there before is still there.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException as error:  # an interruption leaves nothing behind, either
        with contextlib.suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError):
            raise StorageError(str(path), error.strerror or str(error)) from error
        raise
