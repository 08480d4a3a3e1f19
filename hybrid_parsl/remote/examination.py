"""Whether an endpoint can be used, check by check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from hybrid_parsl import __version__
from hybrid_parsl.engine.doctor.finding import Finding, ok, skipped, wrong
from hybrid_parsl.errors import HybridParslError, IdentityMismatchError, JobRejectedError
from hybrid_parsl.records.versions import software_versions
from hybrid_parsl.remote.client import ComputeService, check_id
from hybrid_parsl.remote.functions import known_function
from hybrid_parsl.remote.request import check_request, read_answer
from hybrid_parsl.remote.service_errors import refuses_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHECKS = ("credentials", "endpoint", "function", "versions")
_ACCEPTED = "accepted by Globus Compute"
_OWN = "hybrid-parsl"


class _Versions(BaseModel):
    """The answer of the function to the question for versions."""

    host: str
    versions: dict[str, str]


def examine_endpoint(
    endpoint: str, function: str | None, limit_s: float | None
) -> Iterator[Finding]:
    """Return what becomes of each check of an endpoint: who we are, whether it is there, ours.

    The last check calls our function on the endpoint, as a run would.

    Parameters
    ----------
    endpoint
        Its id.
    function
        The id of our function; the one this user has registered if None.
    limit_s
        Longest time to wait for the call in seconds.

    Raises
    ------
    ConfigurationError
        If an id is not a valid UUID.
    """
    place = check_id(endpoint, "--endpoint")
    called = check_id(function, "--function") if function else None
    return _examine(place, called, limit_s)


def _examine(endpoint: str, function: str | None, limit_s: float | None) -> Iterator[Finding]:
    """Carry out the checks, of which none makes sense after one that found something wrong."""
    done = 0
    try:
        service = ComputeService.connect()
        try:
            about = service.endpoint(endpoint)
        except JobRejectedError as error:
            if refuses_credentials(error):
                raise
            yield ok(_CHECKS[0], _ACCEPTED)
            done = 1
            raise
        yield ok(_CHECKS[0], _ACCEPTED)
        done = 1
        service.check_online(endpoint)
        yield ok(_CHECKS[1], f"{about.get('name') or endpoint} is online")
        done = 2
        called = function or known_function(service)
        call = service.submit(endpoint, called, check_request())
        yield ok(_CHECKS[2], f"{called} is allowed")
        done = 3
        answer = service.wait(call.task, limit_s, "the check", "its workers may all be busy")
        yield _compare(read_answer(answer, _Versions))
    except HybridParslError as error:
        advice = "run the check again once this is put right"
        yield wrong(_CHECKS[done], str(error), advice)
        for name in _CHECKS[done + 1 :]:
            yield skipped(name, f"needs {_CHECKS[done]}")


def _compare(answer: dict[str, Any]) -> Finding:
    """Return what comes of comparing the versions on both sides."""
    here, there = software_versions(), answer["versions"]
    if _OWN not in there:
        python, said = there.get("python", "its Python"), there.get("error", "no versions")
        message = f"{python} cannot import hybrid-parsl:\n{str(said).strip()}"
        return wrong(_CHECKS[3], message, "install hybrid-parsl where the endpoint runs")
    if str(there[_OWN]).partition("+")[0] != __version__:
        error = IdentityMismatchError(here[_OWN], there[_OWN], "the endpoint")
        return wrong(_CHECKS[3], str(error), "install the same version on both sides")
    names = sorted(here.keys() | there.keys())
    lines = [
        f"{name}: {here.get(name, 'none')} here, {there.get(name, 'none')} there"
        for name in names
        if here.get(name) != there.get(name)
    ]
    same = f"{here[_OWN]} on both sides, {answer['host']}"
    return ok(_CHECKS[3], "\n".join([same, *lines]) if lines else same)
