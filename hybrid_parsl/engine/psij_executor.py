"""A Parsl executor that runs each task as one PSI/J job, on as many MPI ranks as it asks for."""

from __future__ import annotations

import os
import shlex
import sys
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parsl.executors.base import ParslExecutor
from parsl.utils import RepresentationMixin

from hybrid_parsl import identity
from hybrid_parsl.engine.batch_scheduler import LOCAL, BatchOptions, render_script
from hybrid_parsl.engine.calls import plain_function
from hybrid_parsl.engine.job_backend import JobBackend
from hybrid_parsl.engine.psij_loading import load_psij
from hybrid_parsl.engine.resource_request import ResourceRequest
from hybrid_parsl.engine.task_folders import TaskFolders
from hybrid_parsl.errors import (
    ConfigurationError,
    HybridParslError,
    JobCanceledError,
    JobFailedError,
    WalltimeExceededError,
)
from hybrid_parsl.mpi.frames import write_frame
from hybrid_parsl.mpi.outcome import explain_failure, log_tail, read_result
from hybrid_parsl.mpi.task import Request, TaskFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from psij import JobSpec

    from hybrid_parsl.engine.jobs import JobEnd, SubmittedJob

_LAUNCHER_VARIABLES = {
    # a killed rank ends the job, as mpirun has it; sites may leave it waiting otherwise
    "srun": {"SLURM_KILL_BAD_EXIT": "1"},
}
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class PsiJExecutor(ParslExecutor, RepresentationMixin):  # type: ignore[misc]
    """Runs each task as one job of a PSI/J backend, started by an MPI launcher.

    Every rank calls the task's function; what rank 0 returns is the result of the task. The
    resource specification of a task is in Parsl's words: ``num_nodes``, ``ranks_per_node``,
    ``num_ranks``, and ``walltime_s`` in seconds. Futures resolve from PSI/J's callbacks: a job
    costs no thread.

    Parameters
    ----------
    label
        The label that apps ask for.
    work_directory
        Holds one folder a task, named after its function, with the job's standard output and
        standard error. Driver and ranks have to see it under the same path.
    backend
        PSI/J's name of the backend.
    launcher
        PSI/J's name of the launcher: ``mpirun``, ``srun``, ``single``, ...
    python
        The interpreter of the ranks; this process's own if None.
    environment
        Variables that the ranks get besides those of the driver.
    batch
        What the jobs tell a batch scheduler; nothing but nodes, ranks and time if None.
    overrides
        Keys of the resource specification that the site decides, whatever a task asks for.
    """

    keeps_processes = False
    """Each task starts new processes, so nothing can be kept warm for it."""

    checks_identity = True
    """Each task compares the package of its ranks with the driver's."""

    def __init__(
        self,
        label: str,
        work_directory: str | os.PathLike[str],
        backend: str = "local",
        launcher: str = "mpirun",
        python: str | None = None,
        environment: Mapping[str, str] | None = None,
        batch: BatchOptions | None = None,
        overrides: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.label = label
        self.work_directory = str(work_directory)
        self.backend = backend
        self.launcher = launcher
        self.python = python
        self.environment = dict(environment or {})
        self.batch = batch or BatchOptions()
        self.overrides = dict(overrides or {})
        self._backend: JobBackend | None = None
        self._folders = TaskFolders(Path(work_directory))

    def start(self) -> None:
        """Load PSI/J and its backend.

        Raises
        ------
        ConfigurationError
            PSI/J has no such backend, or its scripts cannot work in the folder.
        """
        if " " in str(Path(self.work_directory).absolute()):
            message = "the scripts of PSI/J cannot work in a folder with a space in its path"
            raise ConfigurationError(message, "--runs-dir", None, self.work_directory)
        folder = Path(self.work_directory).absolute() / ".psij"
        self._backend = JobBackend(self.backend, folder, self.batch.polling_interval_s)

    def submit(
        self,
        func: Callable[..., Any],
        resource_specification: dict[str, Any],
        *args: Any,
        **kwargs: Any,
    ) -> Future[Any]:
        """Submit `func` as a job of its own; the future can be canceled while it runs.

        Raises
        ------
        ConfigurationError
            The resource specification has an unknown key or a value out of range.
        SubmissionError
            The backend did not take the job.
        ResultError
            The function or an argument cannot be pickled.
        StorageError
            The folder of the task cannot be written.
        """
        if self._backend is None:
            message = f"executor {self.label} was not started"
            raise RuntimeError(message)
        request = self._request(resource_specification)
        kwargs.pop("parsl_resource_specification", None)
        function = plain_function(func)
        folder = self._new_folder(getattr(function, "__name__", "task"))
        write_frame(folder.request, Request(identity.current(), function, args, kwargs))
        future = JobFuture(self._backend)
        spec = self._job_spec(folder, request)
        future.job = self._backend.submit(spec, lambda end: _resolve(future, folder, end))
        return future

    def preview(self, name: str, resource_specification: dict[str, Any]) -> str:
        """Return what a task that calls the function `name` would be started with.

        For a batch scheduler that includes the whole script that would be submitted.

        Raises
        ------
        ConfigurationError
            The resource specification has an unknown key or a value out of range.
        """
        request = self._request(resource_specification)
        folder = TaskFolder(Path(self.work_directory) / name)
        spec = self._job_spec(folder, request)
        command = shlex.join([spec.executable, *spec.arguments])
        head = f"PSI/J job on backend {self.backend}, launcher {self.launcher}: "
        text = f"{head}{request.num_ranks} ranks of\n{command}"
        if self.backend == LOCAL:
            return text
        script = render_script(self.backend, spec, Path(self.work_directory).absolute() / ".psij")
        return f"{text}\nbatch script:\n{script}"

    def shutdown(self) -> None:
        """Cancel the jobs that still run and wait until they are gone."""
        if self._backend is not None:
            self._backend.close()
            self._backend = None
        super().shutdown()

    def monitor_resources(self) -> bool:
        """Return False: Parsl's monitor follows processes of its own workers only."""
        return False

    def _new_folder(self, name: str) -> TaskFolder:
        """Make the folder of the next task that calls the function `name`."""
        folder = self._folders.new(name)
        if self.batch.worker_init:
            folder.worker_init.write_text(f"{self.batch.worker_init}\n", encoding="utf-8")
        return folder

    def _request(self, specification: dict[str, Any]) -> ResourceRequest:
        """Return what a task asks for, as far as the site lets it decide."""
        request = ResourceRequest.from_parsl(specification, self.overrides)
        if self.backend != LOCAL:
            request.check_even()
        return request

    def _job_spec(self, folder: TaskFolder, request: ResourceRequest) -> JobSpec:
        """Return PSI/J's description of the job."""
        psij = load_psij()
        name = f"hybrid-parsl-{folder.path.name}"
        return psij.JobSpec(
            name=name,
            executable=self.python or sys.executable,
            arguments=["-m", "hybrid_parsl.mpi", str(folder.path)],
            directory=folder.path,
            environment=self._environment(),
            stdout_path=folder.stdout,
            stderr_path=folder.stderr,
            launcher=self.launcher,
            resources=request.to_psij(),
            attributes=self.batch.to_psij(self.backend, name, request.walltime_s),
            pre_launch=folder.worker_init if self.batch.worker_init else None,
        )

    def _environment(self) -> dict[str, str]:
        """Return the variables that are set for the ranks, which work in another folder.

        The launcher is looked up in PATH, where another MPI's may come first: the folder of
        the interpreter, which holds the one that fits, goes before it.
        """
        home = str(Path(self.python or sys.executable).parent)
        path = os.pathsep.join([home, os.environ.get("PATH", os.defpath)])
        variables = {name: os.environ.get(name, "1") for name in _ONE_THREAD}
        if modules := os.environ.get("PYTHONPATH"):
            folders = [str(Path(folder).absolute()) for folder in modules.split(os.pathsep)]
            variables["PYTHONPATH"] = os.pathsep.join(folders)
        variables |= _LAUNCHER_VARIABLES.get(self.launcher, {})
        return {**variables, "PATH": path, "PYTHONUNBUFFERED": "1", **self.environment}


class JobFuture(Future[Any]):
    """The future of a task that runs as a job; canceling it cancels the job."""

    def __init__(self, backend: JobBackend) -> None:
        super().__init__()
        self._backend = backend
        self.job: SubmittedJob | None = None

    def cancel(self) -> bool:
        """Cancel the job; return whether the future was still pending."""
        canceled = super().cancel()
        if canceled and self.job is not None:
            self._backend.cancel(self.job)
        return canceled


def _resolve(future: Future[Any], folder: TaskFolder, end: JobEnd) -> None:
    """Give `future` the outcome of its job."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        if end.state == "COMPLETED" and not end.exit_code and folder.result.exists():
            future.set_result(read_result(folder))
        else:
            future.set_exception(_cause(folder, end))
    except Exception as error:  # noqa: BLE001 - a future that never resolves is worse
        future.set_exception(error)


def _cause(folder: TaskFolder, end: JobEnd) -> HybridParslError:
    """Return why a job did not complete."""
    details = (str(folder.stderr), log_tail(folder.stderr))
    if end.timed_out:
        return WalltimeExceededError(end.job_id, "its walltime is over", *details)
    if end.state == "CANCELED":
        return JobCanceledError(end.job_id, end.message or "was canceled", *details)
    if end.state == "COMPLETED" and end.exit_code is None:
        reason = "has left the queue without a result and without an exit code"
        return JobFailedError(end.job_id, reason, *details)
    if end.message and not folder.failures() and (end.exit_code is None or not folder.has_begun()):
        return JobFailedError(end.job_id, end.message, *details)
    return explain_failure(folder, end.job_id, end.exit_code)
