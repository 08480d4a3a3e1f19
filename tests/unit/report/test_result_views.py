"""How results on the disk are shown."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from hybrid_parsl.report.page import render_page
from hybrid_parsl.report.result_views import view_of, with_tables_of
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
    point = run.search.model_copy(update={"n_evaluations": 1})
    assert lines(point) == [("exact energy", "-3.25")]
    assert lines(run.sample) == [("sampled", "-3.21 ± 0.031")]
    assert lines(run.analysis)[:2] == [("sampled", "-3.21 ± 0.031"), ("ratio to optimum", "0.8025")]


def rounds_document(run: Any) -> dict[str, Any]:
    """Return a run of two rounds, the last of which is that of `run`."""
    first = run.analysis.model_copy(update={"energy": -1.0, "top": []})
    sample = run.sample.model_copy(update={"energy": -1.0, "shots": 7})
    two_layers = run.search.model_copy(update={"parameters": [0.1, 0.2, 0.3, 0.4]})
    tasks = {
        "search-p1": as_task(run.search),
        "quantum-p1": as_task(sample),
        "analysis-p1": {**as_task(first), "after": ["search-p1", "quantum-p1"]},
        "search-p2": as_task(two_layers),
        "quantum-p2": as_task(run.sample),
        "analysis": {**as_task(run.analysis), "after": ["search-p2", "quantum-p2"]},
        "rounds": {"status": "completed", "view": {"section": {"text": "It ended at last."}}},
    }
    return {"experiment": run.document()["experiment"], "tasks": tasks}


def test_the_plain_headings_are_those_of_the_final_round(run: Any) -> None:
    document = rounds_document(run)
    assert key_numbers(document) == key_numbers(run.document())
    owners = {
        "circuit": "analysis",
        "distribution": "analysis",
        "search": "analysis-p1",
        "analysis-p1.expectation": "analysis-p1",
        "rounds": "rounds",
    }
    for file, task in owners.items():
        figure = file.rpartition(".")[2]
        document["tasks"][task].setdefault("figures", {})[figure] = file
    document["tasks"]["search-p1"]["result"]["energies"] = [-1.0, -2.0]
    names = ("own", *owners)
    page = render_page(document, dict.fromkeys(names, "<svg></svg>"))
    headings = re.findall(r'<h2 id="figure-\d+">(.*?)</h2>', page)
    assert headings == [
        "Rounds",
        "Search",
        "Measured distribution",
        "Circuit",
        "own",
        "Measured energy of analysis-p1",
    ]
    assert "<figcaption>It ended at last.</figcaption>" in page
    assert "of 1\N{NARROW NO-BREAK SPACE}024 shots; the mean energy is" in page
    assert "2 starts ended between" in page
    assert "The measured energy is \N{MINUS SIGN}1.000" in page
    assert page.count("0.400000") == 1  # beta of the second layer
    assert "OPENQASM 3.0" in page


def test_a_document_without_such_an_analysis_is_left_as_it_is(run: Any) -> None:
    for document in ({}, run.document(), {"tasks": {"analysis": {"status": "running"}}}):
        assert with_tables_of(document) is document
    own = {"tasks": {"analysis": {"status": "completed", "result": {"energy": 1.0}}}}
    assert with_tables_of(own) is own


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
