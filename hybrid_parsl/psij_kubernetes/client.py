"""Client of the Kubernetes API with retries, and its errors.

Objects are plain dictionaries: the models of the official client take longer than the rest of a
submission.
"""

from __future__ import annotations

import contextlib
import json
import logging
import random
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.psij_kubernetes import names
from hybrid_parsl.psij_kubernetes.auth import Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hybrid_parsl.psij_kubernetes.config import KubernetesExecutorConfig
    from hybrid_parsl.psij_kubernetes.names import NativeId

logger = logging.getLogger(__name__)

Object = dict[str, Any]
"""A Kubernetes object."""
NOT_FOUND, GONE = 404, 410
_API_PATHS = {
    names.JOB: "apis/batch/v1",
    names.MPI_JOB: "apis/kubeflow.org/v2beta1",
    names.POD: "api/v1",
    "secret": "api/v1",
    "event": "api/v1",
}
_OK, _UNAUTHORIZED, _CONFLICT = range(200, 300), 401, 409
_TRANSIENT = (429, 500, 502, 503, 504)
_PAGE = "500"
_CONNECT_S, _READ_S, _MIN_TIMEOUT_S = 10.0, 30.0, 1.0
_FIRST_DELAY_S, _MAX_DELAY_S = 0.1, 5.0


