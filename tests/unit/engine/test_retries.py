"""Which failed tasks Parsl tries again, and how often."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hybrid_parsl.engine.retries import allow_retries
from hybrid_parsl.errors import JobFailedError, NodeFailedError, WalltimeExceededError

OVER = WalltimeExceededError("7", "walltime exceeded")
LOST = NodeFailedError("8", "a node required by the job is down")
OTHER = JobFailedError("9", "ended with exit code 1")


def tries(config: Any, *errors: Exception) -> int:
    """Return the number of the try after which Parsl gives up, as it counts costs."""
    record = {"func_name": "search", "fail_count": 0, "fail_cost": 0.0}
    for error in errors:
        record["fail_count"] += 1
        record["fail_cost"] += config.retry_handler(error, record) if config.retry_handler else 1
        if record["fail_cost"] > config.retries:
            break
    return int(record["fail_count"])


def config(retries: int = 0, handler: Any = None) -> Any:
    return SimpleNamespace(retries=retries, retry_handler=handler)


@pytest.mark.parametrize("n_retries", [1, 2, 3, 7, 49])
def test_a_walltime_or_a_lost_node_is_survived_so_often(n_retries: int) -> None:
    site, notes = config(), []
    allow_retries(site, n_retries, lambda *note: notes.append(note))
    errors = [OVER, LOST] * 50
    assert tries(site, *errors) == n_retries + 1
    assert [(name, number) for name, number, _ in notes] == [
        ("search", number) for number in range(2, n_retries + 2)
    ]


def test_other_failures_are_final_unless_the_site_says_otherwise() -> None:
    site = config()
    allow_retries(site, 5, lambda *_: None)
    assert tries(site, OTHER, OTHER) == 1
    patient = config(retries=2)
    allow_retries(patient, 5, lambda *_: None)
    assert tries(patient, *[OTHER] * 9) == 3
    asked = config(retries=4, handler=lambda *_: 2)
    allow_retries(asked, 1, lambda *_: None)
    assert tries(asked, *[OTHER] * 9) == 3
    assert tries(asked, *[OVER] * 9) == 2


def test_without_retries_nothing_changes() -> None:
    site = config(retries=3)
    allow_retries(site, 0, lambda *_: None)
    assert (site.retries, site.retry_handler) == (3, None)
