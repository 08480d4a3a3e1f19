from __future__ import annotations

import logging
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING

import parsl
import pytest
from parsl.dataflow.errors import DependencyError, JoinError
from parsl.executors.threads import ThreadPoolExecutor
from waiting import PATIENCE_S

from hybrid_parsl import identity, labels
from hybrid_parsl.engine.session import Session, cancel, check_labels, first_cause
from hybrid_parsl.errors import ConfigurationError, ResultError

if TYPE_CHECKING:
    from pathlib import Path


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


def threads(tmp_path: Path) -> parsl.Config:
    executors = [ThreadPoolExecutor(label=label) for label in labels.ALL]
    return parsl.Config(executors=executors, run_dir=str(tmp_path), strategy="none")


def test_calls_go_to_their_executor_with_parsls_words_and_parsl_keeps_to_its_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Session(threads(tmp_path), "site.py") as session:
        assert session.submit("quantum", divmod, [7, 2], {}, {}).result(PATIENCE_S) == (3, 1)
        failed = session.submit("mpi", int, ["x"], {}, {})
        with pytest.raises(ValueError, match="invalid literal"):
            failed.result(PATIENCE_S)
        cancel(failed)  # has ended already
        with (
            pytest.raises(ConfigurationError, match="another session is open"),
            Session(threads(tmp_path), "other.py"),
        ):
            pass
    assert not [record for record in caplog.records if record.name.startswith("parsl")]
    assert logging.getLogger("parsl").propagate
    with Session(threads(tmp_path), "site.py") as session:
        assert session.submit("analysis", abs, [-1], {}, {}).result(PATIENCE_S) == 1


@pytest.mark.parametrize("submission_s", [0, 0.2])
def test_canceling_a_call_cancels_what_the_executor_has_of_it(
    tmp_path: Path, submission_s: float
) -> None:
    inner: Future[int] = Future()

    def submit(*_: object, **__: object) -> Future[int]:
        time.sleep(submission_s)
        return inner

    config = threads(tmp_path)
    config.executors[0].submit = submit
    with Session(config, "site.py") as session:
        cancel(session.submit("mpi", abs, [-1], {}, {"num_ranks": 2}))
        assert inner.cancelled()


def test_an_executor_is_verified_when_it_has_answered_with_the_drivers_version(
    tmp_path: Path,
) -> None:
    answers = {label: Future() for label in labels.ALL}
    config = threads(tmp_path)
    for executor in config.executors:
        executor.submit = lambda *_, label=executor.label, **__: answers[label]
    with Session(config, "site.py") as session:
        answers["mpi"].set_result(identity.current())
        answers["quantum"].set_result("0.0.1+abc")
        assert [session.is_verified(label) for label in labels.ALL] == [True, False, False]
        answers["analysis"].set_exception(ValueError("failed"))
        assert not session.is_verified("analysis")


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
