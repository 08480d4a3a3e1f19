"""Finished calls of a run in one file, where a folder each would take most of the time and disk."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING, Any, NamedTuple

from hybrid_parsl.errors import ResultError, StorageError, UntrustedFileError
from hybrid_parsl.ownership import open_own, read_own
from hybrid_parsl.tasks.serialization import decode_frame, encode_frame, pickled, whole_frames

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hybrid_parsl.tasks.folder import Request

FILE = "calls.frames"
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
_MODE = 0o600


class FinishedCall(NamedTuple):
    """A call and its result.

    Attributes
    ----------
    name
        That of the task.
    identity
        Of the package that made the call.
    reference, code
        What was called, as ``module:name``, and the fingerprint of the source that came with it.
    arguments
        The pickle of the positional and the keyword arguments.
    outcome
        The pickle of the result.
    """

    name: str
    identity: str
    reference: str
    code: str
    arguments: bytes
    outcome: bytes

    @classmethod
    def of(cls, request: Request, result: object) -> FinishedCall:
        """Return the record of a call of a `StageFunction`.

        Raises
        ------
        ResultError
            If an argument or the result cannot be pickled.
        """
        arguments = pickled((request.arguments, request.keywords))
        name = request.function.__name__
        return cls(name, request.identity, *_function_of(request), arguments, pickled(result))

    def answers(self, request: Request) -> bool:
        """Return whether `request` is this call: equal in all but the name of the task."""
        made = (self.identity, self.reference, self.code)
        return made == (request.identity, *_function_of(request)) and self._has_arguments(request)

    def is_edited(self, request: Request) -> bool:
        """Return whether `request` differs from this call in nothing but the function's source."""
        reference, code = _function_of(request)
        is_edited = self.reference == reference and self.code != code
        return is_edited and self.identity == request.identity and self._has_arguments(request)

    def result(self) -> Any:
        """Return the result.

        Raises
        ------
        ResultError
            If it cannot be unpickled here.
        """
        try:
            return pickle.loads(self.outcome)  # noqa: S301 - of a file that only the user can write
        except Exception as error:
            reason = f"the result of {self.name} cannot be read here: {error!r}"
            raise ResultError(reason) from error

    def _has_arguments(self, request: Request) -> bool:
        """Return whether the arguments of `request` equal those of the call."""
        try:
            known = pickle.loads(self.arguments)  # noqa: S301 - of a file that only the user can write
            return bool(known == (request.arguments, request.keywords))
        except Exception:  # noqa: BLE001 - a class that is gone, or a comparison that raises anything
            return False


def _function_of(request: Request) -> tuple[str, str]:
    """Return the reference of what a request calls and the fingerprint of its source."""
    function: Any = request.function
    return function.reference, function.code.fingerprint


def append_call(folder: Path, call: FinishedCall) -> None:
    """Add a finished call to the file in `folder`; several processes may do so at once.

    A record is whole or, after a crash of the host or on a full disk, is passed over by readers.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    path, data = folder / FILE, encode_frame(tuple(call))
    try:
        descriptor = os.open(path, _APPEND, _MODE)
        try:
            n_written = os.write(descriptor, data)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StorageError(str(path), error.strerror or str(error)) from error
    if n_written < len(data):
        raise StorageError(str(path), f"only {n_written} of {len(data)} bytes were written")


class CallLog:
    """The finished calls that an earlier driver has left in a folder.

    Parameters
    ----------
    folder
        Holds the file, if there is one.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._places = dict(self._index())

    def find(self, name: str) -> FinishedCall | None:
        """Return the last call of the task `name`, None if there is none."""
        begin, end = self._places.get(name, (0, 0))
        if not end:
            return None
        try:
            with open_own(self._path) as file:
                file.seek(begin)
                return FinishedCall(*decode_frame(file.read(end - begin), FILE))
        except (OSError, UntrustedFileError, ResultError):
            return None

    def _index(self) -> Iterator[tuple[str, tuple[int, int]]]:
        """Yield the name of each call and where its frame is, in the order of the file."""
        try:
            data = read_own(self._path)
        except (OSError, UntrustedFileError):
            return
        for begin, end, value in whole_frames(data, FILE):
            yield value[0], (begin, end)
