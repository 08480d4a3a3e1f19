"""Calls of our function on endpoints, through the web service of Globus Compute.

Results are polled over HTTPS, one task at a time, and not streamed: this takes no thread that
could outlive a timeout, no port but 443, and goes on from another process just as well.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from hybrid_parsl.errors import (
    BackendUnavailableError,
    ConfigurationError,
    JobRejectedError,
    ResultError,
    ResultPendingError,
)
from hybrid_parsl.remote.request import FUNCTION_NAME, function_source
from hybrid_parsl.remote.service_errors import SERVICE, no_credentials, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ID_VARIABLE = "GLOBUS_COMPUTE_CLIENT_ID"
SECRET_VARIABLE = "GLOBUS_COMPUTE_CLIENT_SECRET"  # noqa: S105 - the name of a variable
PACKAGE = "hybrid-parsl[globus]"
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0
_SLOWER = 1.2
_OFFLINE_PATIENCE_S = 300.0
_NOT_FOUND = 404
_ONLINE = "online"


@dataclass(frozen=True)
class Submission:
    """A call that the service has taken.

    Attributes
    ----------
    task_group, task, endpoint, function
        Their ids.
    """

    task_group: str
    task: str
    endpoint: str
    function: str


class ComputeService:
    """The service, as one user sees it.

    Parameters
    ----------
    client
        A ``globus_compute_sdk.Client``.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    @classmethod
    def connect(cls) -> Self:
        """Return the service, as `connected_client` does, for calls that only JSON passes through.

        Raises
        ------
        HybridParslError
            If there are no valid credentials, or the service cannot be reached.
        """
        client = connected_client()
        from globus_compute_sdk.serialize import (
            ComputeSerializer,
            JSONData,
            PureSourceTextInspect,
        )

        client.fx_serializer = ComputeSerializer(
            strategy_data=JSONData(),
            # an endpoint may send no pickle for us to execute
            allowed_deserializer_types=[PureSourceTextInspect, JSONData],
        )
        return cls(client)

    def endpoint(self, endpoint: str) -> dict[str, Any]:
        """Return what the service knows of an endpoint.

        Raises
        ------
        HybridParslError
            If it cannot be asked, or knows no such endpoint: see `translated`.
        """
        with translated():
            found: dict[str, Any] = dict(self._client.get_endpoint_metadata(endpoint))
        return found

    def check_online(self, endpoint: str) -> None:
        """Check that an endpoint would begin with a task now.

        Raises
        ------
        BackendUnavailableError
            If it is offline: a task would wait, perhaps forever.
        """
        with translated():
            status = self._client.get_endpoint_status(endpoint).get("status")
        if status != _ONLINE:
            reason = f"the endpoint {endpoint} is {status}: start it with globus-compute-endpoint"
            raise BackendUnavailableError(SERVICE, reason)

    def register(self) -> str:
        """Register our function and return its id, which is another one each time."""
        with translated():
            return str(self._client.register_source_code(function_source(), FUNCTION_NAME))

    def submit(
        self, endpoint: str, function: str, request: str, template: Mapping[str, Any] | None = None
    ) -> Submission:
        """Have `function` called with `request` and return how to find the call again.

        Parameters
        ----------
        endpoint, function
            Their ids.
        request
            What the function is called with.
        template
            Values for the endpoint's template; what it takes, its schema says.
        """
        with translated():
            batch = self._client.create_batch(
                user_endpoint_config=dict(template or {}),
                result_serializers=["globus_compute_sdk.serialize.concretes.JSONData"],
            )
            batch.add(function, (request,), {})
            answer = self._client.batch_run(endpoint, batch)
        (task,) = answer["tasks"][function]
        return Submission(answer["task_group_id"], task, endpoint, function)

    def task_state(self, task: str) -> str:
        """Return what the service says of a task, such as ``waiting-for-ep`` or ``success``."""
        with translated(task):
            return str(self._ask(task).get("status", "unknown"))

    def wait(
        self,
        task: str,
        limit_s: float | None,
        what: str,
        advice: str,
        on_state: Callable[[str], None] | None = None,
    ) -> str:
        """Return what the function answered in `task`.

        Parameters
        ----------
        task
            Its id.
        limit_s
            Longest time to wait in seconds; None for no limit.
        what, advice
            What is waited for, and what can be done when the time is over.
        on_state
            Called with the service's state of the task at each poll.

        Raises
        ------
        BackendUnavailableError
            If the service could not be reached for five minutes.
        JobFailedError
            If the task failed before the function could answer.
        ResultError
            If the service has no result any more: it keeps one for half an hour.
        ResultPendingError
            If the time is over.
        """
        begun = last_answer = time.monotonic()
        pause = _FIRST_PAUSE_S
        while True:
            try:
                with translated(task):
                    answer = self._ask(task)
                last_answer = time.monotonic()
                if on_state is not None:
                    on_state(str(answer.get("status", "unknown")))
            except BackendUnavailableError:
                if time.monotonic() - last_answer > _OFFLINE_PATIENCE_S:
                    raise
                answer = {"pending": True}
            except JobRejectedError as error:
                if getattr(error.__cause__, "http_status", None) != _NOT_FOUND:
                    raise
                answer = {"pending": False}
            if not answer["pending"]:
                if "result" not in answer:
                    raise ResultError(f"the result of task {task} is gone: it was not asked for")
                return str(answer["result"])
            left_s = pause if limit_s is None else begun + limit_s - time.monotonic()
            if left_s <= 0:
                raise ResultPendingError(what, round(limit_s or 0), advice)
            time.sleep(min(pause, left_s))
            pause = min(pause * _SLOWER, _LONGEST_PAUSE_S)

    def _ask(self, task: str) -> dict[str, Any]:
        """Return what the service answers about a task."""
        answer: dict[str, Any] = self._client.get_task(task)
        return answer


