"""Names, scripts and messages of jobs as their schedulers have them."""

from __future__ import annotations

import re
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_parsl.engine.jobs.kube_context import KUBERNETES, KubeContext
from hybrid_parsl.engine.jobs.psij_executors import BatchCorrections, Hooks, make_executor
from hybrid_parsl.engine.jobs.psij_loading import LOCAL, load_psij
from hybrid_parsl.engine.jobs.queue_watch import QueueWatch
from hybrid_parsl.engine.jobs.scheduler_directives import DIRECTIVES

if TYPE_CHECKING:
    from psij import JobExecutor, JobExecutorConfig, JobSpec

_LONGEST_PBS_NAME = 15
_POLL_FAILURES = ("Failed to poll", "Error updating job statuses")
_TIME_IS_OVER = re.compile(r"time ?limit|walltime|^TIMEOUT$", re.IGNORECASE)
_UNREACHABLE = re.compile(
    r"unable to contact|connection (refused|reset|failure)|timed? ?out|try again|"
    r"cannot connect|zero bytes|temporarily|communication",
    re.IGNORECASE,
)


def unique_job_name(backend: str, task: str) -> str:
    """Return a name for the job of a task that no other job has; PBS takes 15 characters."""
    token = secrets.token_hex(4)
    if DIRECTIVES.get(backend) == "pbs":
        return f"{task[: _LONGEST_PBS_NAME - len(token) - 1]}-{token}"
    return f"hybrid-parsl-{task}-{token}"


def executor_config(
    backend: str, folder: Path, interval_s: float, patience_s: float = 60.0
) -> JobExecutorConfig:
    """Return PSI/J's configuration of a backend that keeps its files in `folder`."""
    psij = load_psij()
    if backend == LOCAL:
        return psij.JobExecutorConfig(work_directory=folder)
    if backend == KUBERNETES:
        return KubeContext.read(folder).config(patience_s)
    from psij.executors.batch.batch_scheduler_executor import BatchSchedulerExecutorConfig

    return BatchSchedulerExecutorConfig(
        work_directory=folder,
        queue_polling_interval=interval_s,
        initial_queue_polling_delay=interval_s,
        keep_files=True,
    )


def load_executor(
    backend: str, folder: Path | None = None, watch: QueueWatch | None = None
) -> JobExecutor:
    """Return PSI/J's executor of a backend, to query jobs or to write scripts with.

    Parameters
    ----------
    backend
        PSI/J's name of it.
    folder
        Where it would keep its files; the folder for temporary files if None.
    watch
        Receives what a batch scheduler says about its jobs.
    """
    folder = folder or Path(tempfile.gettempdir())
    config = executor_config(backend, folder, interval_s=3600, patience_s=5)
    return make_executor(backend, config, Hooks(watch or QueueWatch(backend)))


def render_script(backend: str, spec: JobSpec, folder: Path) -> str:
    """Return the batch script that a job would be submitted with, if any.

    Parameters
    ----------
    backend
        PSI/J's name of it.
    spec
        PSI/J's description of the job.
    folder
        Where PSI/J would keep its files; nothing is written there.
    """
    psij = load_psij()
    with tempfile.TemporaryDirectory() as name:
        executor = load_executor(backend, Path(name))
        if not isinstance(executor, BatchCorrections):
            return ""
        lines = executor.render(psij.Job(spec)).replace(name, str(folder)).splitlines()
    return "\n".join(line for line in lines if line.strip())


def is_poll_failure(message: str | None) -> bool:
    """Return whether PSI/J reports a job as failed only because polling failed."""
    return (message or "").startswith(_POLL_FAILURES)


def is_unreachable(message: str) -> bool:
    """Return whether a scheduler's client says that its server does not answer."""
    return bool(_UNREACHABLE.search(message))


def is_time_over(message: str | None) -> bool:
    """Return whether a scheduler's message says that the walltime of a job is over."""
    return bool(_TIME_IS_OVER.search((message or "").partition("\n")[0]))
