"""Asks a scheduler whether it would accept a batch script, without submitting it."""

from __future__ import annotations

import subprocess

from hybrid_parsl.engine.jobs.batch_scheduler import is_unreachable
from hybrid_parsl.engine.jobs.scheduler_client import run_client
from hybrid_parsl.errors import BackendUnavailableError, JobRejectedError

_COMMANDS = {"slurm": ("sbatch", "--test-only")}
_PATIENCE_S = 60.0


def validate_script(backend: str, script: str) -> str:
    """Return what a scheduler says about a script it would accept.

    Slurm says when and where the job would start (``sbatch --test-only``). PBS and LSF offer no
    such check.

    Parameters
    ----------
    backend
        PSI/J's name of the scheduler.
    script
        The batch script; an empty one is not sent to the scheduler.

    Raises
    ------
    JobRejectedError
        If it would reject the script.
    BackendUnavailableError
        If it does not answer.
    """
    if not script:
        return "no scheduler is involved"
    command = _COMMANDS.get(backend)
    if command is None:
        return f"{backend} cannot be asked without submitting"
    try:
        done = run_client(command, script, _PATIENCE_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BackendUnavailableError(backend, str(error)) from error
    words = "\n".join(line for line in f"{done.stderr}{done.stdout}".splitlines() if line.strip())
    if not done.returncode:
        return words.removeprefix(f"{command[0]}: ") or "accepted"
    raise (BackendUnavailableError if is_unreachable(words) else JobRejectedError)(backend, words)
