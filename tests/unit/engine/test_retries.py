"""Which failed tasks Parsl tries again, and how often."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from parsl.dataflow.errors import DependencyError

from hybrid_parsl.engine.retries import RetryPolicy, allow_retries
from hybrid_parsl.engine.site_executor import SiteExecutor
from hybrid_parsl.engine.tasks.resource_request import ResourceRequest
from hybrid_parsl.errors import (
    JobFailedError,
    NodeFailedError,
    RankFailedError,
    WalltimeExceededError,
)

OVER = WalltimeExceededError("7", "walltime exceeded")
LOST = NodeFailedError("8", "a node required by the job is down")
OTHER = JobFailedError("9", "ended with exit code 1")


def tries(config: Any, *errors: Exception, **resources: Any) -> int:
    """Return the number of the try after which Parsl gives up, as it counts costs."""
    return int(tried(config, *errors, **resources)["fail_count"])


def tried(config: Any, *errors: Exception, **resources: Any) -> dict[str, Any]:
    """Return Parsl's record of a task after as many tries as there are."""
    executor = Executor()
    record = {
        "func_name": "search",
        "func": None,
        "executor": "mpi",
        "fail_count": 0,
        "fail_cost": 0,
        "resource_specification": resources,
        "dfk": SimpleNamespace(executors={"mpi": executor}),
    }
    for error in errors:
        record["fail_count"] += 1
        record["fail_cost"] += config.retry_handler(error, record) if config.retry_handler else 1
        if record["fail_cost"] > config.retries:
            break
    return record


class Executor(SiteExecutor):
    """Its tasks can ask for more."""

    label = "mpi"
    grows_requests = True
    overrides: ClassVar[dict[str, float | None]] = {}

    def submit(self, *arguments: Any, **keywords: Any) -> Any:
        raise NotImplementedError


def config(retries: int = 0, handler: Any = None) -> Any:
    return SimpleNamespace(retries=retries, retry_handler=handler)


def allow(site: Any, n_retries: int, note: Any = lambda _: None, **growth: float) -> None:
    allow_retries(site, n_retries, lambda _: RetryPolicy(n_retries, growth), note)


@pytest.mark.parametrize("n_retries", [1, 2, 3, 7, 49])
def test_a_walltime_or_a_lost_node_is_survived_so_often(n_retries: int) -> None:
    site, notes = config(), []
    allow(site, n_retries, notes.append)
    errors = [OVER, LOST] * 50
    assert tries(site, *errors) == n_retries + 1
    assert [(each.task, each.number, each.n_tries) for each in notes] == [
        ("search", number, n_retries + 1) for number in range(2, n_retries + 2)
    ]


def test_other_failures_are_final_unless_the_site_says_otherwise() -> None:
    site = config()
    allow(site, 5)
    assert tries(site, OTHER, OTHER) == 1
    patient = config(retries=2)
    allow(patient, 5)
    assert tries(patient, *[OTHER] * 9) == 3
    asked = config(retries=4, handler=lambda *_: 2)
    allow(asked, 1)
    assert tries(asked, *[OTHER] * 9) == 3
    assert tries(asked, *[OVER] * 9) == 2


def test_each_task_has_its_own_number_of_retries() -> None:
    def policy(names: Any) -> RetryPolicy:
        asked.append(list(names))
        return RetryPolicy(2)

    site, asked = config(), []
    allow_retries(site, 6, policy, lambda _: None)
    assert tries(site, *[OVER] * 9) == 3
    assert asked[0] == ["search", "search", "search", "mpi"]


@pytest.mark.parametrize(("most", "own"), [(7, 6), (59, 49), (1000, 999)])
def test_no_try_is_lost_by_rounding(most: int, own: int) -> None:
    site = config()
    allow_retries(site, most, lambda _: RetryPolicy(own), lambda _: None)
    assert tries(site, *[OVER] * 1001) == own + 1


def test_what_depends_on_a_failed_task_is_not_tried_again() -> None:
    site, notes = config(), []
    allow(site, 3, notes.append)
    assert tries(site, DependencyError([(OVER, "task 1")], task_id=2)) == 1
    assert notes == []


@pytest.mark.parametrize(
    "error",
    [
        RankFailedError(0, "n1", 137),
        JobFailedError("9", "OUT_OF_MEMORY"),
        JobFailedError("9", "OOMKilled: the container exceeded its memory limit of 1Gi"),
    ],
)
def test_what_ran_out_of_memory_gets_more_or_is_final(error: Exception) -> None:
    site, notes = config(), []
    allow(site, 3, notes.append, memory_gib_per_rank=2)
    record = tried(site, *[error] * 9, memory_gib_per_rank=0.5)
    assert record["fail_count"] == 4
    assert [each.larger for each in notes] == [{"memory_gib_per_rank": each} for each in (1, 2, 4)]
    request = ResourceRequest.from_parsl(record["resource_specification"])
    assert (request.memory_gib_per_rank, request.walltime_s) == (4, 3600)
    assert tries(site, *[error] * 9) == 1  # nobody has said how much it has
    same = config()
    allow(same, 3)
    assert tries(same, *[error] * 9, memory_gib_per_rank=0.5) == 1


def test_a_walltime_grows_from_what_the_site_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Executor, "overrides", {"walltime_s": 100})
    site, notes = config(), []
    allow(site, 2, notes.append, walltime_s=1.5)
    record = tried(site, OVER, LOST, OVER, walltime_s=7)
    assert [each.larger for each in notes] == [{"walltime_s": 150}, {}]
    asked = record["resource_specification"]
    assert ResourceRequest.from_parsl(asked, Executor.overrides).walltime_s == 150
    monkeypatch.setattr(Executor, "grows_requests", False)
    allow(other := config(), 2, notes.append, walltime_s=1.5)
    assert tried(other, OVER, walltime_s=7)["resource_specification"] == {"walltime_s": 7}


@pytest.mark.parametrize("error", [RankFailedError(0, "n1", 139), RankFailedError(0, "n1", 1)])
def test_other_signals_are_no_lack_of_memory(error: Exception) -> None:
    site = config()
    allow(site, 3, memory_gib_per_rank=2)
    assert tries(site, *[error] * 9, memory_gib_per_rank=0.5) == 1


def test_without_retries_nothing_changes() -> None:
    site = config(retries=3)
    allow(site, 0)
    assert (site.retries, site.retry_handler) == (3, None)
