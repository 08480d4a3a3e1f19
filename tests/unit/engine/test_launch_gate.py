from __future__ import annotations

from typing import Any

import parsl
import pytest
from parsl.dataflow.dependency_resolvers import SHALLOW_DEPENDENCY_RESOLVER
from parsl.dataflow.memoization import BasicMemoizer

from hybrid_parsl.engine.launch_gate import LaunchGate, find_futures_in_containers
from hybrid_parsl.errors import NotStartedError


def task(*tries: str) -> Any:
    return {"func_name": "a", "fail_history": list(tries), "memoize": False, "id": 0}


def test_no_task_starts_behind_a_shut_gate() -> None:
    gate = LaunchGate(BasicMemoizer())
    assert gate.check_memo(task()) is None
    gate.shut()
    refused = gate.check_memo(task())
    assert refused is not None
    with pytest.raises(NotStartedError):
        refused.result()


def test_a_task_that_had_started_may_try_again() -> None:
    gate = LaunchGate(BasicMemoizer())
    gate.shut()
    assert gate.check_memo(task("WalltimeExceededError()")) is None
    assert gate.check_memo(task(repr(NotStartedError("a")))) is not None


def test_what_the_site_says_stays() -> None:
    memoizer = BasicMemoizer()
    config = parsl.Config(memoizer=memoizer, dependency_resolver=SHALLOW_DEPENDENCY_RESOLVER)
    gate = LaunchGate.install(config)
    find_futures_in_containers(config)
    assert config.memoizer is gate
    assert gate._memoizer is memoizer
    assert config.dependency_resolver is SHALLOW_DEPENDENCY_RESOLVER
