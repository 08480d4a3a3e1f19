"""Calls to the API server, repeated where that may help.

Objects stay plain tables. The official client's models would cost more time than all the rest of
a submission.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.kubernetes_psij import names
from hybrid_parsl.kubernetes_psij.answers import ApiError, Pauses, refusal_of
from hybrid_parsl.kubernetes_psij.login import log_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hybrid_parsl.kubernetes_psij.config import KubernetesExecutorConfig

logger = logging.getLogger(__name__)

_GROUPS = {
    names.JOB: "apis/batch/v1",
    names.MPI_JOB: "apis/kubeflow.org/v2beta1",
    names.POD: "api/v1",
    "secret": "api/v1",
    "event": "api/v1",
}
_OK, _UNAUTHORIZED = range(200, 300), 401
_PAGE = "500"
_CONNECT_S, _ANSWER_S = 10.0, 30.0


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
        self._config = config
        self.retry_s = config.retry_s
        self._lock = threading.Lock()
        self._login_number = 0
        self._client: Any = None
        self.namespace = ""
        self._closed = threading.Event()
        self._log_in()

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

    def delete(self, kind: str, namespace: str, name: str, propagation: str) -> bool:
        """Delete an object and what belongs to it; return whether it was there.

        Parameters
        ----------
        kind, namespace, name
            The object.
        propagation
            ``Foreground`` or ``Background``.

        Raises
        ------
        ApiError
            It was not deleted.
        """
        try:
            self.call("DELETE", path(kind, namespace, name), {"propagationPolicy": propagation})
        except ApiError as error:
            if error.status != 404:  # noqa: PLR2004 - HTTP's own number
                raise
            return False
        return True

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
                response = self.open(method, where, query, body)
                data = self._content(response)
            except ApiError as error:
                pause = error.retry_after_s or pauses.next()
                if not error.is_transient or time.monotonic() + pause > deadline:
                    raise
                logger.info("%s %s: %s; again in %.1f s", method, where, error, pause)
                if self._closed.wait(pause):
                    raise
            else:
                answer: dict[str, Any] = json.loads(data)
                return answer

    def open(
        self,
        method: str,
        where: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        answer_s: float = _ANSWER_S,
    ) -> Any:
        """Return the response to a call, tried once, before its content has come.

        Raises
        ------
        ApiError
            The server refused it, or could not be reached.
        """
        number = self._login_number
        response = self._send(method, where, query, body, answer_s)
        if response.status == _UNAUTHORIZED:
            response.release_conn()
            self._log_in_again(number)
            response = self._send(method, where, query, body, answer_s)
        if response.status not in _OK:
            raise refusal_of(response)
        return response

    def stop(self) -> None:
        """Repeat no call any more."""
        self._closed.set()

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._client.close()

    def _send(
        self,
        method: str,
        where: str,
        query: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
        answer_s: float,
    ) -> Any:
        """Return the response to a call, whatever it is.

        Raises
        ------
        ApiError
            The server could not be reached.
        """
        import urllib3

        client = self._client
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
            return client.rest_client.pool_manager.request(
                method,
                url,
                body=data,
                headers=headers,
                timeout=urllib3.Timeout(connect=_CONNECT_S, read=answer_s),
                retries=False,
                preload_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            message = f"the API server {configuration.host} does not answer: {error}"
            raise ApiError(0, message) from error

    def _content(self, response: Any) -> bytes:
        """Return the whole content of a response.

        Raises
        ------
        ApiError
            The connection broke.
        """
        import urllib3

        try:
            data: bytes = response.read()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            message = f"the connection broke: {error}"
            raise ApiError(0, message) from error
        finally:
            response.release_conn()
        return data

    def _log_in_again(self, refused: int) -> None:
        """Log in anew because the login `refused` has expired.

        Raises
        ------
        ApiError
            That does not work now: whoever gives out logins may be away.
        """
        try:
            self._log_in(refused)
        except ConfigurationError as error:
            message = f"cannot log in again: {error}"
            raise ApiError(0, message) from error

    def _log_in(self, refused: int | None = None) -> None:
        """Read the kubeconfig or the service account, anew if the login `refused` has expired.

        Raises
        ------
        ConfigurationError
            It cannot be used.
        """
        with self._lock:
            if refused is None or refused == self._login_number:
                self._client, self.namespace = log_in(self._config)
                self._login_number += 1


def path(kind: str, namespace: str, name: str | None = None, part: str | None = None) -> str:
    """Return the path of an object, of a part of it, or of all of its kind."""
    words = [_GROUPS[kind], "namespaces", quote(namespace, safe=""), f"{kind}s"]
    words += [quote(name, safe="")] if name else []
    return "/".join([*words, *([part] if part else [])])
