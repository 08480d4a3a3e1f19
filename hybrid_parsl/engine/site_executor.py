"""The contract between this package and the executors of a site."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hybrid_parsl.engine.jobs.validate import validate_script

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from hybrid_parsl.engine.jobs.scheduler_directives import BatchOptions


@dataclass(frozen=True)
class Preview:
    """What a dry run shows of a task.

    Attributes
    ----------
    headline
        How the task would be started, in a few lines; empty if there is nothing to show.
    documents
        The scripts or manifests that would be submitted, by file name.
    """

    headline: str = ""
    documents: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class JobSource:
    """The batch scheduler an executor submits jobs to.

    Attributes
    ----------
    backend
        PSI/J's name of the scheduler.
    batch
        Options of every job.
    python
        The interpreter on the nodes.
    """

    backend: str
    batch: BatchOptions
    python: str


@dataclass(frozen=True)
class Connection:
    """How workers of an executor reach the driver.

    Attributes
    ----------
    addresses
        Addresses of this computer that workers try, sorted.
    port
        The port they connect to.
    is_made
        Whether a worker has connected.
    """

    addresses: tuple[str, ...]
    port: int
    is_made: bool

    def __str__(self) -> str:
        return f"{', '.join(self.addresses)}, port {self.port}"


class SiteExecutor(ABC):
    """What an executor offers a site besides Parsl's interface; all but `submit` has a default.

    Inherit from it after Parsl's class: ``class Mine(ParslExecutor, SiteExecutor)``. Executors
    that know only Parsl are adapted by `hybrid_parsl.engine.plain_executor.as_site_executor`.

    Attributes
    ----------
    label
        The label of the apps that run here.
    backend
        PSI/J's name of the scheduler or cluster; empty if there is none.
    python
        The interpreter of the tasks, None if it is the driver's or not known.
    overrides
        Keys of the resource specification that the site sets, whatever a task asks for.
    runs_mpi
        Whether a task is called on as many MPI ranks as its resource specification asks for.
    keeps_processes
        Whether processes outlive a task, so that warming them up makes the next task faster.
    checks_identity
        Whether each task compares its package with the driver's. If not, the session does so
        once, by a call of its own.
    shares_files
        Whether tasks see the driver's files under the same path.
    grows_requests
        Whether tasks that are tried again can ask for more walltime or memory.
    packs_searches
        Whether one job can carry out many searches, as many as `pack_size` says.
    pack_size
        Set by the session's owner before tasks are submitted, at least 1.
    keeps_folders
        Set by the session's owner before tasks are submitted: whether each task has a folder for
        good. If not, executors that can do so keep the results of tasks that leave nothing else in
        one file.
    leaves_jobs
        Set by the session before `shutdown`: whether jobs of a scheduler or cluster go on for a
        later driver to adopt.
    version_advice
        How to get the same versions of all packages on both sides.
    """

    label: str
    backend: str = ""
    python: str | None = None
    overrides: Mapping[str, float | None] = {}
    runs_mpi: bool = False
    keeps_processes: bool = False
    checks_identity: bool = False
    shares_files: bool = True
    grows_requests: bool = False
    packs_searches: bool = False
    pack_size: int = 1
    keeps_folders: bool = True
    leaves_jobs: bool = False
    version_advice: str = "install the same versions on both sides, or set python to where they are"

    @abstractmethod
    def submit(
        self,
        func: Callable[..., Any],
        resource_specification: dict[str, Any],
        *args: Any,
        **kwargs: Any,
    ) -> Future[Any]:
        """Submit a task, as Parsl asks for."""

    @property
    def kind(self) -> str:
        """The name of the executor's class, for people."""
        return type(self).__name__

    @property
    def runs_here(self) -> bool:
        """Whether tasks run on the driver's host, and share its memory."""
        return False

    @property
    def software(self) -> str | None:
        """What identifies the software that tasks use, for the reuse of results by later runs.

        Empty if it is that of the driver; None if it is not known, such as another interpreter,
        whose packages may change: then no result is reused.
        """
        return "" if self.python in (None, sys.executable) else None

    @property
    def num_nodes(self) -> int:
        """The number of nodes that an MPI task gets if it does not ask for any, at least 1."""
        return int(self.overrides.get("num_nodes") or 1)

    def check(self, resource_specification: dict[str, Any]) -> None:
        """Check, without starting anything, that a task could be submitted.

        Parameters
        ----------
        resource_specification
            What the task asks for, as in Parsl.

        Raises
        ------
        ConfigurationError
            If the executor or the resources cannot be used.
        """
        del resource_specification

    def preview(self, name: str, resource_specification: dict[str, Any]) -> Preview:
        """Return what a task would be started with; nothing is started or written.

        Parameters
        ----------
        name
            The name of the task.
        resource_specification
            What it asks for, as in Parsl.

        Raises
        ------
        ConfigurationError
            If the resources cannot be used.
        """
        del name, resource_specification
        return Preview()

    def validate(self, name: str, resource_specification: dict[str, Any]) -> str:
        """Ask the scheduler or cluster whether it would accept a task; return its answer.

        Parameters
        ----------
        name, resource_specification
            As for `preview`.

        Raises
        ------
        JobRejectedError
            If it would not.
        BackendUnavailableError
            If it does not answer.
        """
        return validate_script(self.backend, self.batch_script(name, resource_specification))

    def batch_script(self, name: str, resource_specification: dict[str, Any]) -> str:
        """Return what a batch scheduler would get for a task, or nothing without one.

        Parameters
        ----------
        name, resource_specification
            As for `preview`.

        Raises
        ------
        ConfigurationError
            If the resources cannot be used.
        """
        del name, resource_specification
        return ""

    def call(self, function: Callable[[], Any]) -> Future[Any]:
        """Call `function` where tasks run, outside the workflow: for warm-up and handshakes."""
        return self.submit(function, {})

    def cancel(self, future: Future[Any]) -> bool:
        """Cancel the task behind a future of `submit`; return whether that was possible."""
        return future.cancel()

    def close(self) -> None:  # noqa: B027 - a default
        """Release what `shutdown` leaves open, such as blocks and the threads that poll them."""

    def job_source(self) -> JobSource | None:
        """Return where jobs are submitted to, None if not to a batch scheduler."""
        return None

    def job_id_of(self, future: Future[Any]) -> str | None:
        """Return the backend's id of the job that runs a task, None if it is not known.

        Parameters
        ----------
        future
            What `submit` returned.
        """
        del future
        return None

    def connection(self) -> Connection | None:
        """Return how workers reach the driver, None if they do not connect to it."""
        return None

    def diagnose(
        self, resource_specification: dict[str, Any], name: str = "task"
    ) -> list[tuple[str, bool | None, str]]:
        """Return name, outcome (None if not known) and details of checks on the backend.

        Called by ``hybrid-parsl doctor`` before anything is submitted.

        Parameters
        ----------
        resource_specification, name
            The task to check for.

        Raises
        ------
        ConfigurationError
            If the backend cannot be reached as the site is configured.
        """
        del resource_specification, name
        return []

    def discard_failed_jobs(self) -> None:  # noqa: B027 - a default
        """Keep no failed jobs from now on: those of ``hybrid-parsl doctor`` are of no use later."""
