"""PSI/J's executors, with subclasses that correct defects of PSI/J 0.9.11.

A subclass is derived from whatever class is registered for a backend, so plug-ins of others are
corrected, too, and PSI/J itself is left as it is for other programs in this process.
"""

from __future__ import annotations

import functools
import getpass
import io
import json
import subprocess
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any

from hybrid_parsl.engine.jobs.psij_loading import LOCAL, load_psij
from hybrid_parsl.engine.jobs.queue_watch import QueueWatch
from hybrid_parsl.engine.jobs.scheduler_client import run_client
from hybrid_parsl.engine.jobs.script_corrections import finish, mark

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from psij import Job, JobExecutor, JobExecutorConfig
    from psij.executors.batch.batch_scheduler_executor import BatchSchedulerExecutor as _Batch
else:
    _Batch = object

UNKNOWN_TO_PBS = 153
"""The exit code of qstat when it does not know a job."""
_COLUMNS = 3
_SQUEUE = ("squeue", "--me", "--states=all", "--format=%i %t %r")
_QUESTIONS = {"squeue", "qstat", "bjobs"}
_PATIENCE_S = 60.0
_NO_ANSWER = 124


@dataclass(frozen=True)
class Hooks:
    """How an executor of a batch scheduler is connected to its caller.

    Attributes
    ----------
    watch
        Receives what the scheduler says about its jobs.
    is_ours
        Returns whether a job id belongs to this caller; rows of other jobs are skipped.
    inherited
        Returns the file descriptors that the scheduler's programs inherit from this thread.
    """

    watch: QueueWatch = field(default_factory=lambda: QueueWatch(""))
    is_ours: Callable[[str], bool] = lambda _: True
    inherited: Callable[[], tuple[int, ...]] = tuple


def make_executor(
    backend: str, config: JobExecutorConfig, hooks: Hooks | None = None
) -> JobExecutor:
    """Return a corrected executor of PSI/J for a backend that `check_backend` accepts."""
    kind = _corrected(backend)
    if issubclass(kind, BatchCorrections):
        return kind(config, hooks or Hooks())
    return kind(url=None, config=config)


class _Defaults:
    """What executors of PSI/J lack and `hybrid_parsl.psij_kubernetes` has."""

    def planned_id(self, job: Job) -> str | None:
        """Return the id that a job will have, None if it is not known before it is submitted."""
        del job
        return None

    def close(self) -> None:
        """Release connections and threads."""


class LocalCorrections:
    """Starts jobs without a list of nodes, in a session of their own, without standard input.

    No launcher reads the list, and PSI/J never reports the end of a job whose list was removed. A
    job in the driver's process group would get its signals and read from its terminal.
    """

    def _generate_nodefile(self, *_: object) -> None:
        """Write no list."""


class BatchCorrections(_Batch):  # type: ignore[misc]
    """Quotes scripts correctly, works without a terminal, and survives a scheduler's silence.

    Parameters
    ----------
    config
        PSI/J's configuration.
    hooks
        The connections to the caller.
    """

    def __init__(self, config: JobExecutorConfig, hooks: Hooks) -> None:
        self.hooks = hooks  # before PSI/J starts to poll
        super().__init__(url=None, config=config)
        self.generator.renderer.escape = mark

    def generate_submit_script(self, job: Job, context: dict[str, object], file: IO[str]) -> None:
        """Write the script of a job, with quotes and resources as its scheduler reads them."""
        script = io.StringIO()
        super().generate_submit_script(job, context, script)
        file.write(finish(script.getvalue(), self.name, job.spec))

    def render(self, job: Job) -> str:
        """Return the script that a job would be submitted with."""
        script = io.StringIO()
        self.generate_submit_script(job, self._create_script_context(job), script)
        return script.getvalue()

    def parse_status_output(self, exit_code: int, output: str) -> dict[str, Any]:
        """Return PSI/J's status of each job; notify `hooks` of an answer or its absence."""
        exit_code, output = self.readable(exit_code, output)
        try:
            statuses: dict[str, Any] = super().parse_status_output(exit_code, output)
        except Exception:
            self.hooks.watch.note_silence(
                output.strip() or f"exit code {exit_code} without any output"
            )
            raise
        self.hooks.watch.note_answer(statuses, self.reasons(output))
        return statuses

    def readable(self, exit_code: int, output: str) -> tuple[int, str]:
        """Return the answer of a scheduler's program as PSI/J can read it."""
        return exit_code, output

    def reasons(self, output: str) -> dict[str, str]:
        """Return why jobs wait, by id, where that is not the message of their status."""
        del output
        return {}

    def _current_user(self) -> str:
        """Return the user's name, which PSI/J asks a terminal for."""
        return getpass.getuser()

    def _run_command(self, command: list[str]) -> str:
        """Run a scheduler's program."""
        return _output_of(command, self.hooks.inherited())


class SlurmCorrections(BatchCorrections):
    """Reads every reason of squeue: PSI/J gives up on all jobs at one it does not know."""

    def get_status_command(self, native_ids: Collection[str]) -> list[str]:
        """Return the command, with columns that are not cut off."""
        del native_ids
        return list(_SQUEUE)

    def readable(self, exit_code: int, output: str) -> tuple[int, str]:
        """Return the rows of our jobs, each reason one word."""
        if exit_code == 0:
            output = one_word_reasons(output, self.hooks.is_ours)
        return exit_code, output

    def reasons(self, output: str) -> dict[str, str]:
        """Return Slurm's own words."""
        rows = [row.split() for row in output.split("\n")[1:]]
        return {row[0]: row[2].replace("_", " ").replace("None", "") for row in rows}

    def _get_message(self, reason: str) -> str:
        """Return PSI/J's message for a reason, the reason itself if PSI/J has none."""
        try:
            return str(super()._get_message(reason))
        except AssertionError:
            return reason.replace("_", " ")


class PbsCorrections(BatchCorrections):
    """Reads the answer of a qstat that does not know all jobs it was asked about."""

    def readable(self, exit_code: int, output: str) -> tuple[int, str]:
        """Return the jobs that qstat knows."""
        if exit_code == UNKNOWN_TO_PBS:
            return 0, known_to_pbs(output)
        return exit_code, output


@functools.cache
def _corrected(backend: str) -> type[Any]:
    """Return a subclass of the class that PSI/J has registered for a backend."""
    from psij.executors.batch.batch_scheduler_executor import BatchSchedulerExecutor

    entry = load_psij().JobExecutor._executors[backend][-1]  # noqa: SLF001 - no public look-up
    registered = entry.ecls
    corrections: tuple[type, ...] = ()
    if backend == LOCAL:
        corrections = (LocalCorrections,)
        start = functools.partial(
            subprocess.Popen, stdin=subprocess.DEVNULL, start_new_session=True
        )
        # its submit() offers no other way; PSI/J loads the module without a name
        names = registered.submit.__globals__
        names["subprocess"] = SimpleNamespace(**{**vars(subprocess), "Popen": start})
    elif issubclass(registered, BatchSchedulerExecutor):
        by_name = {"slurm": SlurmCorrections, "pbs": PbsCorrections, "pbs_classic": PbsCorrections}
        corrections = (by_name.get(backend, BatchCorrections),)
    attributes = {"_NAME_": backend, "_VERSION_": entry.version, "__module__": __name__}
    return type(registered.__name__, (*corrections, registered, _Defaults), attributes)


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
