"""A Parsl executor that runs each task as one PSI/J job, on as many MPI ranks as it asks for."""

from __future__ import annotations

import os
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from parsl.executors.base import ParslExecutor
from parsl.utils import RepresentationMixin

from hybrid_parsl.engine.jobs.backend import JobBackend
from hybrid_parsl.engine.jobs.batch_scheduler import render_script, unique_job_name
from hybrid_parsl.engine.jobs.future import JobFuture
from hybrid_parsl.engine.jobs.processor_queue import ProcessorQueue
from hybrid_parsl.engine.jobs.psij_loading import LOCAL, check_backend, load_psij
from hybrid_parsl.engine.jobs.record import TASK_RECORD, note_end
from hybrid_parsl.engine.jobs.scheduler_client import warn_of_ignored_variables
from hybrid_parsl.engine.jobs.scheduler_directives import BatchOptions
from hybrid_parsl.engine.jobs.script_folder import ScriptFolder
from hybrid_parsl.engine.search_packs import Search, SearchPacks, is_packable
from hybrid_parsl.engine.site_executor import JobSource, Preview, SiteExecutor
from hybrid_parsl.engine.tasks.folders import TaskFolders
from hybrid_parsl.engine.tasks.resource_request import ResourceRequest
from hybrid_parsl.mpi.library import is_mpich, launcher_command
from hybrid_parsl.tasks.failures import explain_failure
from hybrid_parsl.tasks.folder import ALONE_VARIABLE, TaskFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from psij import JobSpec

    from hybrid_parsl.engine.jobs.registry import JobEnd
    from hybrid_parsl.engine.tasks.folders import Task

