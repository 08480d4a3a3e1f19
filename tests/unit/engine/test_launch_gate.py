from __future__ import annotations

from typing import Any

import parsl
import pytest
from parsl.dataflow.dependency_resolvers import SHALLOW_DEPENDENCY_RESOLVER
from parsl.dataflow.memoization import BasicMemoizer

from hybrid_parsl.engine.launch_gate import LaunchGate, find_futures_in_containers
from hybrid_parsl.errors import NotStartedError


def task(*, from_memo: bool | None = None) -> Any:
    return {"func_name": "a", "from_memo": from_memo, "memoize": False, "id": 0}


def test_no_task_starts_behind_a_shut_gate() -> None:
    gate = LaunchGate(BasicMemoizer())
    assert gate.check_memo(task()) is None
    gate.block_new_tasks()
    refused = gate.check_memo(task())
    assert refused is not None
    with pytest.raises(NotStartedError):
        refused.result()


def test_a_task_that_an_executor_has_had_may_try_again() -> None:
    gate = LaunchGate(BasicMemoizer())
    gate.block_new_tasks()
    assert gate.check_memo(task(from_memo=False)) is None
    assert gate.check_memo(task(from_memo=True)) is not None  # refused before


def test_what_the_site_says_stays() -> None:
    memoizer = BasicMemoizer()
    config = parsl.Config(memoizer=memoizer, dependency_resolver=SHALLOW_DEPENDENCY_RESOLVER)
    gate = LaunchGate.install(config)
    find_futures_in_containers(config)
    assert config.memoizer is gate
    assert gate._memoizer is memoizer
    assert config.dependency_resolver is SHALLOW_DEPENDENCY_RESOLVER
