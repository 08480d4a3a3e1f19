"""What jobs ask a batch scheduler for, besides nodes, ranks and their resources."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from hybrid_parsl.engine.jobs.psij_loading import load_psij
from hybrid_parsl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psij import JobAttributes

DIRECTIVES = {
    "slurm": "slurm",
    "pbs": "pbs",
    "pbs_classic": "pbs",
    "lsf": "lsf",
    "cobalt": "cobalt",
}
"""What PSI/J calls the options of a scheduler, by its name of the backend."""
_NAMES = {"slurm": "job-name", "pbs": "N", "lsf": "J", "cobalt": "jobname"}
_ONLY_ONCE = {"slurm": {"no-requeue": ""}, "pbs": {"r": "n"}, "lsf": {"rn": ""}}
_AGAIN = {"requeue", "r"}
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

_NAME = "job names are how a run finds its jobs again"
_FILES = "the output of a job goes into the folder of its task"
_FOLDER = "a job works in the folder of its task"
_ONE_JOB = "a task is one job, which a run submits and follows"
_VARIABLES = "set variables in worker_init"
_NODES = "set nodes"
_RANKS = "set nodes and ranks_per_node"
_WALLTIME = "set walltime"
_PARTITION = "set partition"
_ACCOUNT = "set account"
_SLURM = {
    "job-name": _NAME,
    "output": _FILES,
    "error": _FILES,
    "chdir": _FOLDER,
    "array": _ONE_JOB,
    "clusters": _ONE_JOB,
    "parsable": _ONE_JOB,
    "test-only": _ONE_JOB,
    "wait": _ONE_JOB,
    "wrap": _ONE_JOB,
    "export": _VARIABLES,
    "export-file": _VARIABLES,
    "nodes": _NODES,
    "ntasks": _RANKS,
    "ntasks-per-node": _RANKS,
    "time": _WALLTIME,
    "partition": _PARTITION,
    "account": _ACCOUNT,
}
_SLURM_SHORT = {
    "J": "job-name",
    "D": "chdir",
    "M": "clusters",
    "W": "wait",
    "N": "nodes",
    "n": "ntasks",
    "t": "time",
    "p": "partition",
    "A": "account",
}
_RESERVED = {
    "slurm": _SLURM | {short: _SLURM[name] for short, name in _SLURM_SHORT.items()},
    "pbs": {
        "N": _NAME,
        **dict.fromkeys(("o", "e", "j"), _FILES),
        **dict.fromkeys(("d", "w"), _FOLDER),
        **dict.fromkeys(("C", "I", "J", "t", "X", "z"), _ONE_JOB),
        "q": _PARTITION,
        "A": _ACCOUNT,
    },
    "lsf": {
        "J": _NAME,
        **dict.fromkeys(("o", "oo", "e", "eo"), _FILES),
        **dict.fromkeys(("cwd", "outdir"), _FOLDER),
        **dict.fromkeys(("I", "Ip", "Is", "K"), _ONE_JOB),
        "n": _RANKS,
        "nnodes": _NODES,
        "W": _WALLTIME,
        "q": _PARTITION,
        "P": _ACCOUNT,
        "G": _ACCOUNT,
        "env": _VARIABLES,
    },
    "cobalt": {
        "jobname": _NAME,
        **dict.fromkeys(("output", "error", "outputprefix"), _FILES),
        "cwd": _FOLDER,
        "nodecount": _NODES,
        "proccount": _RANKS,
        "time": _WALLTIME,
        "queue": _PARTITION,
        "project": _ACCOUNT,
    },
}
_SIZES_OF_PBS = re.compile(r"\b(select|nodes|place|walltime)\s*=")


@dataclass(frozen=True)
class BatchOptions:
    """What a job asks a batch scheduler for, besides nodes, ranks and time.

    Attributes
    ----------
    queue_name
        The queue or partition; the scheduler's default if None.
    account
        Who pays; the scheduler's default if None.
    attributes
        More options of the scheduler, such as ``{"qos": "debug"}`` for ``--qos=debug``.
    worker_init
        Shell commands that each job runs first, once.
    polling_interval_s
        Seconds between two questions to the scheduler, for all jobs at once.
    """

    queue_name: str | None = None
    account: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    worker_init: str = ""
    polling_interval_s: float = 1.0

    def check(self, backend: str) -> None:
        """Refuse what cannot be written into a script of the scheduler, or is not the user's.

        Parameters
        ----------
        backend
            PSI/J's name of the scheduler.

        Raises
        ------
        ConfigurationError
            If a value has control characters or quotes that the scheduler cannot read, or an
            option is none, or one that the run sets itself.
        """
        directive = DIRECTIVES.get(backend)
        check_value("partition", self.queue_name or "", backend)
        check_value("account", self.account or "", backend)
        for key, value in self.attributes.items():
            if not _KEY.fullmatch(key):
                message, valid = "is not the name of an option", "a name without dashes before it"
                raise ConfigurationError(message, "site", "attributes", repr(key), valid)
            reason = reason_to_refuse(directive, key, value)
            if reason:
                message = f"is reserved: {reason}"
                raise ConfigurationError(message, "site", f"attributes.{key}", repr(value))
            check_value(f"attributes.{key}", value, backend)

    def to_psij(
        self, backend: str, name: str, walltime_s: float, *, once: bool = False
    ) -> JobAttributes:
        """Return PSI/J's attributes of a job.

        Parameters
        ----------
        backend
            PSI/J's name of the scheduler.
        name
            The name of the job, which PSI/J does not pass on by itself.
        walltime_s
            Its longest run time in seconds.
        once
            Whether the scheduler must not start it again after a node failure, unless the site
            asks for that.

        Raises
        ------
        ConfigurationError
            If an option cannot be used; see `check`.
        """
        self.check(backend)
        directive = DIRECTIVES.get(backend)
        custom = {}
        if directive is not None:
            asked = {} if _AGAIN & set(self.attributes) or not once else _ONLY_ONCE
            custom = {_NAMES[directive]: name, **asked.get(directive, {}), **self.attributes}
        return load_psij().JobAttributes(
            duration=timedelta(seconds=walltime_s),
            queue_name=self.queue_name,
            account=self.account,
            custom_attributes={f"{directive}.{key}": value for key, value in custom.items()},
        )


def check_value(key: str, value: str, backend: str) -> None:
    """Refuse a value that no script of a scheduler can hold.

    Parameters
    ----------
    key
        What it is the value of.
    value
        The value.
    backend
        PSI/J's name of the scheduler.

    Raises
    ------
    ConfigurationError
        If it has control characters, or quotes that the scheduler may not read as such.
    """
    if _CONTROL.search(value):
        valid = "one line of text without control characters"
        raise ConfigurationError("has control characters", "site", key, repr(value), valid)
    if backend in DIRECTIVES and backend != "slurm" and re.search(r'["\\]', value):
        message = "has characters that a script of this scheduler cannot quote"
        raise ConfigurationError(message, "site", key, repr(value), 'text without " and \\')


def reason_to_refuse(directive: str | None, key: str, value: str) -> str:
    """Return why an option is reserved, nothing if it is not.

    sbatch takes each unambiguous beginning of a long option for the option.

    Parameters
    ----------
    directive
        What PSI/J calls the options of the scheduler, None if it has none.
    key, value
        The option.
    """
    reserved = _RESERVED.get(directive or "", {})
    if directive == "slurm" and key not in reserved:
        key = next((name for name in sorted(_SLURM) if name.startswith(key)), key)
    if directive == "pbs" and key == "l" and _SIZES_OF_PBS.search(value):
        return "set nodes, ranks_per_node and walltime"
    if directive == "pbs" and key == "W" and re.search(r"\bblock\s*=", value):
        return _ONE_JOB
    return reserved.get(key, "")
