"""Packs of searches: many small searches of a study in one MPI job.

A job costs a second or more before its ranks search; a small search takes less. The driver collects
searches that are submitted at nearly the same time, lets one job work through them, and takes each
result as soon as it is there. When a pack ends early, what it had not begun goes into another pack,
and what was under way gets a job of its own: a failure is blamed on the search that caused it.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hybrid_parsl.engine.jobs.record import TASK_RECORD, note_end
from hybrid_parsl.engine.tasks.folders import Task
from hybrid_parsl.errors import JobCancelledError, ResultError, StorageError
from hybrid_parsl.mpi.pack import DONE, search_pack
from hybrid_parsl.stage_function import SEARCH, StageFunction
from hybrid_parsl.tasks.failures import await_result, explain_failure
from hybrid_parsl.tasks.folder import Request, TaskFolder
from hybrid_parsl.tasks.serialization import read_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hybrid_parsl.engine.jobs.future import JobFuture
    from hybrid_parsl.engine.tasks.folders import TaskFolders
    from hybrid_parsl.engine.tasks.resource_request import ResourceRequest

logger = logging.getLogger(__name__)
_QUIET_S = 0.2
"""A pack is begun when no further search has come for so long, or for the time between polls ..."""
_LONGEST_WAIT = 10
"""... or the first one has waited so many times as long."""


def is_packable(function: Callable[..., Any]) -> bool:
    """Return whether one rank alone can carry out a call of a function on many."""
    return isinstance(function, StageFunction) and function.reference == SEARCH


@dataclass(frozen=True, eq=False)
class Search:
    """A search without an outcome.

    Attributes
    ----------
    task
        The call and its folder.
    request
        What it asks for.
    future
        Its outcome.
    n_ranks
        How many ranks a pack of such searches has if it holds as many, at least 1.
    """

    task: Task
    request: ResourceRequest
    future: JobFuture
    n_ranks: int

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.task.folder.path.name

    @property
    def has_outcome(self) -> bool:
        """Whether its folder holds a result or a failure."""
        folder = self.task.folder
        return bool(folder.failures()) or folder.result.exists()  # the former lists the folder


@dataclass(eq=False)
class _Pack:
    """A pack whose job has not ended, as far as is known.

    Attributes
    ----------
    folder, future
        Of its job.
    names
        Of the folders of all its searches, in the order of their numbers.
    left
        The searches that wait for their outcome, by name.
    """

    folder: TaskFolder
    future: JobFuture
    names: Sequence[str]
    left: dict[str, Search]
    _read: dict[Path, int] = field(default_factory=dict)
    _done: set[str] = field(default_factory=set)

    def newly_done(self) -> list[Search]:
        """Return the searches whose outcome is there and was not taken yet."""
        for path in self.folder.path.glob(DONE):
            offset = self._read.get(path, 0)
            try:
                with path.open("rb") as file:
                    file.seek(offset)
                    whole, newline, _ = file.read().rpartition(b"\n")
            except OSError:  # a network file system: the next look may see it
                continue
            self._read[path] = offset + len(whole + newline)
            self._done.update(self.names[int(number)] for number in whole.split())
        return [search for name, search in list(self.left.items()) if name in self._done]


class SearchPacks:
    """The packs of an executor.

    Parameters
    ----------
    folders
        Where the folders of tasks come from.
    new_future
        Returns the future of a job.
    start
        Starts a job that carries out a task.
    follow
        Follows the job that an earlier driver has started for a task; returns whether there is
        one.
    poll_s
        Seconds between two looks for results, above 0.
    """

    def __init__(
        self,
        folders: TaskFolders,
        new_future: Callable[[], JobFuture],
        start: Callable[[Task, ResourceRequest, JobFuture], None],
        follow: Callable[[Task, ResourceRequest, JobFuture], bool],
        poll_s: float,
    ) -> None:
        self._folders = folders
        self._new_future = new_future
        self._start = start
        self._follow = follow
        self._poll_s = poll_s
        self._quiet_s = max(_QUIET_S, poll_s)
        self._packs: list[_Pack] = []
        self._known: dict[str, _Pack | None] = {}
        self._waiting: list[Search] = []
        self._first = self._latest = 0.0
        self._most = 1
        self._closed = False
        self._lock = threading.RLock()
        self._changed = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, search: Search, *, most: int) -> None:
        """Let a pack carry out a search, unless an earlier driver has begun or finished it.

        Parameters
        ----------
        search
            The search; its future gets the outcome.
        most
            How many searches a pack may hold, at least 2.

        Raises
        ------
        BackendUnavailableError
            If it cannot be found out whether an earlier driver's job still runs.
        """
        pack = self._earlier_pack(search)
        record = search.task.folder.path / TASK_RECORD
        if search.task.answer_from_disk(search.future):
            note_end(record, "COMPLETED")
            return
        if pack is None and record.exists():  # it had a job of its own
            if self._follow(search.task, search.request, search.future):
                return
            if search.task.answer_from_disk(search.future):  # it has ended meanwhile
                note_end(record, "COMPLETED")
                return
            note_end(record, "FAILED")
        with self._lock:
            self._most = most
            if pack in self._packs:
                pack.left[search.name] = search
            else:
                self._collect(search)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="packs", daemon=True)
                self._thread.start()
        self._changed.set()
        if self._closed:
            self.close()

    def close(self) -> None:
        """Begin no more packs; what has not begun is cancelled."""
        with self._lock:
            self._closed = True
            waiting, self._waiting = self._waiting, []
        self._changed.set()
        for search in waiting:
            search.future.cancel()
            self._folders.release(search.task)

    def finish(self) -> None:
        """Take the last outcomes, after all jobs have ended."""
        if self._thread is not None:
            self._thread.join()
        for pack in [each for each in self._packs if each.future.done()]:
            self._look(pack)
        self.close()  # of what a pack has left in the meantime

    def _earlier_pack(self, search: Search) -> _Pack | None:
        """Return the running pack in which an earlier driver has put a search, None without."""
        folder = search.task.folder.pack_folder()
        if folder is None:
            return None
        name = folder.path.name
        if name not in self._known:
            self._known[name] = self._adopt(folder, search.request)
        return self._known[name]

    def _adopt(self, folder: TaskFolder, request: ResourceRequest) -> _Pack | None:
        """Follow the pack of an earlier driver; None if its job has ended."""
        try:
            held = read_frame(folder.request)
        except ResultError:
            return None
        if not isinstance(held, Request) or held.function is not search_pack:
            return None
        future = self._new_future()
        if not self._follow(Task(held, folder), request, future):
            note_end(folder.path / TASK_RECORD, "COMPLETED" if folder.result.exists() else "FAILED")
            return None
        return self._add_pack(_Pack(folder, future, held.arguments[0], {}))

    def _add_pack(self, pack: _Pack) -> _Pack:
        """Look after a pack."""
        with self._lock:
            self._packs.append(pack)
        pack.future.add_done_callback(lambda _: self._changed.set())
        return pack

    def _collect(self, search: Search) -> None:
        """Let a search wait for others."""
        self._latest = time.monotonic()
        self._first = self._first if self._waiting else self._latest
        self._waiting.append(search)

    def _work(self) -> None:
        """Begin packs and take outcomes until there are to be no more."""
        while not self._closed:
            self._changed.wait(self._pause_s())
            self._changed.clear()
            with self._lock:
                collected = self._collected()
                packs = list(self._packs)
            for searches in collected:
                self._begin(searches)
            for pack in packs:
                self._look(pack)

    def _pause_s(self) -> float | None:
        """Return after how many seconds there is something to do; None if nobody knows."""
        with self._lock:
            pauses = [self._poll_s] if self._packs else []
            if self._waiting:
                pauses.append(max(0.0, self._begins_at() - time.monotonic()))
        return min(pauses, default=None)

    def _begins_at(self) -> float:
        """Return when what waits is to begin, on the clock of `time.monotonic`."""
        return min(self._latest + self._quiet_s, self._first + _LONGEST_WAIT * self._quiet_s)

    def _collected(self) -> list[list[Search]]:
        """Return the searches of each pack that is to begin, equally many in each."""
        if self._closed or time.monotonic() < self._begins_at():
            return []
        alike: dict[ResourceRequest, list[Search]] = defaultdict(list)
        for search in self._waiting:
            alike[search.request].append(search)
        self._waiting = []
        packs = []
        for searches in alike.values():
            n_packs = -(-len(searches) // self._most)
            bounds = [number * len(searches) // n_packs for number in range(n_packs + 1)]
            packs += [searches[first:end] for first, end in pairwise(bounds)]
        return packs

    def _begin(self, searches: Sequence[Search]) -> None:
        """Start the job of a pack."""
        searches = [each for each in searches if self._is_ready(each)]
        if len(searches) < 2:  # noqa: PLR2004
            for search in searches:
                self._begin_alone(search)
            return
        names = tuple(each.name for each in searches)
        request, n_ranks = searches[0].request, min(searches[0].n_ranks, len(searches))
        if request.num_nodes == 1:
            request = replace(request, num_ranks=n_ranks, ranks_per_node=n_ranks)
        try:
            task = self._folders.open(search_pack, (names, secrets.token_hex(4)), {})
            for search in searches:
                search.task.folder.pack.write_text(task.folder.path.name, encoding="utf-8")
            future = self._new_future()
            pack = _Pack(task.folder, future, names, {each.name: each for each in searches})
            self._known[task.folder.path.name] = None  # a search that is tried again is not in it
            self._start(task, request, future)
        except BaseException as error:  # noqa: BLE001 - it is that of all its searches
            for search in searches:
                self._fail(search, error)
            return
        self._add_pack(pack)

    def _is_ready(self, search: Search) -> bool:
        """Make the folder of a search ready; return whether that was possible, and is wanted."""
        if self._is_cancelled(search):
            return False
        try:
            search.task.prepare()
        except StorageError as error:
            self._fail(search, error)
            return False
        return True

    def _begin_alone(self, search: Search) -> None:
        """Start a job for one search."""
        try:
            self._start(search.task, search.request, search.future)
        except BaseException as error:  # noqa: BLE001 - it is the outcome
            self._fail(search, error)

    def _look(self, pack: _Pack) -> None:
        """Take the outcomes that are there; an unexpected error fails all searches left."""
        try:
            if pack.future.done():
                self._settle(pack)
            else:
                self._take_early(pack)
        except Exception as error:
            logger.exception("looking after %s", pack.folder.path)
            with self._lock:
                self._packs = [each for each in self._packs if each is not pack]
            for search in [each for each in pack.left.values() if not each.future.done()]:
                self._fail(search, error)

    def _take_early(self, pack: _Pack) -> None:
        """Take the outcomes of a pack that goes on.

        The last one is taken when the job has ended: nothing else waits for its end.
        """
        for search in pack.newly_done():
            if len(pack.left) > 1:
                del pack.left[search.name]
                self._take(search, pack)
        if pack.left and all(each.future.cancelled() for each in list(pack.left.values())):
            pack.future.cancel()

    def _settle(self, pack: _Pack) -> None:
        """Take what a pack has left whose job has ended, and see what becomes of the rest."""
        with self._lock:
            self._packs.remove(pack)
        rest = []
        for search in pack.left.values():
            if search.has_outcome:
                self._take(search, pack)
            elif not self._is_cancelled(search):
                rest.append(search)
        if rest:
            self._go_on_without(pack, rest)

    def _go_on_without(self, pack: _Pack, rest: Sequence[Search]) -> None:
        """Begin anew what a pack has left undone, unless it was cancelled or never began."""
        error = None if pack.future.cancelled() else pack.future.exception()
        begun = [each for each in rest if each.task.folder.has_begun()]
        has_begun = bool(begun) or len(rest) < len(pack.names)
        is_over = error is None or isinstance(error, JobCancelledError) or not has_begun
        if is_over or self._closed:
            for search in rest:
                self._fail(search, error or explain_failure(search.task.folder, _job_of(pack), 0))
            return
        for search in begun:
            self._begin_alone(search)
        with self._lock:
            for search in rest:
                if search not in begun:
                    self._collect(search)

    def _take(self, search: Search, pack: _Pack) -> None:
        """Take the outcome of a search that has one."""
        try:
            result = await_result(search.task.folder, _job_of(pack))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the outcome
            self._fail(search, error)
            return
        if search.future.set_running_or_notify_cancel():
            search.future.set_result(result)

    def _fail(self, search: Search, error: BaseException) -> None:
        """Let a search fail; the next try may be made at once, in the same folder."""
        self._folders.release(search.task)
        if search.future.set_running_or_notify_cancel():
            search.future.set_exception(error)

    def _is_cancelled(self, search: Search) -> bool:
        """Return whether nobody wants the outcome of a search; then its folder is free."""
        if search.future.cancelled():
            self._folders.release(search.task)
        return bool(search.future.cancelled())


def _job_of(pack: _Pack) -> str:
    """Return the backend's id of the job of a pack, for an error."""
    return pack.future.job.job_id if pack.future.job is not None else pack.folder.path.name
