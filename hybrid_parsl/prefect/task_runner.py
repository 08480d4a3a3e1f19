"""Prefect task runners that call the function of each task on one of our sites.

Prefect's engine (states, retries, caching, results) runs in a thread of the flow's process, as
with Prefect's own ``ThreadPoolTaskRunner``; only the function itself is called on the site. The
other side therefore needs neither Prefect nor a way to its server, and an MPI task has one task
run, however many ranks it has.
"""

from __future__ import annotations

import copy
import functools
import threading
from concurrent.futures import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from prefect.states import Cancelled
from prefect.task_runners import ThreadPoolTaskRunner

from hybrid_parsl import labels
from hybrid_parsl.engine.session import Session, cancel, first_cause
from hybrid_parsl.engine.sites import SiteRun, load_site
from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.prefect.placement import Placement, portable
from hybrid_parsl.project import find_project
from hybrid_parsl.records.run_directory import RunDirectory
from hybrid_parsl.stage_function import StageFunction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future
    from types import TracebackType

    from prefect import Task

_ENDED = "the flow has ended"
_INTERVAL_S = 0.2  # how soon a waiting thread notices a timeout or the end


class SessionTaskRunner(ThreadPoolTaskRunner):  # type: ignore[misc]
    """Calls the functions of tasks in a session that is open already.

    Parameters
    ----------
    session
        Where the functions are called.
    label
        The label of tasks whose tags name none.
    max_workers
        The most tasks at a time, at least 1; Prefect's own setting if None.
    """

    def __init__(
        self,
        session: Session | None,
        label: str = labels.ANALYSIS,
        max_workers: int | None = None,
    ) -> None:
        super().__init__(max_workers)
        if label not in labels.ALL:
            message, valid = "no such label", ", ".join(labels.ALL)
            raise ConfigurationError(message, type(self).__name__, "label", label, valid)
        self.label = label
        self._session = session
        self._stopped = threading.Event()

    def duplicate(self) -> Self:
        """Return a runner for the same session that has not been started."""
        return type(self)(self._session, self.label, self._max_workers)

    def submit(
        self,
        task: Task[..., Any],
        parameters: dict[str, Any],
        wait_for: Iterable[Any] | None = None,
        dependencies: dict[str, set[Any]] | None = None,
    ) -> Any:
        """Start a task whose function is called on the site; return its Prefect future.

        Raises
        ------
        ConfigurationError
            If the tags of the task name no place where it can run.
        """
        there = copy.copy(task)
        there.fn = self._on_site(task.fn, Placement.of(task, self.label))
        return super().submit(there, parameters, wait_for, dependencies)

    def begin(
        self, task: Task[..., Any], parameters: dict[str, Any], function: StageFunction
    ) -> Any:
        """Start a task as `submit` does, but call `function` on the site."""
        there = copy.copy(task)
        there.fn = self._on_site(function, Placement.of(task, self.label))
        return super().submit(there, parameters)

    def stop(self) -> None:
        """Cancel the jobs of all tasks and let no more begin."""
        self._stopped.set()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None and not issubclass(kind, Exception):
            self.stop()  # cancelled or interrupted; after a failure, Prefect waits for the rest
        super().__exit__(kind, error, trace)

    def _on_site(self, function: Callable[..., Any], place: Placement) -> Callable[..., Any]:
        """Return a function that calls `function` on the site and waits for what it gives."""
        sent = function if isinstance(function, StageFunction) else portable(function)

        @functools.wraps(function)  # Prefect reads the signature and hashes the source
        def call(*args: Any, **keywords: Any) -> Any:
            if self._stopped.is_set() or self._session is None:
                return Cancelled(message=_ENDED)
            future = self._session.submit(place.label, sent, args, keywords, place.resources)
            return self._outcome(future)

        return call

    def _outcome(self, future: Future[Any]) -> Any:
        """Return what a call on the site gives; a timeout or the end of the flow cancels it.

        When the flow has ended, that is a state of Prefect's: the task run is shown as cancelled
        and is not tried again.
        """
        ended = False
        try:
            while not (ended or wait([future], timeout=_INTERVAL_S).done):
                ended = self._stopped.is_set()
        except BaseException:
            cancel(future)
            raise
        if ended:
            cancel(future)
            return Cancelled(message=_ENDED)
        error = future.exception()
        if error is None:
            return future.result()
        cause = first_cause(error)
        if cause is error:
            raise cause
        raise cause from error

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_session": None, "_stopped": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._stopped = threading.Event()


class SiteTaskRunner(SessionTaskRunner):
    """Calls the functions of a flow's tasks on a site: ``@flow(task_runner=SiteTaskRunner())``.

    A task goes to the executor that one of its tags names (``mpi``, ``quantum``, ``analysis``)
    and asks for the resources that others name (``num_ranks=4``, ``walltime_s=600``). The site's
    logs are in a new folder for each run of the flow. A process has one such flow at a time.

    Parameters
    ----------
    site
        A site of the project or of a plug-in, or the path of a site file.
    settings
        Settings of the site, as ``key=value``.
    label
        The label of tasks whose tags name none.
    project
        The project folder; found as the command line finds it if None.
    runs_dir
        Where the folder for the site's logs is made.
    max_workers
        The most tasks at a time, at least 1; Prefect's own setting if None.
    """

    def __init__(
        self,
        site: str = "local",
        settings: Sequence[str] = (),
        label: str = labels.ANALYSIS,
        project: str | None = None,
        runs_dir: str = "runs",
        max_workers: int | None = None,
    ) -> None:
        super().__init__(None, label, max_workers)
        self.site = site
        self.settings = tuple(settings)
        self.project = project
        self.runs_dir = runs_dir

    def duplicate(self) -> Self:
        """Return a runner with the same settings that has not been started."""
        asked = (self.site, self.settings, self.label, self.project, self.runs_dir)
        return type(self)(*asked, self._max_workers)

    def __enter__(self) -> Self:
        project = find_project(Path(self.project) if self.project else None)
        site = load_site(self.site, project, self.settings)
        record = site.record()
        directory = RunDirectory.create(Path(self.runs_dir), "flow")
        directory.write_json("site.json", {**record, "project": str(project.folder)})
        session = Session(site.config(SiteRun(directory.path)), site.source)
        self._session = session.__enter__()
        self.logger.info("Tasks run on site %s; logs are in %s", site.name, directory.path)
        super().__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
        finally:
            session, self._session = self._session, None
            if session is not None:
                session.__exit__(kind, error, trace)
