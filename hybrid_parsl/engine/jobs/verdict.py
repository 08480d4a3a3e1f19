"""What a scheduler says of a batch script without running it."""

from __future__ import annotations

import subprocess

from hybrid_parsl.engine.jobs.batch_scheduler import is_unreachable
from hybrid_parsl.engine.jobs.scheduler_client import run_client
from hybrid_parsl.errors import BackendUnavailableError, JobRejectedError

_COMMANDS = {"slurm": ("sbatch", "--test-only")}
_PATIENCE_S = 60.0


def verdict(backend: str, script: str) -> str | None:
    """Return what a scheduler says of a script that it would take, None if it cannot be asked.

    Slurm tells when and where the job would start (``sbatch --test-only``). PBS and LSF have no
    such check: they tell when they get the job.

    Parameters
    ----------
    backend
        PSI/J's name of the scheduler.
    script
        The batch script.

    Raises
    ------
    JobRejectedError
        It would not take the script.
    BackendUnavailableError
        It does not answer.
    """
    command = _COMMANDS.get(backend)
    if command is None:
        return None
    try:
        done = run_client(command, script, _PATIENCE_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BackendUnavailableError(backend, str(error)) from error
    words = "\n".join(line for line in f"{done.stderr}{done.stdout}".splitlines() if line.strip())
    if not done.returncode:
        return words.removeprefix(f"{command[0]}: ")
    raise (BackendUnavailableError if is_unreachable(words) else JobRejectedError)(backend, words)
