"""One folder a task, named after its function; a later driver finds it again by what it asks."""

from __future__ import annotations

import errno
import logging
import os
import re
import secrets
import shutil
import threading
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hybrid_parsl import identity
from hybrid_parsl.errors import ResultError, StorageError
from hybrid_parsl.own_code import OwnCode
from hybrid_parsl.stage_function import StageFunction, undecorated
from hybrid_parsl.tasks.call_log import CallLog, FinishedCall, append_call
from hybrid_parsl.tasks.failures import read_result
from hybrid_parsl.tasks.folder import Request, TaskFolder
from hybrid_parsl.tasks.serialization import read_frame, write_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

logger = logging.getLogger(__name__)
RESOURCES = "parsl_resource_specification"
"""The keyword under which Parsl hands over what a task asks for."""
_EDITED = "%s: its source has changed; it is computed again"
_NUMBER = re.compile(r"(-\d+)+$")


@dataclass(frozen=True)
class Task:
    """A call of a workflow and the folder it has on the disk.

    Attributes
    ----------
    request
        The call.
    folder
        Where it is kept, with what it gives.
    is_new
        Whether no earlier driver has begun it.
    logged
        The result, alone in a tuple, if an earlier driver has left it in the `CallLog`.
    """

    request: Request
    folder: TaskFolder
    is_new: bool = False
    logged: tuple[Any] | None = None

    def answer_from_disk(self, answer: Future[Any]) -> bool:
        """Give `answer` the result that is there from an earlier try; return whether there is one.

        A result that cannot be read counts as none.
        """
        if self.logged is not None:
            answer.set_result(*self.logged)
            return True
        if not self.folder.result.exists():
            return False
        try:
            result = read_result(self.folder)
        except ResultError:
            return False
        answer.set_result(result)
        return True

    def prepare(self) -> None:
        """Make the folder ready for a new try.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        try:
            self.folder.clear()
        except OSError as error:
            raise StorageError(str(self.folder.path), error.strerror or str(error)) from error


class TaskFolders:
    """The folders of an executor's tasks.

    A task gets the folder in which an earlier driver has begun the same call (the same function
    of the same package, with equal arguments), or a new one. What other executors of this driver
    begin in the same place is theirs: only what is there from the beginning is an earlier one's.

    Parameters
    ----------
    path
        Holds all of them.
    is_durable
        Whether requests have to outlive a crash of the host, as they do where jobs go on elsewhere.
    """

    def __init__(self, path: Path, *, is_durable: bool = True) -> None:
        self._path = path.absolute()
        self._is_durable = is_durable
        self._lock = threading.Lock()
        self._free = _folders_by_name(self._path)
        self._numbers: dict[str, int] = {}

    def open(
        self,
        func: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        makes_folder: bool = True,
    ) -> Task:
        """Return the task that calls `func`, with its request written down.

        Parameters
        ----------
        func
            The function as Parsl hands it to an executor.
        args, kwargs
            Its arguments, among them perhaps Parsl's resource specification, which is left out.
        makes_folder
            Whether to make a new folder and to write the request; if not, the caller does so.

        Raises
        ------
        ResultError
            If the function or an argument cannot be pickled.
        StorageError
            If the folder cannot be written.
        """
        name, request = _request_of(func, args, kwargs)
        if (logged := self._logged(name, request)) is not None:
            return Task(request, TaskFolder(self._path / name), logged=logged)
        with self._lock:
            free = self._free_for(name)
            for folder in sorted(free, key=lambda each: each.path.name != name):
                held = _held(folder)
                if held is not None and _is_same(held, request):
                    free.remove(folder)
                    if _code_of(held) != _code_of(request):
                        write_frame(folder.request, request)
                    return Task(request, folder)
                if held is not None and folder.path.name == name and _is_edited(held, request):
                    logger.warning(_EDITED, name)
        if not makes_folder:
            return Task(request, TaskFolder(self._unused(name)), is_new=True)
        return Task(request, self._make(name, request), is_new=True)

    def has_begun(
        self, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> bool:
        """Return whether an earlier driver has begun a call; its parameters are those of `open`."""
        name, request = _request_of(func, args, kwargs)
        if self._logged(name, request) is not None:
            return True
        with self._lock:
            held = map(_held, self._free_for(name))
            return any(each is not None and _is_same(each, request) for each in held)

    def log(
        self,
        func: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        result: object,
    ) -> None:
        """Keep the result of a call of a `StageFunction` for later drivers, without a folder.

        Raises
        ------
        ResultError
            If an argument or the result cannot be pickled.
        StorageError
            If it cannot be written.
        """
        call = FinishedCall.of(_request_of(func, args, kwargs)[1], result)
        append_call(_made(self._path), call)

    def release(self, task: Task) -> None:
        """Let the next equal call go on in the folder of `task`, which gave no result."""
        with self._lock:
            self._free_for(task.folder.path.name).append(task.folder)

    def logs(self, name: str) -> Path:
        """Return a folder for the output of calls whose results are not kept.

        Raises
        ------
        StorageError
            If it cannot be made.
        """
        return _made(self._path / name)

    @cached_property
    def _log(self) -> CallLog:
        """What earlier drivers have finished without a folder."""
        return CallLog(self._path)

    def _logged(self, name: str, request: Request) -> tuple[Any] | None:
        """Return the logged result of an equal call, in a tuple; None if no such call is logged."""
        call = self._log.find(name)
        if call is None or not isinstance(request.function, StageFunction):
            return None
        if call.is_edited(request):
            logger.warning(_EDITED, name)
        try:
            return (call.result(),) if call.answers(request) else None
        except ResultError:
            return None

    def _free_for(self, name: str) -> list[TaskFolder]:
        """Return the folders that a call of the function `name` may go on in."""
        return self._free.setdefault(_NUMBER.sub("", name), [])

    def _make(self, name: str, request: Request) -> TaskFolder:
        """Make a new folder for a call of the function `name`; it never lacks its request."""
        fresh = TaskFolder(self._path / f".{name}.{secrets.token_hex(4)}")
        try:
            fresh.path.mkdir(parents=True)
            write_frame(fresh.request, request, is_durable=self._is_durable)
            return TaskFolder(self._move(fresh.path, name))
        except BaseException as error:
            shutil.rmtree(fresh.path, ignore_errors=True)
            if not isinstance(error, OSError):
                raise
            raise StorageError(str(self._path / name), error.strerror or str(error)) from error

    def _move(self, fresh: Path, name: str) -> Path:
        """Give a folder the first name for calls of the function `name` that is not taken."""
        while True:
            try:
                return fresh.rename(self._next_path(name))
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                    raise

    def _unused(self, name: str) -> Path:
        """Return the first path for calls of the function `name` where nothing is."""
        while os.path.lexists(path := self._next_path(name)):
            pass
        return path

    def _next_path(self, name: str) -> Path:
        """Return the path for calls of the function `name` that follows the last one."""
        number = self._numbers[name] = self._numbers.get(name, 0) + 1
        return self._path / (name if number == 1 else f"{name}-{number}")


def _made(path: Path) -> Path:
    """Return a folder, made if need be.

    Raises
    ------
    StorageError
        If it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(str(path), error.strerror or str(error)) from error
    return path


