"""What is known of one pod of a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hybrid_parsl.psij_kubernetes.explain import PodEnd, Trouble


@dataclass
class PodState:
    """What matters of a pod.

    Attributes
    ----------
    name, role
        Which one it is.
    running
        Whether the job's container runs.
    end
        How it ended; None if it has not.
    trouble
        Why it does not start; None if nothing is wrong.
    is_deleted
        Whether it is being deleted, or has been.
    """

    name: str
    role: str
    running: bool = False
    end: PodEnd | None = None
    trouble: Trouble | None = None
    is_deleted: bool = False
