"""How long a job may wait before it starts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from hybrid_parsl.psij_kubernetes.explain import Patience, Trouble

if TYPE_CHECKING:
    from hybrid_parsl.psij_kubernetes.tracking import TrackedJob


def overdue(tracked: TrackedJob, now: datetime, longest_wait_s: int) -> Trouble | None:
    """Return the trouble of a job that has waited longer than it may; None if it has not.

    The time counts from the creation of the job in the cluster, whichever driver follows it, and
    includes the time in a queue.

    Parameters
    ----------
    tracked
        The job.
    now
        The time by the clock of the cluster.
    longest_wait_s
        How long it may wait, in seconds.
    """
    if not tracked.born or tracked.finishing or tracked.is_running or tracked.has_ended:
        return None
    limit = timedelta(seconds=longest_wait_s)
    if now - datetime.fromisoformat(tracked.born) <= limit:
        return None
    cause = f"; {tracked.trouble}" if tracked.trouble else ""
    return Trouble("WaitedTooLong", f"it has not started in {limit}{cause}", Patience.NONE)
