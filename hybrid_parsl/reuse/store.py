"""Results on disk by the key of their call, for all runs in one folder of runs."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybrid_parsl.errors import (
    ConfigurationError,
    HybridParslError,
    ResultError,
    StorageError,
    UntrustedFileError,
)
from hybrid_parsl.ownership import check_folder
from hybrid_parsl.tasks.serialization import read_frame, write_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

logger = logging.getLogger(__name__)
FOLDER = ".cache"
"""The name of the store in the folder of runs."""
VARIABLE = "HYBRID_PARSL_CACHE"
"""The environment variable that says whether runs reuse results unless they are asked to."""
LARGEST = 2 * 1024**3
"""Bytes of all results together, about: of more than that, the ones last used long ago go."""
_N_SHARDS = 256
_KEY = re.compile(r"[0-9a-f]{64}")
_PRIVATE = 0o700


@dataclass(frozen=True)
class Entry:
    """A file of the store.

    Attributes
    ----------
    key
        The key of the call.
    path
        The file.
    size
        Its bytes.
    used
        When it was last used or written, in seconds since the epoch.
    """

    key: str
    path: Path
    size: int
    used: float


@dataclass(frozen=True)
class StoredResult:
    """One entry of the store.

    Attributes
    ----------
    key
        The key of the call.
    run
        The name of the run that computed it.
    result
        What the call returned.
    """

    key: str
    run: str
    result: Any


def reuses_results(asked: bool | None) -> bool:  # noqa: FBT001 - the value of an option
    """Return whether a run reuses results of earlier ones.

    Parameters
    ----------
    asked
        What was asked for; if None, what the environment variable `VARIABLE` says, or else yes.

    Raises
    ------
    ConfigurationError
        If the variable is needed and neither 0 nor 1.
    """
    if asked is not None:
        return asked
    text = os.environ.get(VARIABLE) or "1"
    if text not in ("0", "1"):
        raise ConfigurationError("should be 0 or 1", f"${VARIABLE}", None, text, "0, 1")
    return text == "1"


class ResultStore:
    """Results by key, each in a file ``KEY[:2]/KEY/result.frame``.

    Entries are copies, so they outlive their runs, and each carries its SHA-256. A file that
    belongs to another user, can be written by others or is damaged is ignored with a warning.
    Several runs may use a store at the same time; of two that write one key, the last one stays.

    Keys are evenly distributed, so each of the 256 folders ``KEY[:2]`` gets an equal part of the
    room. The first result that a process adds to a folder makes room in it.

    Parameters
    ----------
    path
        The folder, which need not exist.
    largest
        Bytes of all results together.
    """

    def __init__(self, path: Path, largest: float = LARGEST) -> None:
        self._path = path
        self._largest = largest
        self._is_refused = False
        self._has_room: set[Path] = set()

    def find(self, key: str) -> StoredResult | None:
        """Return what is stored under `key`, None if there is nothing that can be used."""
        path = self._file(key)
        if not os.path.lexists(path) or not self._is_own():
            return None
        try:
            found = read_frame(path)
        except ResultError as error:
            logger.warning("%s; it is not used", str(error).replace("\n", " "))
            return None
        if isinstance(found, StoredResult) and found.key == key:
            return found
        logger.warning("%s is the entry of another call; it is not used", path)
        return None

    def use(self, key: str) -> StoredResult | None:
        """Do as `find`, and note that the result has been used now."""
        found = self.find(key)
        if found is not None:
            with contextlib.suppress(OSError):  # a store that is only read serves as well
                os.utime(self._file(key))
        return found

    def keep(self, stored: StoredResult) -> None:
        """Store a result that can be pickled; if the store cannot be written, say so once."""
        path = self._file(stored.key)
        try:
            self._path.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
            if not self._is_own():
                return
            path.parent.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
            write_frame(path, stored)
            self._make_room(path.parent.parent)
        except ResultError:
            logger.debug("%s: its result cannot be stored", stored.key, exc_info=True)
        except (HybridParslError, OSError) as error:
            self._refuse(f"cannot store a result for later runs: {error}")

    def entries(self) -> list[Entry]:
        """Return what is stored, what was used last at the end; symbolic links are not followed.

        Nothing if the store is a link itself, or if other users own it.
        """
        if self._path.is_symlink():
            self._refuse(f"{self._path} is a symbolic link, which is not followed")
        if not os.path.lexists(self._path) or not self._is_own():
            return []
        return _entries(_folders(self._path))

    def remove(self, entry: Entry) -> None:
        """Remove an entry; one that is gone already is no error.

        Raises
        ------
        StorageError
            If it cannot be removed.
        """
        try:
            entry.path.unlink(missing_ok=True)
            for folder in (entry.path.parent, entry.path.parent.parent):
                with contextlib.suppress(OSError):  # it holds more
                    folder.rmdir()
        except OSError as error:
            raise StorageError(str(entry.path), error.strerror or str(error)) from error

    def _make_room(self, shard: Path) -> None:
        """Remove the least recently used entries of a shard that is too large; the newest stays."""
        if shard in self._has_room:
            return
        self._has_room.add(shard)
        entries = _entries([shard])
        room = self._largest / _N_SHARDS - sum(each.size for each in entries[-1:])
        for entry in beyond(entries[:-1], room):
            with contextlib.suppress(StorageError):  # the others go all the same
                self.remove(entry)

    def _file(self, key: str) -> Path:
        """Return where the entry of a key is."""
        return self._path / key[:2] / key / "result.frame"

    def _is_own(self) -> bool:
        """Return whether no other user can write the store; if not, say so once."""
        if self._is_refused:
            return False
        try:
            check_folder(self._path)
        except (UntrustedFileError, OSError) as error:
            self._refuse(f"results of earlier runs are not reused: {error}")
        return not self._is_refused

    def _refuse(self, reason: str) -> None:
        """Use the store no more, and say why."""
        if not self._is_refused:
            logger.warning("%s", reason)
        self._is_refused = True


def beyond(entries: Sequence[Entry], most: float) -> list[Entry]:
    """Return the entries that do not fit into `most` bytes.

    Parameters
    ----------
    entries
        What was used last at the end; it stays if it fits.
    most
        Bytes.
    """
    sizes = accumulate(each.size for each in reversed(entries))
    n_kept = sum(size <= most for size in sizes)
    return list(entries[: len(entries) - n_kept])


def _entries(shards: Iterable[Path]) -> list[Entry]:
    """Return the entries in folders ``KEY[:2]``, what was used last at the end."""
    found = []
    for shard in shards:
        for folder in _folders(shard):
            if not _KEY.fullmatch(folder.name) or folder.name[:2] != shard.name:
                continue
            path = folder / "result.frame"
            with contextlib.suppress(OSError):  # another process may have removed it
                about = path.lstat()
                found.append(Entry(folder.name, path, about.st_size, about.st_mtime))
    return sorted(found, key=lambda each: (each.used, each.key))


def _folders(parent: Path) -> list[Path]:
    """Return the folders in a folder; none that a symbolic link leads to, nor if it is one."""
    if parent.is_symlink():
        return []
    try:
        with os.scandir(parent) as entries:
            return [Path(each.path) for each in entries if each.is_dir(follow_symlinks=False)]
    except OSError:
        return []
