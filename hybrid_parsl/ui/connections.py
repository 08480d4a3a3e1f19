"""Connections to the server, few at a time: every user of the host can open them.

A connection that has not sent a whole request after some seconds is closed. Those that wait for
one longest make room for new ones, so that the owner of the page is not kept out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

MOST = 64
PATIENCE_S = 10.0
BACKLOG = 32
"""Connections that the kernel keeps until they are accepted.

asyncio accepts so many at once before protocols can drop one. Together with `MOST` they are far
below the 256 open files that some systems allow.
"""


class Connection(H11Protocol):
    """A connection of a client.

    Attributes
    ----------
    is_dropped
        Whether it has made room for another one, and is about to end.
    waits_since
        When it began to wait for a request, by the clock of the loop.
    """

    is_dropped = False
    waits_since = 0.0
    _deadline: asyncio.TimerHandle | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a request is being answered."""
        is_answered = self.cycle is not None and not self.cycle.response_complete
        return is_answered or self.transport.get_write_buffer_size() > 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request; if there are too many connections, drop another one."""
        super().connection_made(transport)
        self._await_request()
        known = [each for each in self.connections if isinstance(each, Connection)]
        kept = [each for each in known if not each.is_dropped]
        if len(kept) > MOST:
            dropped = min(kept, key=lambda each: (each is self, each.is_busy, each.waits_since))
            dropped.is_dropped = True
            dropped.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        super().connection_lost(exc)
        if self._deadline is not None:
            self._deadline.cancel()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._await_request()

    def _await_request(self) -> None:
        """Close the connection if its next request does not arrive in time."""
        if self._deadline is not None:
            self._deadline.cancel()
        self.waits_since = self.loop.time()
        self._deadline = self.loop.call_later(PATIENCE_S, self._close_unless_busy)

    def _close_unless_busy(self) -> None:
        """Close the connection, unless its request has arrived."""
        if not self.is_busy:
            self.transport.close()
