from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_parsl.experiment_file import parse_experiment
from hybrid_parsl.pack_size import estimated_search_s, pack_size
from hybrid_parsl.study_points import Point


def points(*nodes: int, **tables: Any) -> list[Point]:
    found = []
    for number, each in enumerate(nodes):
        table = {"name": "x", "problem": {"kind": "maxcut", "nodes": each}, **tables}
        found.append(Point(str(number), {}, parse_experiment(table, source="here")))
    return found


@given(half=st.integers(2, 12), ranks=st.integers(1, 64), walltime_s=st.integers(1, 10_000))
def test_a_pack_takes_about_a_minute_at_most(half: int, ranks: int, walltime_s: int) -> None:
    resources = {"ranks_per_node": ranks, "walltime_s": walltime_s}
    asked = points(2 * half, resources=resources)
    size = pack_size(asked)
    assert 1 <= size <= 1000
    if size > 1:
        each_s = estimated_search_s(asked[0].experiment)
        assert size * each_s / ranks <= min(60, walltime_s / 4) + 1e-9


def test_the_longest_search_decides() -> None:
    assert pack_size(points(6, 18)) == pack_size(points(18)) < pack_size(points(6))


def test_the_site_has_the_last_word_on_the_walltime() -> None:
    assert pack_size(points(8), {"walltime_s": 4}) < pack_size(points(8))


def test_long_searches_get_a_job_each() -> None:
    assert pack_size(points(24, search={"starts": 100})) == 1


def test_a_number_is_taken_as_it_is() -> None:
    assert pack_size(points(24, resources={"pack": 5000})) == 5000


@pytest.mark.parametrize("method", ["draw", "spsa", "multistart"])
def test_more_starts_take_longer(method: str) -> None:
    few, many = (
        points(6, search={"starts": starts, "method": method})[0].experiment for starts in (1, 100)
    )
    assert estimated_search_s(few) < estimated_search_s(many)
