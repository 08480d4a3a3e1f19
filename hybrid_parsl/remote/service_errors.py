"""What Globus Compute reports, in our words: the state of a task, and errors."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from hybrid_parsl.errors import (
    BackendUnavailableError,
    ConfigurationError,
    HybridParslError,
    JobFailedError,
    JobRejectedError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICE = "Globus Compute"
_NOT_AUTHENTICATED = 401
_ADVICE = {
    401: "check GLOBUS_COMPUTE_CLIENT_ID and GLOBUS_COMPUTE_CLIENT_SECRET, or log in again",
    403: "the endpoint does not allow it: see its allowed_functions, and --function",
    404: "check the id",
    413: "an experiment and what it embeds may have 10 MiB",
}
_TRY_AGAIN = (408, 429)
_SERVER_FAULT = 500
_NO_CREDENTIALS = {"EOFError", "TokenValidationError"}  # a prompt without a terminal, no token
_FAILURES = {
    "MaxResultSizeExceeded": "its result is larger than the 10 MiB that Globus Compute carries",
    "WorkerLost": "the worker died; what it had written is on the endpoint",
    "Unable to start user endpoint": "the endpoint could not start what its template describes",
}


_STATES = {
    "received": "the service has it and will pass it on to the endpoint",
    "waiting-for-ep": "the endpoint has not taken it yet, or works on it and has not said so",
    "waiting-for-nodes": "the endpoint has it and waits for a free worker",
    "waiting-for-launch": "the endpoint has it and starts a worker",
    "running": "a worker of the endpoint works on it",
    "success": "the call has returned; whether the run succeeded, remote attach says",
    "failed": "the call failed before the run could report",
}


def state_meaning(state: str) -> str:
    """Return what the service's word for the state of a task means for a run; may be empty."""
    return _STATES.get(state, "")


@contextlib.contextmanager
def translated(task: str = "") -> Iterator[None]:
    """Convert errors of Globus into errors of this package, with the original as cause.

    Parameters
    ----------
    task
        The task in question, if there is one.

    Raises
    ------
    BackendUnavailableError
        If the service cannot be reached, is overloaded, or fails: another try may help.
    ConfigurationError
        If there are no credentials.
    JobFailedError
        If the task failed before our function could answer.
    JobRejectedError
        If the service refused: wrong credentials, no such endpoint, not allowed, too large.
    """
    from globus_compute_sdk.errors import ComputeError, TaskExecutionFailed
    from globus_sdk import GlobusAPIError, GlobusError, NetworkError

    try:
        yield
    except HybridParslError:
        raise
    except GlobusAPIError as error:
        raise _of_answer(error.http_status, error.code, error.message) from error
    except NetworkError as error:
        raise BackendUnavailableError(SERVICE, f"no connection: {error}") from error
    except TaskExecutionFailed as error:
        raise explain_task_failure(task, error.remote_data) from error
    except (GlobusError, EOFError) as error:
        if _NO_CREDENTIALS & {kind.__name__ for kind in type(error).__mro__}:
            raise no_credentials() from error
        raise JobRejectedError(SERVICE, f"{type(error).__name__}: {error}") from error
    except ComputeError as error:
        raise JobRejectedError(SERVICE, str(error)) from error


def in_our_words(error: BaseException, task: str) -> BaseException:
    """Return what `translated` raises for `error`, or `error` itself if it is not from Globus."""
    try:
        with translated(task):
            raise error  # noqa: TRY301 - for `translated`
    except BaseException as found:  # noqa: BLE001 - the error is what is wanted
        return found


def refuses_credentials(error: HybridParslError) -> bool:
    """Return whether `error` says that the service does not know who we are."""
    return getattr(error.__cause__, "http_status", None) == _NOT_AUTHENTICATED


def no_credentials() -> ConfigurationError:
    """Return the error that says how to log in."""
    return ConfigurationError(
        "not logged in to Globus, and there is no terminal to do so",
        valid="set GLOBUS_COMPUTE_CLIENT_ID and GLOBUS_COMPUTE_CLIENT_SECRET, or run "
        "'hybrid-parsl doctor --endpoint ID' once in a terminal",
    )


def explain_task_failure(task: str, remote: str) -> JobFailedError:
    """Return why `task` failed outside of our function, from the text the endpoint sent."""
    lines = remote.strip().splitlines() or ["no reason was given"]
    for word, meaning in _FAILURES.items():
        if word in remote:
            return JobFailedError(task, meaning, stderr_tail="\n".join(lines))
    return JobFailedError(task, lines[-1].strip(), stderr_tail="\n".join(lines))


def _of_answer(status: int, code: str | None, message: str | None) -> HybridParslError:
    """Return the error for an HTTP answer of the service."""
    said = ": ".join(part for part in (str(status), code, message) if part)
    if status in _TRY_AGAIN or status >= _SERVER_FAULT:
        return BackendUnavailableError(SERVICE, said)
    advice = _ADVICE.get(status)
    return JobRejectedError(SERVICE, f"{said}\n  {advice}" if advice else said)
