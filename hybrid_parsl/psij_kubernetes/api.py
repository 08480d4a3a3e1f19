"""Calls to the API server, repeated where that may help.

Objects stay plain tables. The official client's models would cost more time than all the rest of
a submission.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from hybrid_parsl.psij_kubernetes import names
from hybrid_parsl.psij_kubernetes.answers import ApiError, Pauses, refusal_of
from hybrid_parsl.psij_kubernetes.login import Login

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hybrid_parsl.psij_kubernetes.config import KubernetesExecutorConfig
    from hybrid_parsl.psij_kubernetes.names import NativeId

logger = logging.getLogger(__name__)

_GROUPS = {
    names.JOB: "apis/batch/v1",
    names.MPI_JOB: "apis/kubeflow.org/v2beta1",
    names.POD: "api/v1",
    "secret": "api/v1",
    "event": "api/v1",
}
_OK, _UNAUTHORIZED, _ABSENT = range(200, 300), 401, 404
_PAGE = "500"
_CONNECT_S, _ANSWER_S, _LEAST_PATIENCE_S = 10.0, 30.0, 1.0


class Api:
    """A connection to one cluster, for any number of threads.

    Parameters
    ----------
    config
        How to reach it.

    Raises
    ------
    ConfigurationError
        The client is not installed, or the cluster's configuration cannot be used.
    """

    def __init__(self, config: KubernetesExecutorConfig) -> None:
        self.retry_s = config.retry_s
        patience_s = max(_LEAST_PATIENCE_S, config.retry_s)
        self._connect_s, self._answer_s = min(_CONNECT_S, patience_s), min(_ANSWER_S, patience_s)
        self._login = Login(config)
        self.namespace = self._login.namespace
        self._closed = threading.Event()
        self._ahead_s = 0.0

    def create(self, kind: str, namespace: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object.

        Raises
        ------
        ApiError
            It was not created, or nobody can say whether it was.
        """
        return self.call("POST", path(kind, namespace), body=body)

    def read(self, kind: str, namespace: str, name: str) -> dict[str, Any]:
        """Return an object.

        Raises
        ------
        ApiError
            It cannot be read; status 404 if it is not there.
        """
        return self.call("GET", path(kind, namespace, name))

    def find(self, native_id: NativeId) -> dict[str, Any] | None:
        """Return a job; None if it is not there.

        Raises
        ------
        ApiError
            It cannot be read.
        """
        try:
            return self.read(native_id.kind, native_id.namespace, native_id.name)
        except ApiError as error:
            if error.status == _ABSENT:
                return None
            raise

    def items(self, where: str, query: Mapping[str, str] | None = None) -> Iterator[dict[str, Any]]:
        """Yield all objects of a list, page by page.

        Raises
        ------
        ApiError
            They cannot be listed.
        """
        following = ""
        while True:
            more = {"continue": following} if following else {}
            page = self.call("GET", where, {**(query or {}), "limit": _PAGE, **more})
            yield from page.get("items") or []
            following = page["metadata"].get("continue") or ""
            if not following:
                return

    def pods_of(self, native_id: NativeId) -> list[dict[str, Any]]:
        """Return the pods of a job.

        Raises
        ------
        ApiError
            They cannot be listed.
        """
        query = {"labelSelector": f"{names.JOB_LABEL}={native_id.name}"}
        return list(self.items(path(names.POD, native_id.namespace), query))

    def delete(self, native_id: NativeId, uid: str, propagation: str) -> bool:
        """Delete a job and what belongs to it; return whether it was there.

        Parameters
        ----------
        native_id, uid
            The job; another one that has its name by now is left alone.
        propagation
            ``Foreground`` or ``Background``.

        Raises
        ------
        ApiError
            It was not deleted.
        """
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
            "preconditions": {"uid": uid},
        }
        where = path(native_id.kind, native_id.namespace, native_id.name)
        try:
            self.call("DELETE", where, body=options)
        except ApiError as error:
            if error.status != _ABSENT and not error.is_another:
                raise
            return False
        return True

    def now(self) -> datetime:
        """Return the time by the clock of the server, as far as its answers tell."""
        return datetime.now(UTC) + timedelta(seconds=self._ahead_s)

    def call(
        self,
        method: str,
        where: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the answer to a call, which is repeated while the server cannot answer it.

        Raises
        ------
        ApiError
            The server refused it, or could not be reached for as long as the configuration says.
        """
        deadline = time.monotonic() + self.retry_s
        pauses = Pauses()
        while True:
            try:
                return self._content(self.open(method, where, query, body))
            except ApiError as error:
                pause = error.retry_after_s or pauses.next()
                if not error.is_transient or time.monotonic() + pause > deadline:
                    raise
                logger.info("%s %s: %s; again in %.1f s", method, where, error, pause)
                if self._closed.wait(pause):
                    raise

    def open(
        self,
        method: str,
        where: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        answer_s: float | None = None,
    ) -> Any:
        """Return the response to a call, tried once, before its content has come.

        Raises
        ------
        ApiError
            The server refused it, or could not be reached.
        """
        number = self._login.number
        response = self._send(method, where, query, body, answer_s)
        if response.status == _UNAUTHORIZED:
            refusal_of(response)  # reads what was sent: the connection is used again
            self._login.renew(number)
            response = self._send(method, where, query, body, answer_s)
        if response.status not in _OK:
            raise refusal_of(response)
        return response

    def stop(self) -> None:
        """Repeat no call any more."""
        self._closed.set()

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._login.client.close()

    def _send(
        self,
        method: str,
        where: str,
        query: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
        answer_s: float | None,
    ) -> Any:
        """Return the response to a call, whatever it is.

        Raises
        ------
        ApiError
            The server could not be reached.
        """
        import urllib3

        client = self._login.client
        configuration = client.configuration
        url = f"{configuration.host}/{where}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json, */*", "User-Agent": "psij-kubernetes"}
        login = configuration.auth_settings().get("BearerToken")
        if login and login["value"]:
            headers[login["key"]] = login["value"]
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        try:
            response = client.rest_client.pool_manager.request(
                method,
                url,
                body=data,
                headers=headers,
                timeout=urllib3.Timeout(connect=self._connect_s, read=answer_s or self._answer_s),
                retries=False,
                preload_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            message = f"the API server {configuration.host} does not answer: {error}"
            raise ApiError(0, message) from error
        self._compare_clocks(response)
        return response

    def _compare_clocks(self, response: Any) -> None:
        """Note how much the clock of the server is ahead of this computer's."""
        with contextlib.suppress(ValueError, TypeError):  # there may be none, or none of HTTP's
            told = parsedate_to_datetime(response.headers.get("Date", ""))
            self._ahead_s = (told - datetime.now(UTC)).total_seconds()

    def _content(self, response: Any) -> dict[str, Any]:
        """Return the whole content of a response.

        Raises
        ------
        ApiError
            The connection broke, or what came is no object: something stands before the server.
        """
        import urllib3

        try:
            data = response.read()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ApiError(0, f"the connection broke: {error}") from error
        finally:
            response.release_conn()
        try:
            answer: dict[str, Any] = json.loads(data)
        except ValueError as error:
            raise ApiError(0, f"the API server sent no object: {data[:200]!r}") from error
        return answer


def path(kind: str, namespace: str, name: str | None = None, part: str | None = None) -> str:
    """Return the path of an object, of a part of it, or of all of its kind."""
    words = [_GROUPS[kind], "namespaces", quote(namespace, safe=""), f"{kind}s"]
    words += [quote(name, safe="")] if name else []
    return "/".join([*words, *([part] if part else [])])