_LOCAL_POLL_S = 0.05
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class PsiJExecutor(ParslExecutor, SiteExecutor, RepresentationMixin):  # type: ignore[misc]
    """Runs each task as one job of a PSI/J backend, started by an MPI launcher.

    Every rank calls the task's function; what rank 0 returns is the result of the task. The
    resource specification of a task is in Parsl's words: ``num_nodes``, ``ranks_per_node``,
    ``num_ranks``, and ``walltime_s`` in seconds. Futures resolve from PSI/J's callbacks: a job
    costs no thread. Where an earlier driver worked in the same `work_directory`, a call that it
    has finished is answered from the disk, and one whose job still waits or runs is followed.

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
        Options of the jobs for a batch scheduler; only nodes, ranks and time if None.
    overrides
        Keys of the resource specification that the site decides, whatever a task asks for.
    """

    runs_mpi = True
    checks_identity = True
    packs_searches = True
    grows_requests = True

    def __init__(
        self,
        label: str,
        work_directory: str | os.PathLike[str],
        backend: str = "local",
        launcher: str = "mpirun",
        python: str | None = None,
        environment: Mapping[str, str] | None = None,
        batch: BatchOptions | None = None,
        overrides: Mapping[str, float | None] | None = None,
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
        self._queue: ProcessorQueue | None = None
        self._packs: SearchPacks | None = None
        # a crash of this host ends local jobs, so their requests need not survive it either
        self._folders = TaskFolders(Path(work_directory), is_durable=backend != LOCAL)
        self._scripts = ScriptFolder(backend, Path(work_directory))

    def start(self) -> None:
        """Load PSI/J and its backend.

        Raises
        ------
        ConfigurationError
            If PSI/J has no such backend, or its scripts cannot work in the folder.
        """
        self.batch.check(self.backend)
        warn_of_ignored_variables(self.backend, self.batch)
        folder = self._scripts.open()
        self._backend = JobBackend(self.backend, folder, self.batch.polling_interval_s)
        if self.backend == LOCAL:
            self._queue = ProcessorQueue(len(os.sched_getaffinity(0)))
        poll_s = _LOCAL_POLL_S if self.backend == LOCAL else self.batch.polling_interval_s
        new_future = partial(JobFuture, self._backend)
        self._packs = SearchPacks(self._folders, new_future, self._start, self._follow, poll_s)

    def check(self, resource_specification: dict[str, Any]) -> None:
        """Find out, without starting anything, whether a task could be submitted.

        Raises
        ------
        ConfigurationError
            If PSI/J has no such backend, its scripts cannot work in the folder, or the resource
            specification has an unknown key or a value out of range.
        """
        check_backend(self.backend)
        self.batch.check(self.backend)
        warn_of_ignored_variables(self.backend, self.batch)
        self._scripts.check()
        self._request(resource_specification)

    def submit(
        self,
        func: Callable[..., Any],
        resource_specification: dict[str, Any],
        *args: Any,
        **kwargs: Any,
    ) -> Future[Any]:
        """Submit `func` as a job of its own; the future can be cancelled while it runs.

        Raises
        ------
        ConfigurationError
            If the resource specification has an unknown key or a value out of range.
        SubmissionError
            If the backend did not take the job.
        ResultError
            If the function or an argument cannot be pickled.
        StorageError
            If the folder of the task cannot be written.
        """
        backend = self._running_backend()
        request = self._request(resource_specification)
        task = self._folders.open(func, args, kwargs)
        future = JobFuture(backend)
        if self._packs is not None and self.pack_size > 1 and is_packable(task.request.function):
            n_ranks = self._n_packed_ranks(request)
            self._packs.add(Search(task, request, future, n_ranks), most=self.pack_size)
        elif task.answer_from_disk(future):
            note_end(task.folder.path / TASK_RECORD, "COMPLETED")
        else:
            self._start(task, request, future)
        return future

    @property
    def runs_here(self) -> bool:
        """Whether jobs are processes of this computer."""
        return self.backend == LOCAL

    def preview(self, name: str, resource_specification: dict[str, Any]) -> Preview:
        """Return the command of a task, and the script that a batch scheduler would get.

        The shell commands that each job runs first are a document of their own.

        Raises
        ------
        ConfigurationError
            If the resource specification has an unknown key or a value out of range.
        """
        request = self._request(resource_specification)
        spec = self._job_spec(TaskFolder(Path(self.work_directory) / name), request)
        command = shlex.join([spec.executable, *spec.arguments])
        head = f"PSI/J job on backend {self.backend}, launcher {spec.launcher}: "
        files = {
            f"{name}.sh": self.batch_script(name, resource_specification),
            f"{name}.worker_init.sh": self.batch.worker_init,
        }
        documents = {file: text for file, text in files.items() if text}
        return Preview(f"{head}{request.num_ranks} ranks of\n{command}", documents)

    def job_source(self) -> JobSource | None:
        """Return where jobs are submitted to, None if they are processes of this computer."""
        if self.backend == LOCAL:
            return None
        return JobSource(self.backend, self.batch, self.python or sys.executable)

    def job_id_of(self, future: Future[Any]) -> str | None:
        """Return the backend's id of the job of a task."""
        job = future.job if isinstance(future, JobFuture) else None
        return None if job is None else job.job_id

    def batch_script(self, name: str, resource_specification: dict[str, Any]) -> str:
        """Return the script that a scheduler would get; nothing where there is none.

        Raises
        ------
        ConfigurationError
            If the resource specification has an unknown key or a value out of range.
        """
        if self.backend == LOCAL:
            return ""
        folder = TaskFolder(Path(self.work_directory) / name)
        spec = self._job_spec(folder, self._request(resource_specification))
        return render_script(self.backend, spec, Path(self.work_directory).absolute() / ".psij")

    def shutdown(self) -> None:
        """Cancel the jobs that still run and wait until they are gone."""
        if self._packs is not None:
            self._packs.close()
        if self._queue is not None:
            self._queue.close()
        if self._backend is not None:
            self._backend.close(leave_jobs=self.leaves_jobs)
            self._backend = None
        if self._packs is not None:
            self._packs.finish()
        self._scripts.close()
        super().shutdown()

    def monitor_resources(self) -> bool:
        """Return False: Parsl's monitor follows processes of its own workers only."""
        return False

    def _running_backend(self) -> JobBackend:
        """Return the backend of an executor that was started, and not shut down."""
        if self._backend is None:
            message = f"executor {self.label} was not started"
            raise RuntimeError(message)
        return self._backend

    def _n_packed_ranks(self, request: ResourceRequest) -> int:
        """Return how many ranks a pack of searches gets: on this computer, all cores."""
        if self.backend != LOCAL:
            return request.num_ranks
        n_processors = len(os.sched_getaffinity(0))
        n_cores = min(n_processors, psutil.cpu_count(logical=False) or n_processors)
        return max(request.num_ranks, n_cores // (request.cores_per_rank or 1))

    def _follow(self, task: Task, request: ResourceRequest, future: JobFuture) -> bool:
        """Follow the job that an earlier driver has left for a task; return whether there is one.

        Raises
        ------
        BackendUnavailableError
            If the backend cannot be asked.
        """
        return self._adopt(task, request, future, self._job_spec(task.folder, request))

    def _adopt(
        self, task: Task, request: ResourceRequest, future: JobFuture, spec: JobSpec
    ) -> bool:
        """Do as `_follow`, with the description of the job."""
        record = task.folder.path / TASK_RECORD
        future.job = self._running_backend().adopt(spec, self._on_end(task, future), record)
        if future.job is not None and self._queue is not None:
            self._queue.occupy(request.n_processors, future)
        return future.job is not None

    def _on_end(self, task: Task, future: JobFuture) -> Callable[[JobEnd], None]:
        """Return what takes the outcome of the job of a task."""
        return lambda end: future.resolve(task.folder, end, lambda: self._folders.release(task))

    def _start(self, task: Task, request: ResourceRequest, future: JobFuture) -> None:
        """Follow the job that an earlier driver has left for `task`, or submit one.

        On this computer, it is submitted when there are processors for it.
        """
        backend, folder = self._running_backend(), task.folder
        record, spec = folder.path / TASK_RECORD, self._job_spec(folder, request)
        if self._adopt(task, request, future, spec):
            return
        if task.answer_from_disk(future):
            note_end(record, "COMPLETED")
            return
        if folder.failures() and (missed := note_end(record, "FAILED")) is not None:
            future.set_exception(explain_failure(folder, missed.job_id or missed.name, None))
            return
        task.prepare()
        if self.batch.worker_init:
            folder.worker_init.write_text(f"{self.batch.worker_init}\n", encoding="utf-8")

        def submit() -> None:
            future.job = backend.submit(spec, self._on_end(task, future), record)
            if future.cancelled():  # in the meantime
                backend.cancel(future.job)

        if self._queue is None:
            submit()
        else:
            release = partial(self._folders.release, task)
            self._queue.start(request.n_processors, future, submit, release)

    def _request(self, specification: dict[str, Any]) -> ResourceRequest:
        """Return what a task asks for, as far as the site lets it decide."""
        request = ResourceRequest.from_parsl(specification, self.overrides)
        if self.backend != LOCAL:
            request.check_even()
        if self.backend == "pbs_classic":
            request.check_whole_places()
        return request

    def _job_spec(self, folder: TaskFolder, request: ResourceRequest) -> JobSpec:
        """Return PSI/J's description of the job."""
        psij = load_psij()
        name = unique_job_name(self.backend, folder.path.name)
        python = self.python or sys.executable
        environment, launcher = self._environment(), self.launcher
        command = [python, "-P", "-m", "hybrid_parsl.mpi", str(folder.path)]
        if self.backend == LOCAL and launcher == "mpirun" and is_mpich(environment["PATH"]):
            launcher = "single"
            command = [*launcher_command(python, request.num_ranks), *command]
        stdout, stderr = folder.stdout, folder.stderr
        if self.backend == LOCAL:  # seen from the job's folder: the scripts do not quote them
            stdout, stderr = Path(stdout.name), Path(stderr.name)
        return psij.JobSpec(
            name=name,
            executable=command[0],
            arguments=command[1:],
            directory=folder.path,
            environment=environment | request.launcher_variables(self.launcher),
            stdout_path=stdout,
            stderr_path=stderr,
            launcher=launcher,
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
        if self.launcher == "single":
            variables[ALONE_VARIABLE] = "1"
        return {**variables, "PATH": path, "PYTHONUNBUFFERED": "1", **self.environment}
