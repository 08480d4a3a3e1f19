"""How results on the disk are shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hybrid_parsl.report.page import render_page
from hybrid_parsl.report.result_views import view_of
from hybrid_parsl.report.sections import key_numbers, task_cards
from hybrid_parsl.result_view import type_name

HOSTILE = "<script>alert('x')</script>\"'&"


def as_task(result: Any) -> dict[str, Any]:
    """Return the table of a task that has returned a result of this package's."""
    found = json.loads(result.model_dump_json(exclude={"figures"}))
    return {"status": "completed", "type": type_name(type(result)), "result": found}


def test_the_same_words_stand_in_a_card_and_among_the_key_numbers(run: Any) -> None:
    tasks = {"p=1": as_task(run.search), "sample-p=1": as_task(run.sample)}
    tasks["analyse"] = as_task(run.analysis)
    rows = [row for card in task_cards({"tasks": tasks}) for row in card.section.rows]
    keys = [[key.label, key.with_error] for key in key_numbers(run.document())]
    assert rows[1] == rows[2]  # of the sample and of its analysis
    assert [*rows[:1], *rows[2:]] == keys


def test_the_lines_of_results_of_this_package(run: Any) -> None:
    def lines(result: Any) -> list[Any]:
        return list(view_of(as_task(result)).summary_lines())

    unmoved = run.search.model_copy(update={"n_unmoved": 2})
    assert lines(unmoved) == [
        ("best energy", "-3.25"),
        ("unmoved starts", "2 of 6 ended where they began: no step was better"),
    ]
    assert lines(run.sample) == [("sampled", "-3.21 ± 0.031")]
    assert lines(run.analysis)[:2] == [("sampled", "-3.21 ± 0.031"), ("ratio to optimum", "0.8025")]


@pytest.mark.parametrize("name", ["search", "sample", "analysis"])
def test_every_number_of_a_result_may_be_unknown(run: Any, name: str) -> None:
    task = as_task(getattr(run, name)) | {"result": {"energy": None}}
    view = view_of(task)
    assert "unknown" in str(list(view.summary_lines()))
    assert view.report_section().rows


def test_a_result_without_a_view_is_shown_by_its_values() -> None:
    view = view_of({"result": {"gap": 1 / 3, "levels": [0, 1], "execution": {}}})
    assert list(view.summary_lines()) == [("", "gap 0.333333")]
    assert view.report_section().rows == [["gap", "0.333333"], ["levels", "[0, 1]"]]
    assert view_of({"result": 3}).report_section().rows == [["result", "3"]]
    assert view_of({}).report_section().rows == []


def test_a_view_that_was_kept_is_shown_in_place_of_the_values() -> None:
    section = {"text": "of H2", "head": ["level", "J"], "rows": [["0", "-1"]]}
    view = view_of({"result": {"x": 1}, "view": {"summary": [["gap", "0.5"]], "section": section}})
    assert list(view.summary_lines()) == [("gap", "0.5")]
    assert view.report_section().model_dump() == section
    only_lines = view_of({"result": {"x": 1}, "view": {"summary": [["gap", "0.5"]]}})
    assert only_lines.report_section().rows == [["x", "1"]]


def test_a_kept_view_is_only_text_in_the_report() -> None:
    section = {"text": HOSTILE, "head": [HOSTILE] * 2, "rows": [[HOSTILE, HOSTILE]]}
    task = {"status": "completed", "result": {}, "view": {"section": section}}
    page = render_page({"tasks": {"spectrum": task}}, {})
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 5
    assert '<th scope="col" class="n">' in page
