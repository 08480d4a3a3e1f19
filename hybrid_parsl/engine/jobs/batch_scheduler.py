"""PSI/J's batch executors, with what PSI/J 0.9.11 gets wrong put right.

It gives up on all jobs when one line of squeue has a reason of several words or one that it does
not know, and asks for the login name of a terminal, which a cron job does not have.
"""

from __future__ import annotations

import getpass
import io
import json
import re
import secrets
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any

from hybrid_parsl.engine.jobs.batch_options import DIRECTIVES
from hybrid_parsl.engine.jobs.batch_script import finish, mark
from hybrid_parsl.engine.jobs.kube_context import KUBERNETES, KubeContext
from hybrid_parsl.engine.jobs.psij_loading import load_psij
from hybrid_parsl.engine.jobs.queue_watch import QueueWatch
from hybrid_parsl.engine.jobs.scheduler_client import run_client

if TYPE_CHECKING:
    from collections.abc import Callable

    from psij import Job, JobExecutor, JobExecutorConfig, JobSpec

LOCAL = "local"
_LONGEST_PBS_NAME = 15
_POLL_FAILURES = ("Failed to poll", "Error updating job statuses")
_TIME_IS_OVER = re.compile(r"time ?limit|walltime|^TIMEOUT$", re.IGNORECASE)
_UNREACHABLE = re.compile(
    r"unable to contact|connection (refused|reset|failure)|timed? ?out|try again|"
    r"cannot connect|zero bytes|temporarily|communication",
    re.IGNORECASE,
)
_COLUMNS = 3
_SQUEUE = ("squeue", "--me", "--states=all", "--format=%i %t %r")
_QUESTIONS = {"squeue", "qstat", "bjobs"}
_PATIENCE_S = 60.0
_NO_ANSWER = 124
UNKNOWN_TO_PBS = 153
"""The exit code of qstat when it does not know a job."""


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


def put_right(
    executor: JobExecutor,
    is_ours: Callable[[str], bool] = lambda _: True,
    inherited: Callable[[], tuple[int, ...]] = tuple,
    watch: QueueWatch | None = None,
) -> None:
    """Mend an executor of PSI/J.

    The local one makes a list of nodes for each job, which none of the launchers reads; it would
    never tell the end of a job whose list somebody has removed. It starts jobs in the process
    group of the driver, where they get its signals, and read from its terminal.

    Parameters
    ----------
    executor
        The executor.
    is_ours
        Tells whether a job of that id was submitted from here; only such are looked at.
    inherited
        Returns the file descriptors that the scheduler's programs get from this thread.
    watch
        Gets what a batch scheduler says of its jobs.
    """
    if hasattr(executor, "generate_submit_script"):
        write = executor.generate_submit_script

        def write_mended(job: Job, context: dict[str, object], file: IO[str]) -> None:
            script = io.StringIO()
            write(job, context, script)
            file.write(finish(script.getvalue(), executor.name, job.spec))

        executor.generator.renderer.escape = mark
        executor.generate_submit_script = write_mended
        executor._current_user = getpass.getuser  # noqa: SLF001 - there is no other way
        executor._run_command = lambda command: _output_of(command, inherited())  # noqa: SLF001
        _mend_status(executor, is_ours, watch or QueueWatch(executor.name))
    if executor.name == LOCAL:
        executor._generate_nodefile = lambda *_: None  # noqa: SLF001 - there is no other way
        start = partial(subprocess.Popen, stdin=subprocess.DEVNULL, start_new_session=True)
        names = type(executor).submit.__globals__  # PSI/J loads the module without a name
        names["subprocess"] = SimpleNamespace(**{**vars(subprocess), "Popen": start})


def load_executor(
    backend: str, folder: Path | None = None, watch: QueueWatch | None = None
) -> JobExecutor:
    """Return PSI/J's executor of a backend, mended, to ask or to write scripts with.

    Parameters
    ----------
    backend
        PSI/J's name of it.
    folder
        Where it would keep its files; the folder for temporary files if None.
    watch
        Gets what a batch scheduler says of its jobs.
    """
    folder = folder or Path(tempfile.gettempdir())
    config = executor_config(backend, folder, interval_s=3600, patience_s=5)
    executor = load_psij().JobExecutor.get_instance(backend, config=config)
    put_right(executor, watch=watch)
    return executor


