"""A value on its way between processes: length and checksum before the bytes.

A frame is the 8 bytes ``HPFRAME1``, the length of the payload (8 bytes, big-endian), its
SHA-256 (32 bytes), and the payload: a pickle. One that was cut short or altered is an error,
never a wrong value. The checksum has no key: a file that another user could have written is not
read at all.
"""

from __future__ import annotations

import hashlib
import pickle
import struct
from typing import TYPE_CHECKING, Any

from hybrid_parsl.atomic_file import write_atomically
from hybrid_parsl.errors import ResultError, UntrustedFileError
from hybrid_parsl.ownership import read_own

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAGIC = b"HPFRAME1"
_HEADER = struct.Struct(">8sQ32s")


def encode_frame(value: object) -> bytes:
    """Return `value` as a frame.

    Functions and classes of importable modules travel by name. What pickle cannot do (a
    function of ``__main__``, a lambda) is tried with dill, by value.

    Raises
    ------
    ResultError
        If `value` cannot be pickled.
    """
    payload = pickled(value)
    return _HEADER.pack(_MAGIC, len(payload), hashlib.sha256(payload).digest()) + payload


def pickled(value: object) -> bytes:
    """Return the pickle of `value`, by dill if it has to be.

    Raises
    ------
    ResultError
        If `value` cannot be pickled.
    """
    try:
        payload = pickle.dumps(value, protocol=5)
    except Exception:  # noqa: BLE001 - a __reduce__ may raise anything
        import dill
    else:
        if b"__main__" not in payload:
            return payload
        import dill
    try:
        return bytes(dill.dumps(value, protocol=5, recurse=True))
    except Exception as error:
        reason = f"cannot send a {type(value).__name__}: {type(error).__name__}: {error}"
        raise ResultError(reason) from error


def decode_frame(data: bytes, origin: str) -> Any:
    """Return the value in a frame that was read from `origin`.

    Raises
    ------
    ResultError
        If the frame is cut short or damaged, or its value cannot be unpickled here.
    """
    if len(data) < _HEADER.size:
        reason = f"{origin} was cut short: {len(data)} bytes are no frame"
        raise ResultError(reason)
    magic, length, digest = _HEADER.unpack_from(data)
    payload = data[_HEADER.size :]
    if magic != _MAGIC:
        reason = f"{origin} is no frame: it begins with {magic!r}"
        raise ResultError(reason)
    if len(payload) != length:
        reason = f"{origin} was cut short: {len(payload)} of {length} bytes"
        raise ResultError(reason)
    if hashlib.sha256(payload).digest() != digest:
        reason = f"{origin} is damaged: its checksum does not fit"
        raise ResultError(reason)
    try:
        return pickle.loads(payload)  # noqa: S301 - the other side runs our own code
    except Exception as error:
        reason = f"{origin} cannot be read here: {type(error).__name__}: {error}"
        raise ResultError(reason) from error


def whole_frames(data: bytes, origin: str) -> Iterator[tuple[int, int, Any]]:
    """Yield begin, end and value of each frame in `data`, which was read from `origin`.

    Damaged frames, and what else is between the others, are passed over.
    """
    begin = data.find(_MAGIC)
    while begin >= 0:
        length = data[begin + len(_MAGIC) : begin + len(_MAGIC) + 8]
        end = begin + _HEADER.size + int.from_bytes(length, "big")
        try:
            yield begin, end, decode_frame(data[begin:end], origin)
        except ResultError:
            end = begin + 1
        begin = data.find(_MAGIC, end)


def write_frame(path: Path, value: object, *, is_durable: bool = True) -> None:
    """Write `value` to `path` at once: the file is there whole or not at all.

    One that need not be durable may be damaged after a crash of the host, which its reader notices.

    Raises
    ------
    ResultError
        If `value` cannot be pickled.
    StorageError
        If the file cannot be written.
    """
    write_atomically(path, encode_frame(value), is_durable=is_durable)


def read_frame(path: Path) -> Any:
    """Return the value in the file at `path`.

    Raises
    ------
    ResultError
        If the file does not exist, holds no whole frame, belongs to another user or can be
        written by others.
    """
    try:
        data = read_own(path)
    except OSError as error:
        reason = f"{path} cannot be read: {error.strerror}"
        raise ResultError(reason) from error
    except UntrustedFileError as error:
        raise ResultError(str(error)) from error
    return decode_frame(data, str(path))
