"""Further tries of tasks that ran out of walltime or lost a node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybrid_parsl.engine.session import first_cause
from hybrid_parsl.errors import NodeFailedError, WalltimeExceededError

if TYPE_CHECKING:
    from collections.abc import Callable

    import parsl

    from hybrid_parsl.errors import HybridParslError

    Note = Callable[[str, int, HybridParslError], None]


def allow_retries(config: parsl.Config, n_retries: int, note: Note) -> None:
    """Let Parsl try tasks again whose job ran out of walltime or lost a node.

    What the site says about other errors stays in force.

    Parameters
    ----------
    config
        The configuration, before it is loaded.
    n_retries
        Further tries of each task, at least 0.
    note
        Called before each of them, on a thread of Parsl, with the name of the task's function, the
        number of the next try (2 or more) and the error of the last one.
    """
    if n_retries == 0:
        return
    site_budget, site_handler = config.retries, config.retry_handler
    config.retries = max(n_retries, site_budget)

    def cost(error: Exception, record: Any) -> float:
        cause = first_cause(error)
        if isinstance(cause, WalltimeExceededError | NodeFailedError):
            charge = float(config.retries / n_retries)
            if record["fail_cost"] + charge <= config.retries:
                note(record["func_name"], record["fail_count"] + 1, cause)
            return charge
        if not site_budget:
            return float(config.retries + 1)
        asked = site_handler(error, record) if site_handler else 1.0
        return float(asked * config.retries / site_budget)

    config.retry_handler = cost
