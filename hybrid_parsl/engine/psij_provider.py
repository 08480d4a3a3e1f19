"""A Parsl provider whose blocks are PSI/J jobs, so that pilots run wherever PSI/J submits."""

from __future__ import annotations

import shlex
import sys
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parsl.jobs.states import JobState, JobStatus
from parsl.launchers import SimpleLauncher
from parsl.providers.base import ExecutionProvider
from parsl.providers.errors import SubmitException
from parsl.utils import RepresentationMixin

from hybrid_parsl.engine.jobs.backend import JobBackend
from hybrid_parsl.engine.jobs.batch_scheduler import render_script, unique_job_name
from hybrid_parsl.engine.jobs.future import job_failure
from hybrid_parsl.engine.jobs.psij_loading import LOCAL, check_backend, load_psij
from hybrid_parsl.engine.jobs.record import BLOCK_RECORD
from hybrid_parsl.engine.jobs.scheduler_client import warn_of_ignored_variables
from hybrid_parsl.engine.jobs.scheduler_directives import BatchOptions
from hybrid_parsl.engine.jobs.script_folder import check_path
from hybrid_parsl.engine.site_executor import JobSource
from hybrid_parsl.engine.tasks.node_needs import NodeNeeds
from hybrid_parsl.errors import (
    HybridParslError,
    JobCancelledError,
    JobFailedError,
    SubmissionError,
    WalltimeExceededError,
)
from hybrid_parsl.tasks.failures import log_tail

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psij import JobSpec

    from hybrid_parsl.engine.jobs.registry import JobEnd, SubmittedJob
    from hybrid_parsl.engine.tasks.resource_request import ResourceRequest

_ENDS = {"COMPLETED": JobState.COMPLETED, "FAILED": JobState.FAILED, "CANCELED": JobState.CANCELLED}


@dataclass(frozen=True)
class BlockScripts:
    """What a block is started with.

    Attributes
    ----------
    batch
        What the scheduler gets; empty on this computer, which has none.
    block
        What that runs on the first node.
    """

    batch: str
    block: str


