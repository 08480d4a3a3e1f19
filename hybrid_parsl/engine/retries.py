"""Further tries of tasks that ran out of walltime or memory, or lost a node."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hybrid_parsl.engine.plain_executor import as_site_executor
from hybrid_parsl.engine.session import first_cause
from hybrid_parsl.engine.tasks.resource_request import GROWTH, ResourceRequest
from hybrid_parsl.errors import (
    JobFailedError,
    NodeFailedError,
    RankFailedError,
    WalltimeExceededError,
)
from hybrid_parsl.errors.task import signal_of
from hybrid_parsl.stage_function import StageFunction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import parsl

_NO_MEMORY = re.compile(r"out.?of.?memory|memory limit|\boom", re.IGNORECASE)
_NUMBER = re.compile(r"-\d+$")
_ROUNDED_DOWN = 1 - 1e-9  # so that a sum of charges does not exceed the budget by rounding
WALLTIME, MEMORY = "walltime_s", "memory_gib_per_rank"


@dataclass(frozen=True)
class RetryPolicy:
    """How often a task is tried again, and with how much more.

    Attributes
    ----------
    retries
        Further tries, at least 0.
    growth
        By which factor `WALLTIME` grows after a walltime, and `MEMORY` after a process that ran
        out of memory, each at least 1; 1 if left out.
    """

    retries: int = 0
    growth: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Retry:
    """A further try that is about to begin.

    Attributes
    ----------
    task
        The name of the task.
    number, n_tries
        2 or more, of how many.
    error
        What ended the last one.
    larger
        What the task asks for more of than before, and how much: seconds or GiB.
    """

    task: str
    number: int
    n_tries: int
    error: BaseException
    larger: Mapping[str, float]


def allow_retries(
    config: parsl.Config,
    most_retries: int,
    policy_of: Callable[[Sequence[str]], RetryPolicy],
    note: Callable[[Retry], None],
) -> None:
    """Let Parsl try tasks again whose job ran out of walltime or memory, or lost a node.

    After a lack of memory there is a further try only where it gets more. What the site says about
    other errors stays in force.

    Parameters
    ----------
    config
        The configuration, before it is loaded.
    most_retries
        Further tries of any task, at least 0.
    policy_of
        Returns the policy of a task: of its names, the most special first.
    note
        Called before each further try, on a thread of Parsl.
    """
    if most_retries == 0:
        return
    site_budget, site_handler = config.retries, config.retry_handler
    config.retries = max(most_retries, site_budget)

    def cost(error: Exception, record: Any) -> float:
        cause = first_cause(error)
        if cause is not error:  # of a task that it depends on, which has had its tries
            return float(config.retries + 1)
        policy = policy_of(_names(record))
        key = _lacking(cause)
        larger = _larger(record, key, policy)
        if key is not None and policy.retries and (larger or key != MEMORY):
            charge = float(config.retries / policy.retries * _ROUNDED_DOWN)
            if record["fail_cost"] + charge <= config.retries:
                _grow(record, larger, policy)
                number, n_tries = record["fail_count"] + 1, policy.retries + 1
                note(Retry(record["func_name"], number, n_tries, cause, larger))
            return charge
        if not site_budget:
            return float(config.retries + 1)
        asked = site_handler(error, record) if site_handler else 1.0
        return float(asked * config.retries / site_budget)

    config.retry_handler = cost


def _names(record: Any) -> list[str]:
    """Return the names of a task: its own, without a number, its function's, its executor's."""
    name, function = record["func_name"], record["func"]
    own = function.reference.rpartition(":")[2] if isinstance(function, StageFunction) else name
    return [name, _NUMBER.sub("", name), own, record["executor"]]


def _lacking(error: BaseException) -> str | None:
    """Return what a task lacked: the key of its resources, empty for a node; None for all else."""
    if isinstance(error, WalltimeExceededError):
        return WALLTIME
    if isinstance(error, NodeFailedError):
        return ""
    was_killed = (
        isinstance(error, RankFailedError) and signal_of(error.job_exit_code) == signal.SIGKILL
    )
    says_so = isinstance(error, JobFailedError) and _NO_MEMORY.search(error.reason)
    return MEMORY if was_killed or says_so else None


def _larger(record: Any, key: str | None, policy: RetryPolicy) -> dict[str, float]:
    """Return what a further try gets more of, and how much; nothing if it gets the same."""
    factor = policy.growth.get(key or "", 1.0)
    executor = as_site_executor(record["dfk"].executors[record["executor"]])
    if not key or factor <= 1 or not executor.grows_requests:
        return {}
    asked = _grown(record["resource_specification"], key, factor)
    value = getattr(ResourceRequest.from_parsl(asked, executor.overrides), key)
    return {} if value is None else {key: value}


def _grow(record: Any, larger: Mapping[str, float], policy: RetryPolicy) -> None:
    """Let the next try of a task ask for more."""
    for key in larger:
        asked = record["resource_specification"]
        record["resource_specification"] = _grown(asked, key, policy.growth[key])


def _grown(asked: Mapping[str, Any], key: str, factor: float) -> dict[str, Any]:
    """Return a resource specification with one more factor for a key."""
    growth = asked.get(GROWTH, {})
    return {**asked, GROWTH: {**growth, key: growth.get(key, 1.0) * factor}}
