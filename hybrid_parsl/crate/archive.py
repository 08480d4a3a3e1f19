"""A crate as a zip: written the same each time, read without trust."""

from __future__ import annotations

import hashlib
import io
import json
import re
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from hybrid_parsl.atomic_file import write_atomically
from hybrid_parsl.crate.code import CODE, WORKFLOWS
from hybrid_parsl.crate.contents import EXPERIMENT, METADATA
from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.ownership import read_own
from hybrid_parsl.records.models import Results, check_record
from hybrid_parsl.records.run_directory import RESULTS, RunDirectory
from hybrid_parsl.strict_json import parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_MOST_FILES = 10_000
_MOST_BYTES = 512 * 2**20
_MOST_METADATA_BYTES = 16 * 2**20
_LONGEST_NAME, _LONGEST_PART = 1000, 255  # bytes
_SITES = f"{CODE}/site_configs"
_NEEDED = (EXPERIMENT, RESULTS, WORKFLOWS)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_MODE = stat.S_IFREG | 0o644
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_DAMAGES = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, struct.error)


@dataclass(frozen=True)
class Crate:
    """A crate whose files have the checksums that its metadata states.

    Attributes
    ----------
    source
        Where it was read.
    files
        The content of each file by its name, that of the metadata included.
    results
        The recorded ``results.json``.
    """

    source: Path
    files: Mapping[str, bytes]
    results: dict[str, Any]

    @property
    def code(self) -> dict[str, bytes]:
        """The Python files of the project by their names below ``code/``."""
        prefix = f"{CODE}/"
        return {
            name.removeprefix(prefix): content
            for name, content in self.files.items()
            if name.startswith(prefix)
        }

    def unpack(self, folder: Path) -> Path:
        """Write experiment and code into a new folder, as a project; return its path.

        Raises
        ------
        StorageError
            If a file cannot be written.
        """
        target = RunDirectory(folder)
        target.write(EXPERIMENT, self.files[EXPERIMENT])
        for name, content in self.code.items():
            target.write(f"{CODE}/{name}", content)
        (folder / _SITES).mkdir()
        return folder / CODE


def write_zip(folder: Path, path: Path) -> None:
    """Write a crate into a zip: the same bytes for the same files.

    Parameters
    ----------
    folder
        The folder of a run, which holds its metadata.
    path
        The zip.

    Raises
    ------
    ConfigurationError
        If a file is missing, or is not what the metadata states.
    StorageError
        If the zip cannot be written.
    """
    files = read_crate(folder).files
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name)  # of 1980
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, _MODE << 16
            archive.writestr(entry, files[name])
    write_atomically(path, buffer.getvalue())


def read_crate(path: Path) -> Crate:
    """Return the crate in a zip or a folder, with all its files, each compared with its checksum.

    Only files that the metadata lists are read.

    Raises
    ------
    ConfigurationError
        If it is not a crate of a run, is too large, has a file outside of it, a link or an
        encrypted file, or a file is missing or altered.
    UntrustedFileError
        If a file of a folder belongs to another user or can be written by others.
    """
    try:
        if path.is_dir():
            return _read(path, lambda name: _read_file(path, name))
        with zipfile.ZipFile(path) as archive:
            entries = _entries(path, archive)
            return _read(path, lambda name: archive.read(entries[name]))
    except _DAMAGES as error:
        raise _refused(path, f"is not a valid zip: {error}") from error
    except MemoryError as error:
        raise _refused(path, "needs more memory than is free") from error
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror or error}") from error


