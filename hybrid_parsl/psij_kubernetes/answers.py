"""What an API server answers that is no success, and how long to wait before the next try."""

from __future__ import annotations

import json
import random
from typing import Any

_REPEATED = (429, 500, 502, 503, 504)
_CONFLICT = 409
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0


class ApiError(Exception):
    """The API server refused a call, or could not be reached.

    Parameters
    ----------
    status
        The status of HTTP; 0 if there was no answer.
    message
        What the server said.
    reason
        Its word for it, such as ``AlreadyExists``.
    retry_after_s
        When it wants to be asked again, in seconds.
    """

    def __init__(
        self, status: int, message: str, reason: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(status, message, reason, retry_after_s)
        self.status = status
        self.message = message
        self.reason = reason
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return f"{self.message} ({self.status} {self.reason})" if self.status else self.message

    @property
    def is_transient(self) -> bool:
        """Whether the same call may succeed later."""
        return self.status == 0 or self.status in _REPEATED or self._is_race

    @property
    def _is_race(self) -> bool:
        """Whether the server itself was beaten, at the count of a quota for example."""
        is_conflict = self.status == _CONFLICT and self.reason == "Conflict"
        return is_conflict and not self.is_another

    @property
    def is_another(self) -> bool:
        """Whether a call was for one object, and there is another one of its name now."""
        return self.status == _CONFLICT and "Precondition failed" in self.message


def refusal_of(response: Any) -> ApiError:
    """Return what a response says that is none of success."""
    try:
        text = response.read().decode("utf-8", "replace")
        response.release_conn()
    except Exception as error:  # noqa: BLE001 - the status is known all the same
        text = repr(error)
    message, reason = text.strip() or response.reason or "", response.reason or ""
    try:
        status = json.loads(text)
    except ValueError:
        status = None
    if isinstance(status, dict):
        message = str(status.get("message") or message)
        reason = str(status.get("reason") or reason)
    try:
        wait = float(response.headers.get("Retry-After", ""))
    except ValueError:
        wait = None
    return ApiError(response.status, message, reason, wait)


class Pauses:
    """Pauses that double from one to the next, with chance in them (full jitter)."""

    def __init__(self) -> None:
        self._limit_s = _FIRST_PAUSE_S

    def next(self) -> float:
        """Return the next pause in seconds."""
        pause = random.uniform(0.5, 1) * self._limit_s  # noqa: S311 - no secret
        self._limit_s = min(2 * self._limit_s, _LONGEST_PAUSE_S)
        return pause
