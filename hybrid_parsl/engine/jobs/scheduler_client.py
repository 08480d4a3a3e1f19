"""Runs the programs of batch schedulers, apart from what the user's shell sets for them.

``SBATCH_PARTITION`` would replace the partition of a site, ``SQUEUE_ACCOUNT`` would hide our jobs,
and a driver inside an allocation would pass the allocation's limits on to its jobs. Site settings
are the only source of options, so such variables reach neither the programs nor the jobs.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
from functools import cache
from typing import TYPE_CHECKING

from hybrid_parsl.engine.jobs.scheduler_directives import reason_to_refuse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hybrid_parsl.engine.jobs.scheduler_directives import BatchOptions

logger = logging.getLogger(__name__)

_OPTIONS = re.compile(
    r"(SLURM|SLURMD|SBATCH|SALLOC|SRUN|SQUEUE|SCANCEL|SINFO|SACCT|SACCTMGR|SCONTROL|PBS|PMI2?|PMIX)_"
    r"|PMI|QSTAT|QSUB"
)
_KEPT = re.compile(
    r"SLURM_(CONF|JWT)|PBS_(CONF_FILE|EXEC|HOME|SERVER|DEFAULT|PRIMARY|SECONDARY)|PMIX_MCA_\w+"
)
"""Where a scheduler is found and how to log in there, and parameters of the PMIx library."""
_SETTINGS = {"PARTITION": "partition", "ACCOUNT": "account", "TIMELIMIT": "walltime"}
_HARMLESS = {"SLURM_TIME_FORMAT", "SLURM_MPI_TYPE", "SLURM_KILL_BAD_EXIT", "SBATCH_JOB_NAME"}
"""They change no job: sites set them themselves."""


def client_environment() -> dict[str, str]:
    """Return this process's environment without options for schedulers and MPI launchers."""
    return {key: value for key, value in os.environ.items() if not _is_option(key)}


def run_client(
    command: Sequence[str],
    text: str | None = None,
    timeout_s: float | None = None,
    descriptors: Sequence[int] = (),
) -> subprocess.CompletedProcess[str]:
    """Run a program of a scheduler to its end.

    Parameters
    ----------
    command
        Program and arguments.
    text
        What it reads.
    timeout_s
        Seconds after which it is ended; no limit if None.
    descriptors
        Open files that it inherits.

    Raises
    ------
    OSError
        If there is no such program.
    subprocess.TimeoutExpired
        If it did not end in time.
    """
    return subprocess.run(  # noqa: S603 - a scheduler's own program
        command,
        input=text,
        stdin=subprocess.DEVNULL if text is None else None,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=timeout_s,
        pass_fds=descriptors,
        env=client_environment(),
        start_new_session=True,  # Ctrl-C is for the driver, and no submission is cut off half-way
    )


def warn_of_ignored_variables(backend: str, batch: BatchOptions) -> None:
    """Log, once for each, the variables that would have changed a job of these options."""
    for message in ignored_variables(backend, batch, os.environ):
        _warn_once(message)


def ignored_variables(
    backend: str, batch: BatchOptions, environment: Mapping[str, str]
) -> list[str]:
    """Return a message for each variable that would have changed a job of these options.

    Parameters
    ----------
    backend
        PSI/J's name of the scheduler; only Slurm reads options from the environment.
    batch
        What jobs ask for.
    environment
        The variables. Inside an allocation only ``SBATCH_*`` are the user's own.
    """
    if backend != "slurm":
        return []
    ours = r"SBATCH_\w+" if "SLURM_JOB_ID" in environment else r"(SBATCH|SLURM|SRUN)_\w+"
    asked = {"partition": batch.queue_name, "account": batch.account, **batch.attributes}
    messages = []
    for name, value in sorted(environment.items()):
        if not re.fullmatch(ours, name) or not _is_option(name) or name in _HARMLESS:
            continue
        program, _, rest = name.partition("_")
        option = _SETTINGS.get(rest, rest.lower().replace("_", "-"))
        if asked.get(option) == value:
            continue
        advice = "export it in the setting worker_init if jobs need it"
        if program == "SBATCH" and rest in _SETTINGS:
            unit = "min" if rest == "TIMELIMIT" and value.isdecimal() else ""
            advice = f"use --site-set {option}={value}{unit}"
        elif program == "SBATCH":
            use = f"use --site-set 'attributes={{ {option} = \"{value}\" }}'"
            advice = reason_to_refuse("slurm", option, value) or use
        messages.append(f"{name}={value} of your environment is ignored; {advice}")
    return messages


def _is_option(name: str) -> bool:
    """Return whether a variable is an option of a scheduler or launcher."""
    return bool(_OPTIONS.match(name)) and not _KEPT.fullmatch(name)


@cache
def _warn_once(message: str) -> None:
    """Log a warning, the first time."""
    logger.warning(message)
