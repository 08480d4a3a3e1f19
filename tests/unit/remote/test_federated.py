"""What Globus' executor leaves unsaid; what it does, tests/integration/globus shows."""

from __future__ import annotations

from concurrent.futures import Future
from importlib.util import find_spec
from unittest.mock import Mock

import pytest
from globus_services import PACKAGES
from services import require

from hybrid_parsl import labels
from hybrid_parsl.errors import ConfigurationError, HybridParslError, JobRejectedError
from hybrid_parsl.remote.federated import FederatedExecutor

ENDPOINT = "4b116d3c-1703-4f8f-9f6f-39921e5864df"


@pytest.fixture
def executor():
    """Return an executor that has started, with a stub where Globus' one would be."""
    require("globus", PACKAGES, available=find_spec("globus_compute_sdk") is not None)
    executor = FederatedExecutor(labels.QUANTUM, ENDPOINT)
    executor._inner = Mock()
    return executor


def submitted(executor):
    """Return a future of ours and the one of Globus behind it."""
    there = Future()
    executor._inner.submit.side_effect = [there]
    return executor.submit(print, {}), there


def refusal():
    from globus_sdk import GlobusAPIError
    from requests import Request, Response

    response = Response()
    response.status_code = 403
    response.request = Request("POST", "http://localhost/").prepare()
    return GlobusAPIError(response)


def test_a_result_is_passed_on(executor):
    here, there = submitted(executor)
    assert not here.cancel()  # the service could not
    there.set_result(7)
    assert here.result() == 7


def test_an_error_of_the_function_stays_what_it_is(executor):
    here, there = submitted(executor)
    error = HybridParslError()
    there.set_exception(error)
    assert here.exception() is error


def test_after_a_refusal_every_task_is_told_of_it(executor):
    first, second = submitted(executor), submitted(executor)
    first[1].set_exception(refusal())
    second[1].cancel()  # as Globus' executor does before it takes no more
    executor._inner.submit.side_effect = RuntimeError("is shutdown")
    with pytest.raises(JobRejectedError, match="403"):
        executor.submit(print, {})
    for here, _ in (first, second):
        with pytest.raises(JobRejectedError, match="403"):
            here.result()


def test_one_that_was_shut_down_without_a_refusal_says_so(executor):
    executor._inner.submit.side_effect = RuntimeError("is shutdown")
    with pytest.raises(RuntimeError, match="is shutdown"):
        executor.submit(print, {})


def test_what_can_be_refused_without_the_service():
    with pytest.raises(ConfigurationError, match="endpoint: is no id"):
        FederatedExecutor(labels.QUANTUM, "login1").check({})
    FederatedExecutor(labels.QUANTUM, ENDPOINT).check({"num_nodes": 2})
    with pytest.raises(ConfigurationError, match="on its own node only"):
        FederatedExecutor(labels.MPI, ENDPOINT).check({"num_nodes": 2, "num_ranks": 2})