def render_script(backend: str, spec: JobSpec, folder: Path) -> str:
    """Return the batch script that a job would be submitted with; nothing if there is none.

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
        if not hasattr(executor, "generate_submit_script"):
            return ""
        job = psij.Job(spec)
        script = io.StringIO()
        context = executor._create_script_context(job)  # noqa: SLF001 - there is no other way
        executor.generate_submit_script(job, context, script)
        lines = script.getvalue().replace(name, str(folder)).splitlines()
    return "\n".join(line for line in lines if line.strip())


def one_word_reasons(table: str, is_ours: Callable[[str], bool]) -> str:
    """Return squeue's `table` of id, state and reason with our jobs only, a reason one word."""
    head, _, rows = table.partition("\n")
    kept = [head]
    for row in rows.split("\n"):
        columns = row.split(maxsplit=_COLUMNS - 1)
        if columns and is_ours(columns[0]):
            reason = columns[2] if len(columns) == _COLUMNS else "None"
            kept.append(" ".join([*columns[:2], "_".join(reason.split())]))
    return "\n".join(kept)


def is_poll_failure(message: str | None) -> bool:
    """Return whether PSI/J reports a job as failed only because polling failed."""
    return (message or "").startswith(_POLL_FAILURES)


def is_unreachable(message: str) -> bool:
    """Return whether a scheduler's client says that its server does not answer."""
    return bool(_UNREACHABLE.search(message))


def is_time_over(message: str | None) -> bool:
    """Return whether a scheduler's message says that the walltime of a job is over."""
    return bool(_TIME_IS_OVER.search((message or "").partition("\n")[0]))


def known_to_pbs(output: str) -> str:
    """Return the jobs that qstat knows, as JSON, where it knows only some of those asked for."""
    try:
        jobs, _ = json.JSONDecoder().raw_decode(output.lstrip())
    except ValueError:
        jobs = {}
    return json.dumps(jobs if isinstance(jobs, dict) and "Jobs" in jobs else {"Jobs": {}})


def _output_of(command: list[str], descriptors: tuple[int, ...]) -> str:
    """Run a scheduler's program with more open files, and return what it printed.

    Raises
    ------
    subprocess.CalledProcessError
        If its exit code is not 0, or a question was not answered in time; the error has all that
        it printed, as PSI/J wants it.
    """
    try:
        limit_s = _PATIENCE_S if command[0] in _QUESTIONS else None
        done = run_client(command, timeout_s=limit_s, descriptors=descriptors)
    except subprocess.TimeoutExpired:
        words = f"{command[0]} gave no answer in {_PATIENCE_S:.0f} s"
        raise subprocess.CalledProcessError(_NO_ANSWER, command, output=words) from None
    if done.returncode:
        words = "\n".join(filter(None, [done.stdout, done.stderr])) or "unknown error"
        raise subprocess.CalledProcessError(done.returncode, command, output=words)
    return done.stdout


def _mend_status(executor: Any, is_ours: Callable[[str], bool], watch: QueueWatch) -> None:
    """Let PSI/J understand all answers of a scheduler, and `watch` hear of them."""
    parse = executor.parse_status_output
    is_slurm, is_pbs = executor.name == "slurm", executor.name.startswith("pbs")

    def parse_mended(exit_code: int, output: str) -> Any:
        if is_pbs and exit_code == UNKNOWN_TO_PBS:
            exit_code, output = 0, known_to_pbs(output)
        reasons = {}
        if is_slurm and exit_code == 0:
            output = one_word_reasons(output, is_ours)
            rows = [row.split() for row in output.split("\n")[1:]]
            reasons = {row[0]: row[2].replace("_", " ").replace("None", "") for row in rows}
        try:
            statuses = parse(exit_code, output)
        except Exception:
            words = output.strip() or f"exit code {exit_code} without any output"
            watch.note_silence(words)
            raise
        watch.note_answer(statuses, reasons)
        return statuses

    executor.parse_status_output = parse_mended
    if not is_slurm:
        return
    explain = executor._get_message  # noqa: SLF001 - there is no other way

    def explain_mended(reason: str) -> str:
        try:
            return str(explain(reason))
        except AssertionError:
            return reason.replace("_", " ")

    executor._get_message = explain_mended  # noqa: SLF001
    executor.get_status_command = lambda _: list(_SQUEUE)