def _request_of(
    func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[str, Request]:
    """Return the name of a call and its request."""
    function = undecorated(func)
    keywords = {key: value for key, value in kwargs.items() if key != RESOURCES}
    request = Request(identity.current(), function, tuple(args), keywords)
    return getattr(function, "__name__", "task"), request


def _folders_by_name(path: Path) -> dict[str, list[TaskFolder]]:
    """Return the folders of tasks in `path` by the name of their function.

    Those with a result come first, and of either kind the oldest.
    """
    found: dict[str, list[TaskFolder]] = {}
    folders = [request.parent for request in path.glob("*/request.frame")]
    for folder in sorted(folders, key=lambda each: (len(each.name), each.name)):
        found.setdefault(_NUMBER.sub("", folder.name), []).append(TaskFolder(folder))
    for several in found.values():
        several.sort(key=lambda each: not each.result.exists())
    return found


def _held(folder: TaskFolder) -> Request | None:
    """Return the request in a folder, None if it cannot be read."""
    try:
        found = read_frame(folder.request)
    except ResultError:
        return None
    return found if isinstance(found, Request) else None


def _is_same(held: Request, request: Request) -> bool:
    """Return whether two requests are equal; what cannot be compared differs."""
    try:
        return bool(held == request)
    except Exception:  # noqa: BLE001 - an argument's own comparison may raise anything
        return False


def _is_edited(held: Request, request: Request) -> bool:
    """Return whether two requests differ in nothing but the source of a stage of the user's own."""
    before, now = held.function, request.function
    if not (isinstance(before, StageFunction) and isinstance(now, StageFunction)):
        return False
    is_edited = before.reference == now.reference and before != now
    return is_edited and _is_same(replace(held, function=now), request)


def _code_of(request: Request) -> list[str]:
    """Return the fingerprints of the user's own code that a request carries."""
    arguments = (*request.arguments, *request.keywords.values())
    codes = (getattr(each, "own_code", None) for each in arguments)
    return [code.fingerprint for code in codes if isinstance(code, OwnCode)]