def _entries(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the files of a zip by name.

    Raises
    ------
    ConfigurationError
        If there are too many or too large ones, or one is not a plain file in the zip.
    """
    found: dict[str, zipfile.ZipInfo] = {}
    entries = archive.infolist()
    if len(entries) > _MOST_FILES:
        raise _refused(path, f"has {len(entries)} files, more than {_MOST_FILES}")
    size = sum(entry.file_size for entry in entries)
    if size > _MOST_BYTES:
        raise _refused(path, f"has {size} bytes when unpacked, more than {_MOST_BYTES}")
    for entry in entries:
        if entry.is_dir():
            continue
        name, kind = entry.filename, stat.S_IFMT(entry.external_attr >> 16)
        _check_name(path, name)
        if kind not in (0, stat.S_IFREG):
            raise _refused(path, "is a link or a special file, not a plain one", name)
        if entry.flag_bits & _ENCRYPTED or entry.compress_type not in _METHODS:
            raise _refused(path, "is encrypted, or compressed in an unusual way", name)
        if name in found:
            raise _refused(path, "is in the zip twice", name)
        found[name] = entry
    return found


def _read_file(folder: Path, name: str) -> bytes:
    """Return the content of a file in a folder that is not reached through a link.

    Raises
    ------
    KeyError
        If there is no such file.
    ConfigurationError
        If it lies outside of the folder.
    """
    path = folder.resolve() / name
    if not path.exists():
        raise KeyError(name)
    if path.resolve() != path:
        raise _refused(folder, "is reached through a link", name)
    return read_own(path)


def _read(path: Path, read: Callable[[str], bytes]) -> Crate:
    """Return a crate whose files `read` gives.

    Raises
    ------
    ConfigurationError
        If it is not a crate of a run, or a file is missing or altered.
    """
    try:
        files = {METADATA: read(METADATA)}
    except KeyError:
        raise _refused(path, "is not a crate", METADATA, "no such file") from None
    checksums = _checksums(path, files[METADATA])
    for needed in _NEEDED:
        if needed not in checksums:
            message = "is not listed: this is not a crate of hybrid-parsl"
            raise _refused(path, message, needed)
    size = 0
    for name, checksum in checksums.items():
        try:
            content = read(name)
        except KeyError:
            raise _refused(path, "is missing", name) from None
        found = hashlib.sha256(content).hexdigest()
        if found != checksum:
            message = "has been altered: its SHA-256 is not that of the metadata"
            raise _refused(path, message, name, found, str(checksum))
        size += len(content)
        if size > _MOST_BYTES:
            raise _refused(path, f"has more than {_MOST_BYTES} bytes")
        files[name] = content
    try:
        results = check_record(parse_json(files[RESULTS]), Results, f"{path}: {RESULTS}")
    except ValueError as error:
        raise _refused(path, str(error), RESULTS) from error
    return Crate(path, files, results)


def _checksums(path: Path, metadata: bytes) -> dict[str, Any]:
    """Return the SHA-256 of each file of a crate, as its metadata states it.

    Raises
    ------
    ConfigurationError
        If the metadata is not that of a crate, or names a file outside of it.
    """
    if len(metadata) > _MOST_METADATA_BYTES:
        size, valid = f"{len(metadata)} bytes", f"at most {_MOST_METADATA_BYTES} bytes"
        raise _refused(path, "is too large", METADATA, size, valid)
    try:
        graph = {each["@id"]: each for each in parse_json(metadata)["@graph"]}
        parts = graph["./"]["hasPart"]
        names = [each["@id"] for each in ([parts] if isinstance(parts, dict) else parts)]
        listed = {each: graph[each].get("sha256") for each in names if not _URL.match(each)}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _refused(path, "is not the metadata of a crate", METADATA, repr(error)) from error
    if len(listed) > _MOST_FILES:
        raise _refused(path, f"lists {len(listed)} files, more than {_MOST_FILES}", METADATA)
    found = {unquote(name): checksum for name, checksum in listed.items()}
    for name in found:
        _check_name(path, name)
        folder = next((each for each in PurePosixPath(name).parents if str(each) in found), None)
        if folder is not None:
            raise _refused(path, "is a file and a folder", METADATA, str(folder))
    sites = [name for name in found if f"{name}/".startswith(f"{_SITES}/")]
    if sites:
        raise _refused(path, "is no part of a crate: sites are those of the project", sites[0])
    return found


def _check_name(path: Path, name: str) -> None:
    """Refuse the name of a file that is not below the folder of its crate.

    Raises
    ------
    ConfigurationError
        If it is such a name.
    """
    parts = name.split("/")
    is_bad = any(part in ("", ".", "..") for part in parts) or "\\" in name
    if is_bad or not name.isprintable() or _URL.match(name) or _is_long(name, parts):
        valid = "a path below the folder of the crate that a file system can hold"
        raise _refused(path, "is no valid name of a file", json.dumps(name)[:80], valid=valid)


def _is_long(name: str, parts: Sequence[str]) -> bool:
    """Return whether a name, or a part of it, is longer than file systems can hold."""
    longest = max(len(part.encode()) for part in parts)
    return longest > _LONGEST_PART or len(name.encode()) > _LONGEST_NAME


def _refused(
    path: Path,
    message: str,
    name: str | None = None,
    found: str | None = None,
    valid: str | None = None,
) -> ConfigurationError:
    """Return the error for a crate, or a file of it, that cannot be used."""
    return ConfigurationError(message, str(path), name, found, valid)
