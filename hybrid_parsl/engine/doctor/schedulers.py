"""What can be known of a batch scheduler before a job is submitted."""

from __future__ import annotations

import getpass
import json
import os
import shutil
from typing import TYPE_CHECKING, Protocol

from hybrid_parsl.engine.doctor.commands import ask
from hybrid_parsl.engine.doctor.finding import Finding, ok, skipped, wrong
from hybrid_parsl.engine.jobs.scheduler_client import ignored_variables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hybrid_parsl.engine.jobs.scheduler_directives import BatchOptions


class SchedulerChecks(Protocol):
    """What the doctor knows to ask of one kind of scheduler.

    Attributes
    ----------
    commands
        What has to be installed here.
    """

    commands: tuple[str, ...]

    def examine(self, batch: BatchOptions) -> Iterator[Finding]:
        """Look at all that jobs with these options need; end where going on makes no sense."""

    def reason(self, job_id: str) -> str:
        """Return state and reason of a job that waits, in the scheduler's words."""


class SlurmChecks:
    """Slurm: its controller, partitions and accounts."""

    commands: tuple[str, ...] = ("sbatch", "squeue", "scancel", "scontrol", "sinfo")

    def examine(self, batch: BatchOptions) -> Iterator[Finding]:
        """Look at controller, partition and account."""
        ping = ask("scontrol", "ping")
        if ping.code or " UP" not in ping.out:
            advice = "wait until it is back, or ask who runs it; SLURM_CONF names another cluster"
            yield wrong("controller", ping.words, advice)
            return
        yield ok("controller", " ".join(ping.out.split()))
        partitions = _partitions()
        for name in (batch.queue_name or "").split(","):
            yield _judge_partition(name, partitions)
        yield _judge_account(batch.account)

    def reason(self, job_id: str) -> str:
        """Return state and reason of a job."""
        return ask("squeue", "-h", "-j", job_id, "-o", "%T, %r").out.strip() or "unknown"


class PbsChecks:
    """PBS in its dialects: its server, its queues, and what PSI/J needs of qstat."""

    commands: tuple[str, ...] = ("qsub", "qstat", "qdel")

    def examine(self, batch: BatchOptions) -> Iterator[Finding]:
        """Look at server and queue."""
        answer = ask("qstat", "-Q", *filter(None, [batch.queue_name]))
        if answer.code:
            advice = "check the setting partition, and whether the server answers: qstat -Q"
            yield wrong("queue", answer.words, advice)
            return
        yield ok("queue", batch.queue_name or "the server's default")
        listing = ask("qstat", "-f", "-F", "json")
        try:
            json.loads(listing.out)
        except ValueError:
            advice = "PSI/J reads this; it needs OpenPBS, PBS Pro 19 or later, or a Torque with it"
            yield wrong("qstat -F json", listing.words[:200], advice)
            return
        yield ok("qstat -F json", "prints JSON")
        if batch.account:
            yield ok("account", f"{batch.account}; only a job shows whether PBS accepts it")

    def reason(self, job_id: str) -> str:
        """Return state and comment of a job."""
        try:
            jobs = json.loads(ask("qstat", "-f", "-F", "json", job_id).out)["Jobs"]
            (job,) = jobs.values()
        except (ValueError, KeyError):
            return "unknown"
        return ", ".join(filter(None, [job.get("job_state"), job.get("comment")]))


CHECKS: dict[str, SchedulerChecks] = {
    "slurm": SlurmChecks(),
    "pbs": PbsChecks(),
    "pbs_classic": PbsChecks(),
}
"""What is known to ask, by PSI/J's name of the backend; other rooms may add theirs."""


def examine_scheduler(backend: str, batch: BatchOptions) -> Iterator[Finding]:
    """Look at the commands of a scheduler, then at the scheduler itself.

    Parameters
    ----------
    backend
        PSI/J's name of it.
    batch
        Options of every job.
    """
    checks = CHECKS.get(backend)
    if checks is None:
        yield skipped("scheduler", f"nothing is known to ask of {backend} but to take a job")
        return
    missing = [name for name in checks.commands if shutil.which(name) is None]
    if missing:
        advice = "install them, load their module, or go where they are (a login node)"
        yield wrong("commands", f"{', '.join(missing)} not in PATH", advice)
        return
    yield ok("commands", ", ".join(checks.commands))
    for message in ignored_variables(backend, batch, os.environ):
        yield ok("environment", message)
    yield from checks.examine(batch)


def waiting_reason(backend: str, job_id: str) -> str:
    """Return why a job waits, as far as its scheduler reports."""
    checks = CHECKS.get(backend)
    return checks.reason(job_id) if checks else "unknown"


def _partitions() -> dict[str, tuple[str, str, str]]:
    """Return state, number of nodes and longest time of each partition; the default is ''."""
    found = {}
    for line in ask("sinfo", "-h", "-o", "%P|%a|%D|%l").out.splitlines():
        name, state, nodes, time = line.strip().split("|")
        found[name.rstrip("*")] = (state, nodes, time)
        if name.endswith("*"):
            found[""] = (state, nodes, time)
    return found


def _judge_partition(name: str, partitions: dict[str, tuple[str, str, str]]) -> Finding:
    """Return whether a partition can be used."""
    valid = ", ".join(filter(None, partitions))
    if name not in partitions:
        what = f"there is no partition {name!r}" if name else "there is no default partition"
        return wrong("partition", what, f"set partition to one of: {valid}")
    state, nodes, time = partitions[name]
    text = f"{name or 'the default'}: {state}, {nodes} nodes, jobs of at most {time}"
    if state != "up":
        return wrong("partition", text, f"set partition to another one of: {valid}, or wait")
    return ok("partition", text)


def _judge_account(account: str | None) -> Finding:
    """Return whether the user may charge an account, as far as that can be known."""
    user = getpass.getuser()
    answer = ask("sacctmgr", "-nP", "show", "associations", f"user={user}", "format=account")
    mine = sorted(set(answer.out.split())) if not answer.code else []
    if account and mine and account not in mine:
        advice = f"set account to one of: {', '.join(mine)}"
        return wrong("account", f"{user} has no account {account!r}", advice)
    asked = account or "none asked for"
    if answer.code:
        return ok("account", f"{asked}; cannot be looked up ({answer.words[:120]})")
    return ok("account", f"{asked}; {user} has {', '.join(mine) or 'none'}")