class ApiError(Exception):
    """The API server rejected a request, or could not be reached.

    Parameters
    ----------
    status
        HTTP status; 0 without a response.
    message
        Message of the server.
    reason
        Machine-readable reason such as ``AlreadyExists``.
    retry_after_s
        Seconds after which the server asks to retry.
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
        """Whether the same request may succeed later."""
        return self.status == 0 or self.status in _TRANSIENT or self._is_write_conflict

    @property
    def _is_write_conflict(self) -> bool:
        """Whether the server lost a race internally, when it updated a quota for example."""
        is_conflict = self.status == _CONFLICT and self.reason == "Conflict"
        return is_conflict and not self.is_uid_mismatch

    @property
    def is_uid_mismatch(self) -> bool:
        """Whether the name now belongs to another object than the requested one."""
        return self.status == _CONFLICT and "Precondition failed" in self.message


def _error_from(response: Any) -> ApiError:
    """Return the error of a response without a success status; reads and releases it."""
    try:
        text = response.read().decode("utf-8", "replace")
        response.release_conn()
    except Exception as error:  # noqa: BLE001 - the status is known anyway
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


class Backoff:
    """Exponential backoff with jitter."""

    def __init__(self) -> None:
        self._limit_s = _FIRST_DELAY_S

    def next_delay(self) -> float:
        """Return the next delay in seconds."""
        delay = random.uniform(0.5, 1) * self._limit_s  # noqa: S311 - no secret
        self._limit_s = min(2 * self._limit_s, _MAX_DELAY_S)
        return delay


class ApiClient:
    """Thread-safe client of one cluster.

    Parameters
    ----------
    config
        Cluster, credentials and timeouts.

    Raises
    ------
    ConfigurationError
        If the official client is not installed or the configuration is invalid.
    """

    def __init__(self, config: KubernetesExecutorConfig) -> None:
        self.retry_s = config.retry_s
        limit_s = max(_MIN_TIMEOUT_S, config.retry_s)
        self._connect_s, self._read_s = min(_CONNECT_S, limit_s), min(_READ_S, limit_s)
        self._session = Session(config)
        self.namespace = self._session.namespace
        self._stopped = threading.Event()
        self._clock_offset_s = 0.0

    def create(self, kind: str, namespace: str, body: Mapping[str, Any]) -> Object:
        """Create an object.

        Raises
        ------
        ApiError
            If it was not created, or that is unknown.
        """
        return self.request("POST", object_path(kind, namespace), body=body)

    def get(self, kind: str, namespace: str, name: str) -> Object:
        """Return an object.

        Raises
        ------
        ApiError
            If it cannot be read; status 404 if it does not exist.
        """
        return self.request("GET", object_path(kind, namespace, name))

    def find(self, native_id: NativeId) -> Object | None:
        """Return a job; None if it does not exist.

        Raises
        ------
        ApiError
            If it cannot be read.
        """
        try:
            return self.get(native_id.kind, native_id.namespace, native_id.name)
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def list_objects(self, path: str, query: Mapping[str, str] | None = None) -> Iterator[Object]:
        """Yield all objects of a list, fetched in pages.

        Raises
        ------
        ApiError
            If they cannot be listed.
        """
        token = ""
        while True:
            more = {"continue": token} if token else {}
            page = self.request("GET", path, {**(query or {}), "limit": _PAGE, **more})
            yield from page.get("items") or []
            token = page["metadata"].get("continue") or ""
            if not token:
                return

    def pods_of(self, native_id: NativeId) -> list[Object]:
        """Return the pods of a job.

        Raises
        ------
        ApiError
            If they cannot be listed.
        """
        query = {"labelSelector": f"{names.JOB_LABEL}={native_id.name}"}
        return list(self.list_objects(object_path(names.POD, native_id.namespace), query))

    def delete(self, native_id: NativeId, uid: str, propagation: str) -> bool:
        """Delete a job and its dependents; return whether it existed.

        Parameters
        ----------
        native_id, uid
            The job; another object of the same name is not deleted.
        propagation
            ``Foreground`` or ``Background``.

        Raises
        ------
        ApiError
            If it was not deleted.
        """
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
            "preconditions": {"uid": uid},
        }
        path = object_path(native_id.kind, native_id.namespace, native_id.name)
        try:
            self.request("DELETE", path, body=options)
        except ApiError as error:
            if error.status != NOT_FOUND and not error.is_uid_mismatch:
                raise
            return False
        return True

    def now(self) -> datetime:
        """Return the current time on the clock of the server."""
        return datetime.now(UTC) + timedelta(seconds=self._clock_offset_s)

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Object:
        """Return the decoded response of a request, with retries of transient errors.

        Raises
        ------
        ApiError
            If the server rejected it, or transient errors continued for ``retry_s``.
        """
        deadline = time.monotonic() + self.retry_s
        backoff = Backoff()
        while True:
            try:
                return self._decode(self.open(method, path, query, body))
            except ApiError as error:
                delay = error.retry_after_s or backoff.next_delay()
                if not error.is_transient or time.monotonic() + delay > deadline:
                    raise
                logger.info("%s %s: %s; next attempt in %.1f s", method, path, error, delay)
                if self._stopped.wait(delay):
                    raise

    def open(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        read_s: float | None = None,
    ) -> Any:
        """Return the streaming response of a request, without retries.

        Expired credentials are renewed once.

        Raises
        ------
        ApiError
            If the server rejected it or could not be reached.
        """
        generation = self._session.generation
        response = self._send(method, path, query, body, read_s)
        if response.status == _UNAUTHORIZED:
            _error_from(response)  # drains it, so that the connection can be reused
            try:
                self._session.renew(generation)
            except (ConfigurationError, TimeoutError) as error:
                message = f"cannot renew the credentials: {error}"
                raise ApiError(0, message) from error
            response = self._send(method, path, query, body, read_s)
        if response.status not in _OK:
            raise _error_from(response)
        return response

    def stop(self) -> None:
        """Stop retrying requests."""
        self._stopped.set()

    def close(self) -> None:
        """Close idle connections."""
        self._session.client.close()

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
        read_s: float | None,
    ) -> Any:
        """Return the response of a request, whatever its status.

        Raises
        ------
        ApiError
            If the server could not be reached.
        """
        import urllib3

        client = self._session.client
        configuration = client.configuration
        url = f"{configuration.host}/{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json, */*", "User-Agent": "psij-kubernetes"}
        token = configuration.auth_settings().get("BearerToken")
        if token and token["value"]:
            headers[token["key"]] = token["value"]
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
                timeout=urllib3.Timeout(connect=self._connect_s, read=read_s or self._read_s),
                retries=False,
                preload_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            message = f"the API server {configuration.host} does not answer: {error}"
            raise ApiError(0, message) from error
        self._update_clock_offset(response)
        return response

    def _update_clock_offset(self, response: Any) -> None:
        """Compare the clock of the server with the local clock."""
        with contextlib.suppress(ValueError, TypeError):  # a missing or invalid header
            date = parsedate_to_datetime(response.headers.get("Date", ""))
            self._clock_offset_s = (date - datetime.now(UTC)).total_seconds()

    def _decode(self, response: Any) -> Object:
        """Return the decoded body of a response.

        Raises
        ------
        ApiError
            If the connection broke or the body is not JSON, as from a proxy.
        """
        import urllib3

        try:
            data = response.read()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ApiError(0, f"the connection broke: {error}") from error
        finally:
            response.release_conn()
        try:
            body: Object = json.loads(data)
        except ValueError as error:
            raise ApiError(0, f"invalid response of the API server: {data[:200]!r}") from error
        return body


def object_path(
    kind: str, namespace: str, name: str | None = None, subresource: str | None = None
) -> str:
    """Return the API path of a collection, an object or its subresource."""
    parts = [_API_PATHS[kind], "namespaces", quote(namespace, safe=""), f"{kind}s"]
    parts += [quote(name, safe="")] if name else []
    return "/".join([*parts, *([subresource] if subresource else [])])
