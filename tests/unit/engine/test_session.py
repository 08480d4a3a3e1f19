from __future__ import annotations

from concurrent.futures import Future

import parsl
import pytest
from parsl.dataflow.errors import DependencyError, JoinError
from parsl.executors.threads import ThreadPoolExecutor

from hybrid_parsl import labels
from hybrid_parsl.engine.session import Session, check_labels, first_cause
from hybrid_parsl.errors import ConfigurationError, ResultError


def test_a_site_with_every_label_is_taken() -> None:
    check_labels(["extra", *labels.ALL, "_parsl_internal"], "site.py")


@pytest.mark.parametrize("missing", labels.ALL)
def test_a_missing_label_is_named(missing: str) -> None:
    others = [label for label in labels.ALL if label != missing]
    with pytest.raises(
        ConfigurationError, match=f"no executor with the label '{missing}'"
    ) as error:
        check_labels(others, "site.py")
    assert error.value.source == "site.py"
    assert error.value.found == ", ".join(others)
    assert error.value.valid == "one executor for each of mpi, quantum, analysis"


def test_a_site_without_executors() -> None:
    with pytest.raises(ConfigurationError, match="'mpi' or 'quantum' or 'analysis'") as error:
        check_labels([], "site.py")
    assert error.value.found == "no executor"


@pytest.mark.parametrize("config", [None, {}, parsl.Config])
def test_what_is_no_configuration_is_refused(config: object) -> None:
    with pytest.raises(ConfigurationError, match=r"has to return a parsl\.Config") as error:
        Session(config, "site.py").__enter__()
    assert error.value.found == type(config).__name__


def test_labels_are_checked_before_anything_is_started() -> None:
    config = parsl.Config(executors=[ThreadPoolExecutor(label="mpi")])
    with pytest.raises(ConfigurationError, match="'quantum' or 'analysis'"):
        Session(config, "site.py").__enter__()
    with pytest.raises(parsl.errors.NoDataFlowKernelError):
        parsl.dfk()


def test_the_first_cause_is_behind_every_dependency() -> None:
    cause = ResultError("lost")
    middle = DependencyError([(cause, "task 0"), (KeyError("other"), "task 9")], 1)
    last = DependencyError([(middle, "task 1")], 2)
    assert first_cause(last) is cause
    assert first_cause(JoinError([(last, "task 2")], 3)) is cause
    assert first_cause(cause) is cause


def test_an_error_that_is_its_own_cause() -> None:
    own = ValueError("x")
    own.__cause__ = KeyError("y")
    assert first_cause(own) is own
    empty = DependencyError([], 1)
    assert first_cause(empty) is empty


def test_a_cause_comes_out_of_a_future_unchanged() -> None:
    future: Future[None] = Future()
    future.set_exception(DependencyError([(ResultError("lost"), "task 0")], 1))
    error = future.exception()
    assert error is not None
    assert str(first_cause(error)) == "lost"
