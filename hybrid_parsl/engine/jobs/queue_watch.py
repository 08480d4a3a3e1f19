"""What a batch scheduler says about our jobs each time PSI/J asks it, besides what PSI/J keeps.

PSI/J 0.9.11 drops the reason for which a job waits, never moves a job that was requeued back into
the queue, and calls all jobs failed when the scheduler cannot be asked three times in a row.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from psij import JobStatus

logger = logging.getLogger(__name__)

_FAILURES_TO_REPORT = 3
_FIRST_PAUSE_S = 60.0
_LONGEST_PAUSE_S = 3600.0
_MOST_WORDS = 300


@dataclass(frozen=True)
class QueueEntry:
    """A job as its scheduler sees it.

    Attributes
    ----------
    state
        PSI/J's name of its state.
    reason
        Why it waits, in the scheduler's words; empty if it does not say.
    """

    state: str
    reason: str


class QueueWatch:
    """Keeps what the last answer of a scheduler said, and reports when it does not answer.

    Parameters
    ----------
    backend
        PSI/J's name of the scheduler.
    on_poll
        Called after each question, answered or not, on PSI/J's thread.
    clock
        Returns seconds that never go back.
    """

    def __init__(
        self,
        backend: str,
        on_poll: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backend = backend
        self._on_poll = on_poll
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[str, QueueEntry] = {}
        self._silence: str | None = None
        self._n_failures = 0
        self._reported: str | None = None
        self._pause_s = _FIRST_PAUSE_S
        self._quiet_until = -1.0

    @property
    def silence(self) -> str | None:
        """Why the last question was not answered, None if it was."""
        return self._silence

    def entry(self, job_id: str) -> QueueEntry | None:
        """Return what the last answer said of a job, None if it does not know the job."""
        with self._lock:
            return self._entries.get(job_id)

    def note_answer(self, statuses: Mapping[str, JobStatus], reasons: Mapping[str, str]) -> None:
        """Keep an answer.

        Parameters
        ----------
        statuses
            PSI/J's status of each job.
        reasons
            Why jobs wait, where that is not the message of the status.
        """
        entries = {
            job_id: QueueEntry(status.state.name, reasons.get(job_id, status.message or ""))
            for job_id, status in statuses.items()
        }
        with self._lock:
            self._entries = entries
        if self._reported is not None:
            logger.warning("%s answers again", self._backend)
        self._silence = self._reported = None
        self._n_failures = 0
        self._on_poll()

    def note_silence(self, words: str) -> None:
        """Keep why there is no answer; report it once, and another reason not too soon after.

        Parameters
        ----------
        words
            What the scheduler's program printed instead, or what went wrong.
        """
        reason = " ".join(words.split())[:_MOST_WORDS]
        self._silence = reason
        self._n_failures += 1
        now = self._clock()
        is_news = self._n_failures >= _FAILURES_TO_REPORT and reason != self._reported
        if is_news and now >= self._quiet_until:
            logger.warning("%s does not answer: %s; its jobs go on", self._backend, reason)
            self._reported = reason
            self._quiet_until = now + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        self._on_poll()