class PsiJProvider(ExecutionProvider, RepresentationMixin):  # type: ignore[misc]
    """Gets blocks of nodes from any backend that PSI/J knows by name.

    Parameters
    ----------
    backend
        PSI/J's name of the backend: ``slurm``, ``pbs``, ``lsf``, ``flux``, ``local``, ...
    batch
        Options of a block besides its size.
    walltime_s
        Longest run time of a block in seconds.
    nodes_per_block
        Nodes of a block, at least 1; a block has its nodes to itself.
    init_blocks, min_blocks, max_blocks
        Number of blocks at first, at least, and at most.
    parallelism
        Blocks over tasks that Parsl's strategy aims at, 0 to 1.
    environment
        Variables that are set in a block.
    python
        The interpreter on the nodes, whose folder comes first on PATH; this one's if None.
    launcher
        What starts Parsl's workers on the nodes of a block; on the first node only if None.
    """

    def __init__(
        self,
        backend: str,
        batch: BatchOptions | None = None,
        walltime_s: int = 3600,
        nodes_per_block: int = 1,
        init_blocks: int = 0,
        min_blocks: int = 0,
        max_blocks: int = 1,
        parallelism: float = 1.0,
        environment: Mapping[str, str] | None = None,
        python: str | None = None,
        launcher: Any = None,
    ) -> None:
        self.backend = backend
        self.batch = batch or BatchOptions()
        self.walltime_s = walltime_s
        self.nodes_per_block = nodes_per_block
        self.init_blocks = init_blocks
        self.min_blocks = min_blocks
        self.max_blocks = max_blocks
        self.parallelism = parallelism
        self.environment = dict(environment or {})
        self.python = python
        self.launcher = launcher or SimpleLauncher()
        self.cores_per_node: int | None = None
        self.mem_per_node: float | None = None
        self.script_dir: str | None = None
        self.resources: dict[object, Any] = {}
        self._backend: JobBackend | None = None
        self._ends: dict[str, JobEnd] = {}
        self._refusal: SubmissionError | None = None
        self._lock = threading.Lock()
        self._needs = NodeNeeds()

    @property
    def label(self) -> str:
        """Parsl's name of the provider."""
        return f"psij-{self.backend}"

    @property
    def status_polling_interval(self) -> int:
        """Seconds between two looks of Parsl at its blocks, at least 1."""
        return max(1, round(self.batch.polling_interval_s))

    def check(self, tasks: Path) -> None:
        """Find out, without starting anything, whether there could be blocks.

        Parameters
        ----------
        tasks
            The folder of tasks; scripts lie beside it.

        Raises
        ------
        ConfigurationError
            If PSI/J has no such backend, or options or folder cannot be used.
        """
        check_backend(self.backend)
        self.batch.check(self.backend)
        warn_of_ignored_variables(self.backend, self.batch)
        check_path(tasks.absolute(), "--runs-dir")

    def need(self, request: ResourceRequest) -> None:
        """Let further blocks have what the ranks of a task need on each node."""
        self._needs = self._needs.including(request)

    def submit(self, command: str, tasks_per_node: int, job_name: str = "parsl") -> str:
        """Submit a block that runs `command`, and return its id.

        Raises
        ------
        SubmitException
            If the backend did not take it.
        """
        base = self._folder() / f"{job_name}.{uuid.uuid4().hex[:8]}"
        script = base.with_name(f"{base.name}.sh")
        script.write_text(self._script(command, tasks_per_node), encoding="utf-8")
        try:
            record = base.with_name(f"{base.name}{BLOCK_RECORD}")
            spec = self._job_spec(base, script)
            submitted = self._job_backend().submit(spec, self._note_end, record)
        except SubmissionError as error:
            self._refusal = error
            raise SubmitException(job_name, str(error)) from error
        self.resources[submitted.job_id] = {"job_id": submitted.job_id, "job": submitted}
        self.resources[submitted.job_id] |= {"stdout": f"{base}.out", "stderr": f"{base}.err"}
        return submitted.job_id

    def status(self, job_ids: Sequence[object]) -> list[JobStatus]:
        """Return the state of each block; one that ended at its walltime has not failed."""
        return [self._status(str(job_id)) for job_id in job_ids]

    def cancel(self, job_ids: Sequence[object]) -> list[bool]:
        """Ask the backend to end blocks, without waiting; return for each if it is known."""
        known = [self.resources.get(job_id) for job_id in job_ids]
        for entry in known:
            if entry is not None and self._backend is not None:
                self._backend.cancel(entry["job"])
        return [entry is not None for entry in known]

    def job_source(self) -> JobSource | None:
        """Return where blocks are submitted to, None if they are processes of this computer."""
        if self.backend == LOCAL:
            return None
        return JobSource(self.backend, self.batch, self.python or sys.executable)

    def latest_block(self) -> str | None:
        """Return the id of the block that was submitted last, None if there was none."""
        return str(next(reversed(self.resources))) if self.resources else None

    def close(self) -> None:
        """End all blocks, and wait until the backend has taken note."""
        if self._backend is not None:
            self._backend.close()
            self._backend = None

    def scripts(self, command: str, base: Path) -> BlockScripts:
        """Return what a block that runs `command` would be started with.

        Parameters
        ----------
        command
            What the block runs.
        base
            Where its files would be, without their endings.
        """
        script = base.with_name(f"{base.name}.sh")
        block = self._script(command, 1)
        if self.backend == LOCAL:
            return BlockScripts("", block)
        spec = self._job_spec(base, script)
        return BlockScripts(render_script(self.backend, spec, base.parent / ".psij"), block)

    def cause(self, job_id: str | None = None) -> HybridParslError:
        """Return why a block ended, or why none could be started.

        Parameters
        ----------
        job_id
            The block; if None, the last one that has ended counts, or that none was taken.
        """
        with self._lock:
            ends = self._ends.values() if job_id is None else [self._ends.get(job_id)]
            end = next(reversed(list(ends)), None)
        if end is None:
            reason = "no block of nodes has started"
            return self._refusal or JobFailedError(job_id or "unknown", reason)
        path = self.resources[end.job_id]["stderr"]
        details = path, log_tail(Path(path))
        if end.timed_out:
            return WalltimeExceededError(end.job_id, "the walltime of its block is over", *details)
        if end.state == "CANCELED":
            reason = f"its block was cancelled: {end.message}".removesuffix(": ")
            return JobCancelledError(end.job_id, reason, *details)
        reason = end.message or f"its block ended with exit code {end.exit_code}"
        return job_failure(end.job_id, reason, *details)

    def _status(self, job_id: str) -> JobStatus:
        """Return the state of a block."""
        entry = self.resources[job_id]
        paths = {"stdout_path": entry["stdout"], "stderr_path": entry["stderr"]}
        with self._lock:
            end = self._ends.get(job_id)
        if end is None:
            return JobStatus(_state_before_end(entry["job"]), **paths)
        state = JobState.TIMEOUT if end.timed_out else _ENDS[end.state]
        return JobStatus(state, message=end.message or None, exit_code=end.exit_code, **paths)

    def _note_end(self, end: JobEnd) -> None:
        """Keep how a block ended."""
        with self._lock:
            self._ends[end.job_id] = end

    def _job_backend(self) -> JobBackend:
        """Return the backend, loaded when the first block is submitted."""
        with self._lock:
            if self._backend is None:
                warn_of_ignored_variables(self.backend, self.batch)
                folder = self._folder() / ".psij"
                self._backend = JobBackend(self.backend, folder, self.batch.polling_interval_s)
            return self._backend

    def _folder(self) -> Path:
        """Return the folder of the scripts, which Parsl has set."""
        folder = Path(self.script_dir or ".").absolute()
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _script(self, command: str, tasks_per_node: int) -> str:
        """Return the script of a block that runs `command`."""
        launch = self.launcher(command, tasks_per_node, self.nodes_per_block)
        return "\n".join([*filter(None, self._preparations()), launch, ""])

    def _preparations(self) -> list[str]:
        """Return the lines of a block's script that come before its command."""
        home = Path(self.python or sys.executable).parent
        variables = [f"export {key}={shlex.quote(str(v))}" for key, v in self.environment.items()]
        path = f'export PATH={shlex.quote(str(home))}:"$PATH"'
        return ["#!/bin/bash", path, self.batch.worker_init, *variables]

    def _job_spec(self, base: Path, script: Path) -> JobSpec:
        """Return PSI/J's description of a block."""
        psij = load_psij()
        name = unique_job_name(self.backend, "block")
        return psij.JobSpec(
            name=name,
            executable="/bin/bash",
            arguments=[str(script)],
            directory=base.parent,
            stdout_path=f"{base}.out",
            stderr_path=f"{base}.err",
            launcher="single",
            resources=self._needs.to_psij(self.nodes_per_block),
            attributes=self.batch.to_psij(self.backend, name, self.walltime_s, once=True),
        )


def _state_before_end(submitted: SubmittedJob) -> JobState:
    """Return the state of a block that has not ended, even where PSI/J believes it has."""
    waits = submitted.job.status.state.name in ("NEW", "QUEUED")
    return JobState.PENDING if waits else JobState.RUNNING
