"""Search, choice and order of runs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hybrid_parsl.records.run_list import ListedRun
from hybrid_parsl.ui.run_table import age, run_table

RUNS = [
    ListedRun("3-bell", "completed", "pipeline", "local", "2026-01-03T00:00:00Z", 3.0, -1.0),
    ListedRun("2-maxcut", "failed", "pipeline, 12 points", "slurm", "2026-01-02T00:00:00Z", 9.0),
    ListedRun("1-Maxcut", "completed", "deepening", "slurm", "", None, -5.0, "no: memory"),
    ListedRun("0-new", "reading"),
]


def names(**asked):
    return [run.run[0] for run in run_table(RUNS, asked).rows]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, "3210"),
        ({"q": "MAXCUT"}, "21"),
        ({"q": "maxcut slurm memory"}, "1"),
        ({"q": "nothing"}, ""),
        ({"state": "completed"}, "31"),
        ({"workflow": "pipeline"}, "32"),
        ({"site": "slurm", "state": "failed"}, "2"),
        ({"state": "completed", "q": "bell"}, "3"),
    ],
)
def test_what_is_searched_for(asked, found):
    assert "".join(names(**asked)) == found


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("run", "0123"),
        ("-run", "3210"),
        ("energy", "1320"),
        ("-energy", "3120"),
        ("duration", "3210"),
        ("-duration", "2310"),
        ("started", "2310"),
        ("-started", "3210"),
        ("site", "3210"),
        ("; drop", "3210"),
    ],
)
def test_unknown_values_come_last_in_any_order(sort, order):
    assert "".join(names(sort=sort)) == order


def test_a_second_click_turns_the_order():
    columns = {each.key: each for each in run_table(RUNS, {"sort": "energy"}).columns}
    assert columns["energy"].direction == "ascending"
    assert columns["energy"].next_sort == "-energy"
    assert columns["site"].direction == "none"
    assert columns["site"].next_sort == "site"


def test_the_address_keeps_what_was_asked_for():
    table = run_table(RUNS, {"q": "a b", "state": "failed", "sort": "-energy", "other": "x"})
    assert table.address(page="2") == "?q=a+b&state=failed&sort=-energy&page=2"
    assert table.choices["workflow"] == ["deepening", "pipeline"]


@pytest.mark.parametrize(
    ("asked", "first"), [("1", 0), ("2", 100), ("99", 200), ("-1", 0), ("x", 0), ("9" * 99, 0)]
)
def test_pages_of_a_long_list(asked, first):
    table = run_table([ListedRun(str(k), "completed") for k in range(250)], {"page": asked})
    assert table.paging.first == first
    assert len(table.rows) == min(100, 250 - first)


def test_the_age_is_in_the_largest_unit():
    now = datetime(2026, 1, 3, tzinfo=UTC)
    assert age("2026-01-01T00:00:00Z", now) == "2 d ago"
    assert age("2026-01-02T23:59:30Z", now) == "just now"
    assert age("2027-01-01T00:00:00Z", now) == age("nonsense", now) == age("", now) == ""
