"""Watch all objects of one kind and survive every kind of connection failure.

Follows "Efficient detection of changes" of the API concepts of Kubernetes: a list returns the state
at a resource version, and a watch from that version returns every later change, so nothing is lost.
Each change and bookmark has a newer version, from which an interrupted watch continues. Only if the
server no longer has that version (``410 Gone``) are the objects listed again.
"""

from __future__ import annotations

import contextlib
import json
import logging
import random
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from hybrid_parsl.psij_kubernetes import names
from hybrid_parsl.psij_kubernetes.client import GONE, ApiError, Backoff, object_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hybrid_parsl.psij_kubernetes.client import ApiClient, Object

logger = logging.getLogger(__name__)

_PAGE = "500"
_WATCH_S = 300
_CHUNK = 65_536


class WatchHandler(Protocol):
    """Receiver of the events of a watch."""

    def on_event(self, kind: str, event: str, item: Object) -> None:
        """Handle an object that was ``ADDED`` (or listed), ``MODIFIED`` or ``DELETED``."""

    def on_list(
        self, kind: str, namespace: str, uids: Mapping[str, str], requested_at: float
    ) -> None:
        """Handle a complete list, after `on_event` was called for each of its objects.

        Parameters
        ----------
        kind, namespace
            What was listed.
        uids
            Uids of all objects by name.
        requested_at
            Time of the request, on the clock of `time.monotonic`.
        """


class Watch:
    """Watch of one kind of objects in one namespace, on a thread of its own.

    Parameters
    ----------
    api
        Client of the cluster.
    kind, namespace
        What to watch; only objects created through PSI/J.
    handler
        Called on the thread of the watch.
    silence_s
        Read timeout in seconds after which the connection is considered broken.
    """

    def __init__(
        self, api: ApiClient, kind: str, namespace: str, handler: WatchHandler, silence_s: float
    ) -> None:
        self.kind = kind
        self.namespace = namespace
        self._api = api
        self._handler = handler
        self._silence_s = silence_s
        self._version: str | None = None
        self._stopped = threading.Event()
        self._response: Any = None
        name = f"psij-kubernetes {namespace} {kind}s"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """List the objects and watch them from then on.

        Raises
        ------
        ApiError
            If they cannot be listed: the kind does not exist, or access is denied.
        """
        self._list()
        self._thread.start()

    def stop(self) -> None:
        """Stop watching and wait for the thread."""
        self._stopped.set()
        with contextlib.suppress(Exception):  # the connection may be closing
            self._response.shutdown()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        """Watch, and list again when necessary, until stopped."""
        backoff = Backoff()
        while not self._stopped.is_set():
            before = self._version
            try:
                if self._version is None:
                    self._list()
                self._watch()
            except ApiError as error:
                if error.status == GONE:
                    self._version = None
                if not error.is_transient and error.status != GONE:
                    logger.warning("watch of %ss: %s", self.kind, error)
                delay = error.retry_after_s or backoff.next_delay()
                logger.info("watch of %ss: %s; next attempt in %.1f s", self.kind, error, delay)
                self._stopped.wait(delay)
            except Exception:  # without its watch, a job would never end
                logger.exception("watch of %ss", self.kind)
                self._version = None
                self._stopped.wait(backoff.next_delay())
            else:
                if self._version == before:  # do not flood a server that closes each watch
                    self._stopped.wait(backoff.next_delay())
            if self._version != before and self._version is not None:
                backoff = Backoff()

    def _list(self) -> None:
        """List all objects and pass them to the handler.

        Raises
        ------
        ApiError
            If they cannot be listed.
        """
        requested_at = time.monotonic()
        uids: dict[str, str] = {}
        token = ""
        while True:
            query = {"labelSelector": names.SELECTOR, "limit": _PAGE}
            query |= {"continue": token} if token else {}
            page = self._api.request("GET", object_path(self.kind, self.namespace), query)
            for item in page.get("items") or []:
                uids[item["metadata"]["name"]] = item["metadata"]["uid"]
                self._dispatch("ADDED", item)
            token = page["metadata"].get("continue") or ""
            if not token:
                break
        self._version = page["metadata"]["resourceVersion"]
        self._handler.on_list(self.kind, self.namespace, uids, requested_at)

    def _watch(self) -> None:
        """Pass changes to the handler until the connection ends.

        Raises
        ------
        ApiError
            If the connection broke or was rejected, or the version is too old.
        """
        query = {
            "labelSelector": names.SELECTOR,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version or "",
            "timeoutSeconds": str(_WATCH_S + random.randrange(60)),  # noqa: S311 - no secret
        }
        path = object_path(self.kind, self.namespace)
        response = self._api.open("GET", path, query, read_s=self._silence_s)
        self._response = response
        try:
            if self._stopped.is_set():  # `stop` may have missed this response
                return
            for line in _lines(response, self._stopped):
                self._on_line(line)
        finally:
            self._response = None
            response.close()

    def _on_line(self, line: bytes) -> None:
        """Decode an event and pass it to the handler.

        Raises
        ------
        ApiError
            If the event is invalid or reports an error.
        """
        try:
            event = json.loads(line)
            kind, item = event["type"], event["object"]
        except (ValueError, KeyError, TypeError) as error:
            message = f"invalid event of the API server: {line[:200]!r}"
            raise ApiError(0, message) from error
        if kind == "ERROR":
            code = int(item.get("code") or 0)
            raise ApiError(code, str(item.get("message")), str(item.get("reason")))
        if kind != "BOOKMARK":
            self._dispatch(kind, item)
        self._version = item["metadata"]["resourceVersion"]

    def _dispatch(self, event: str, item: Object) -> None:
        """Call the handler; its errors must not end the watch."""
        try:
            self._handler.on_event(self.kind, event, item)
        except Exception:
            logger.exception("%s %s", event, item.get("metadata", {}).get("name"))


def _lines(response: Any, stopped: threading.Event) -> Iterator[bytes]:
    """Yield the complete lines of a response.

    Raises
    ------
    ApiError
        If the connection broke or was silent for too long.
    """
    import urllib3

    rest = b""
    try:
        for chunk in response.stream(_CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (line for line in lines if line.strip())
            if stopped.is_set():
                return
    except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError) as error:
        if stopped.is_set():
            return
        message = f"the connection broke: {error}"
        raise ApiError(0, message) from error
