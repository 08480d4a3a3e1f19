from __future__ import annotations

import json
from importlib.util import find_spec

import pytest
from globus_services import PACKAGES
from services import require

from hybrid_parsl.errors import BackendUnavailableError, ConfigurationError, JobRejectedError
from hybrid_parsl.remote.service_errors import explain_task_failure, translated


@pytest.fixture(autouse=True)
def sdk(request):
    if "answer" in request.fixturenames:
        require("globus", PACKAGES, available=find_spec("globus_compute_sdk") is not None)


@pytest.fixture
def answer():
    """Return a function that makes the error which Globus makes of an HTTP answer."""

    def make(status):
        import requests
        from globus_sdk import GlobusAPIError

        response = requests.Response()
        response.status_code = status
        response.headers["Content-Type"] = "application/json"
        errors = [{"code": "A_CODE", "detail": "a reason", "status": status}]
        response._content = json.dumps({"errors": errors}).encode()
        response.request = requests.Request("GET", "http://localhost/").prepare()
        return GlobusAPIError(response)

    return make


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422])
def test_a_refusal(answer, status):
    with pytest.raises(JobRejectedError, match=f"{status}: A_CODE: a reason"), translated():
        raise answer(status)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_what_may_be_better_later(answer, status):
    with pytest.raises(BackendUnavailableError, match=f"{status}: A_CODE"), translated():
        raise answer(status)


def test_a_prompt_without_a_terminal(answer):
    del answer
    with pytest.raises(ConfigurationError, match="not logged in"), translated():
        raise EOFError


def test_our_own_errors_and_those_of_others_pass(answer):
    del answer
    for error in (ConfigurationError("mine"), ZeroDivisionError()):
        with pytest.raises(type(error)), translated():
            raise error


@pytest.mark.parametrize(
    ("remote", "said"),
    [
        ("Traceback\n  line\nKeyError: 'action'\n", "KeyError: 'action'"),
        ("a\nglobus_compute_sdk.errors.MaxResultSizeExceeded: 11 MB", "larger than the 10 MiB"),
        ("parsl.executors.errors.WorkerLost: Task failure", "the worker died"),
        ("Unable to start user endpoint process for ada", "what its template describes"),
        ("", "no reason was given"),
    ],
)
def test_a_task_that_failed(remote, said):
    error = explain_task_failure("a-task", remote)
    assert said in str(error)
    assert "a-task" in str(error)
    assert error.exit_code == 4
