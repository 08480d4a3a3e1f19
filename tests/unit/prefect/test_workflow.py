from __future__ import annotations

from concurrent.futures import Future

from prefect_server import PACKAGE
from services import require_module

workflow = require_module("hybrid_parsl.prefect.workflow", "prefect", PACKAGE)


def test_outcomes_are_replaced_by_the_futures_of_prefect_wherever_they_are():
    outcome, other = Future(), Future()
    known = {outcome: "found"}
    assert workflow._replaced({"x": [outcome, 1], "y": (outcome,)}, known) == {
        "x": ["found", 1],
        "y": ("found",),
    }
    assert workflow._replaced(other, known) is other
