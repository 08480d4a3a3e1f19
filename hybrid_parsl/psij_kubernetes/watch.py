"""Follows all objects of one kind, over everything that can happen to a connection.

The protocol is Kubernetes' own (API concepts, "Efficient detection of changes"): a list tells the
state at a resource version, a watch from that version tells every change after it, so nothing is
lost between the two. Each change and each bookmark brings a newer version, from which a watch that
ended goes on. Only when the server has forgotten that version (``410 Gone``) is there a new list.
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
from hybrid_parsl.psij_kubernetes.answers import ApiError, Pauses
from hybrid_parsl.psij_kubernetes.api import path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hybrid_parsl.psij_kubernetes.api import Api

logger = logging.getLogger(__name__)

_PAGE = "500"
_WATCH_S = 300
_GONE = 410
_PIECE = 65_536


class Follower(Protocol):
    """Is told what a watch sees."""

    def changed(self, kind: str, event: str, thing: dict[str, Any]) -> None:
        """Hear of an object: ``ADDED`` (or just listed), ``MODIFIED`` or ``DELETED``."""

    def listed(self, kind: str, namespace: str, found: Mapping[str, str], asked: float) -> None:
        """Hear of all there are.

        Parameters
        ----------
        kind, namespace
            Of what.
        found
            Their names, with the uid of each.
        asked
            When that was asked, on the clock of `time.monotonic`.
        """


class Watch:
    """Follows one kind of objects in one namespace, on a thread of its own.

    Parameters
    ----------
    api
        The cluster.
    kind, namespace
        What to follow; only objects made through PSI/J.
    follower
        Is told, on the thread of the watch.
    silence_s
        Seconds without a word after which a connection is taken for broken.
    """

    def __init__(
        self, api: Api, kind: str, namespace: str, follower: Follower, silence_s: float
    ) -> None:
        self.kind = kind
        self.namespace = namespace
        self._api = api
        self._follower = follower
        self._silence_s = silence_s
        self._version: str | None = None
        self._stopped = threading.Event()
        self._response: Any = None
        name = f"psij-kubernetes {namespace} {kind}s"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """List what is there, and follow it from then on.

        Raises
        ------
        ApiError
            It cannot be listed: the kind is not there, or it is forbidden.
        """
        self._list()
        self._thread.start()

    def stop(self) -> None:
        """Follow no more; returns when the thread has ended."""
        self._stopped.set()
        with contextlib.suppress(Exception):  # the connection may end by itself just now
            self._response.shutdown()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        """Watch, and list again when that is needed, until stopped."""
        pauses = Pauses()
        while not self._stopped.is_set():
            before = self._version
            try:
                if self._version is None:
                    self._list()
                self._watch()
            except ApiError as error:
                if error.status == _GONE:
                    self._version = None
                if not error.is_transient and error.status != _GONE:
                    logger.warning("watching %ss: %s", self.kind, error)
                pause = error.retry_after_s or pauses.next()
                logger.info("watching %ss: %s; again in %.1f s", self.kind, error, pause)
                self._stopped.wait(pause)
            except Exception:  # a thread that ends would leave its jobs without an end
                logger.exception("watching %ss", self.kind)
                self._version = None
                self._stopped.wait(pauses.next())
            else:
                if self._version == before:  # a server that ends each watch at once
                    self._stopped.wait(pauses.next())
            if self._version != before and self._version is not None:
                pauses = Pauses()

    def _list(self) -> None:
        """Tell the follower all that is there.

        Raises
        ------
        ApiError
            It cannot be listed.
        """
        asked = time.monotonic()
        found: dict[str, str] = {}
        following = ""
        while True:
            query = {"labelSelector": names.SELECTOR, "limit": _PAGE}
            query |= {"continue": following} if following else {}
            page = self._api.call("GET", path(self.kind, self.namespace), query)
            for thing in page.get("items") or []:
                found[thing["metadata"]["name"]] = thing["metadata"]["uid"]
                self._tell("ADDED", thing)
            following = page["metadata"].get("continue") or ""
            if not following:
                break
        self._version = page["metadata"]["resourceVersion"]
        self._follower.listed(self.kind, self.namespace, found, asked)

    def _watch(self) -> None:
        """Tell the follower every change until the connection ends.

        Raises
        ------
        ApiError
            The connection broke, was refused, or the version is too old.
        """
        query = {
            "labelSelector": names.SELECTOR,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version or "",
            "timeoutSeconds": str(_WATCH_S + random.randrange(60)),  # noqa: S311 - no secret
        }
        where = path(self.kind, self.namespace)
        response = self._api.open("GET", where, query, answer_s=self._silence_s)
        self._response = response
        try:
            if self._stopped.is_set():  # before it was there to be shut down
                return
            for line in _lines(response, self._stopped):
                self._take(line)
        finally:
            self._response = None
            response.close()

    def _take(self, line: bytes) -> None:
        """Tell the follower of one event.

        Raises
        ------
        ApiError
            The event says that the watch has failed.
        """
        try:
            event = json.loads(line)
            kind, thing = event["type"], event["object"]
        except (ValueError, KeyError, TypeError) as error:
            message = f"the server sent no event: {line[:200]!r}"
            raise ApiError(0, message) from error
        if kind == "ERROR":
            code = int(thing.get("code") or 0)
            raise ApiError(code, str(thing.get("message")), str(thing.get("reason")))
        if kind != "BOOKMARK":
            self._tell(kind, thing)
        self._version = thing["metadata"]["resourceVersion"]

    def _tell(self, event: str, thing: dict[str, Any]) -> None:
        """Tell the follower; an error of its own must not end the watch."""
        try:
            self._follower.changed(self.kind, event, thing)
        except Exception:
            logger.exception("%s %s", event, thing.get("metadata", {}).get("name"))


def _lines(response: Any, stopped: threading.Event) -> Iterator[bytes]:
    """Yield the whole lines of a response; a last one that was cut off is left out.

    Raises
    ------
    ApiError
        The connection broke, or was silent for too long.
    """
    import urllib3

    rest = b""
    try:
        for piece in response.stream(_PIECE):
            *lines, rest = (rest + piece).split(b"\n")
            yield from (line for line in lines if line.strip())
            if stopped.is_set():
                return
    except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError) as error:
        if stopped.is_set():
            return
        message = f"the connection broke: {error}"
        raise ApiError(0, message) from error
