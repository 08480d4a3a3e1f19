"""A run whose cost an estimator measured: figure, page, summary and artifact."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from hybrid_parsl.cli.summary import summary_rows
from hybrid_parsl.report.captions import caption
from hybrid_parsl.report.expectation_figure import draw_expectation
from hybrid_parsl.report.figures import draw_figures
from hybrid_parsl.report.page import render_page
from hybrid_parsl.report.sections import key_numbers, outcomes


@pytest.fixture
def estimated(run: Any) -> Any:
    """Return the run with an expectation value in place of bitstrings."""
    sample = run.sample.model_copy(update={"counts": {}, "shots": 8192, "n_bases": 2})
    nothing = {"top": [], "best_ratio": None, "probability_of_optimum": None, "landscape": None}
    analysis = run.analysis.model_copy(update=nothing)
    return run._replace(sample=sample, analysis=analysis)


def test_the_energy_is_drawn_in_place_of_the_distribution(estimated: Any) -> None:
    assert list(draw_figures(*estimated)) == ["search", "expectation", "circuit"]


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(
    "update",
    [
        {},
        {"optimum": None, "worst": None},
        {"standard_error": 0.0},
        {"standard_error": 0.0, "exact_energy": -3.21},
        {"energy": 0.0, "exact_energy": 0.0, "standard_error": 0.0},
        {"energy": -4.2, "exact_energy": -4.0},
        {"energy": 3e9, "exact_energy": -2e9, "optimum": -5e9, "worst": 5e9},
    ],
)
def test_the_figure_of_any_energy(estimated: Any, update: dict[str, Any]) -> None:
    svg = draw_expectation(estimated.analysis.model_copy(update=update))
    assert ET.fromstring(svg).get("viewBox")
    assert svg == draw_expectation(estimated.analysis.model_copy(update=update))


@pytest.mark.usefixtures("thorough")
def test_the_page_has_no_bitstrings(estimated: Any) -> None:
    document = estimated.document()
    page = render_page(document, draw_figures(*estimated))
    assert "Most frequent" not in page
    assert "P(optimum)" not in page
    assert "Measured energy" in page
    assert page.count("in 2 bases") == 4  # key number, caption, its label, execution
    assert outcomes(document["analysis"]) == ([], 0)


def test_the_key_numbers_compare_with_the_spectrum(estimated: Any) -> None:
    keys = key_numbers(estimated.document())
    assert [key.label for key in keys] == [
        "Best energy found",
        "Sampled energy",
        "Approximation ratio",
    ]
    assert "1.3 standard errors above" in keys[1].note
    assert keys[2].note == "optimum −4, worst 0"  # noqa: RUF001 - a minus sign


def test_the_caption_says_how_far_the_energy_is_from_the_exact_one(estimated: Any) -> None:
    text = caption("expectation", estimated.document())
    assert "in 2 bases" in text
    assert "1.3 standard errors above the exact energy" in text
    assert caption("expectation", {}) == ""


def test_the_summary_has_no_bitstring(estimated: Any) -> None:
    names = [name for name, _ in summary_rows(estimated.document())]
    assert names == ["best energy", "sampled", "ratio to optimum", "time", "folder"]


@pytest.mark.usefixtures("thorough")
def test_the_unit_of_the_energy(estimated: Any) -> None:
    plain = draw_figures(*estimated)
    figures = draw_figures(*estimated, unit="Hartree")
    changed = {name for name, text in figures.items() if text != plain[name]}
    assert changed == {"search", "expectation"}