def connected_client() -> Any:
    """Return a client of the service for whoever the environment, or an earlier login, says we are.

    In a terminal, prompts for a login if there is none.

    Raises
    ------
    BackendUnavailableError
        If the service cannot be reached.
    ConfigurationError
        If Globus' package is not installed, or there are no credentials.
    JobRejectedError
        If the credentials are not valid, or the package is too old for the service.
    """
    check_variables(os.environ)
    try:
        from globus_compute_sdk import Client
    except ImportError as error:
        message = "Globus Compute is not installed"
        raise ConfigurationError(
            message, valid=f"pip install '{PACKAGE}', or in a clone '.[globus]'"
        ) from error
    with translated():
        _check_secret(os.environ)
        client = Client(do_version_check=False)  # which would ask for a login first
        if client.app is not None and client.app.login_required() and not _can_log_in():
            raise no_credentials()
        client.version_check()
    return client


def check_variables(variables: Mapping[str, str]) -> None:
    """Check that a client's id and secret are both set, or neither.

    Raises
    ------
    ConfigurationError
        Only one is.
    """
    lacking = [name for name in (ID_VARIABLE, SECRET_VARIABLE) if not variables.get(name)]
    if len(lacking) == 1:
        message = "a client of Globus has an id and a secret"
        raise ConfigurationError(message, f"${lacking[0]}", None, "not set", "both, or neither")


def _check_secret(variables: Mapping[str, str]) -> None:
    """Have Globus Auth check a client's secret, which it does not do while tokens are cached.

    Raises
    ------
    GlobusAPIError
        If it is wrong.
    """
    if not variables.get(SECRET_VARIABLE):
        return
    from globus_sdk import ConfidentialAppAuthClient
    from globus_sdk.scopes import ComputeScopes

    auth = ConfidentialAppAuthClient(variables[ID_VARIABLE], variables[SECRET_VARIABLE])
    auth.oauth2_client_credentials_tokens(ComputeScopes.all)


def check_id(text: str, option: str) -> str:
    """Return the id `text` as Globus writes it.

    Raises
    ------
    ConfigurationError
        If it is invalid.
    """
    try:
        return str(UUID(text))
    except ValueError as error:
        valid = "an id such as 4b116d3c-1703-4f8f-9f6f-39921e5864df"
        raise ConfigurationError("is no id", option, None, text, valid) from error


def _can_log_in() -> bool:
    """Return whether there is a terminal to log in at."""
    return sys.stdin.isatty() and sys.stderr.isatty()
