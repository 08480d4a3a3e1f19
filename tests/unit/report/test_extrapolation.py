"""Figures, captions and numbers of a mitigated sample."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from hybrid_parsl.report.captions import caption
from hybrid_parsl.report.extrapolation_figure import draw_extrapolation, fitted
from hybrid_parsl.report.figures import draw_figures
from hybrid_parsl.report.result_views import AnalysisView, SampleView
from hybrid_parsl.report.sections import key_numbers
from hybrid_parsl.results import Mitigation, RawExpectation

RAW = RawExpectation(expectation=-3.0, standard_error=0.02, seconds=0.5)
MITIGATION = Mitigation(
    method="zne",
    shots=16_384,
    seconds=2.5,
    twirls=16,
    calibration_shots=4096,
    least_readout=0.9,
    noise_factors=[1, 3, 5],
    expectations=[-3.1, -2.9, -2.8],
    standard_errors=[0.02, 0.02, 0.03],
    constant=-1.0,
    extrapolation="quadratic",
)


@pytest.fixture
def mitigated(run: Any) -> Any:
    sample = run.sample.model_copy(update={"raw": RAW, "mitigation": MITIGATION})
    analysis = run.analysis.model_copy(update={"raw": RAW, "mitigation": "zne"})
    return run._replace(sample=sample, analysis=analysis)


@pytest.mark.usefixtures("thorough")
def test_there_are_figures_of_both_values_and_of_the_fit(mitigated: Any, run: Any) -> None:
    figures = draw_figures(*mitigated)
    assert {"distribution", "expectation", "extrapolation"} <= set(figures)
    assert "could not be drawn" not in "".join(figures.values())
    assert not {"expectation", "extrapolation"} & set(draw_figures(*run))


@pytest.mark.parametrize("kind", ["linear", "quadratic", "exponential"])
def test_the_fit_of_each_kind(mitigated: Any, kind: Any) -> None:
    found = MITIGATION.model_copy(update={"extrapolation": kind})
    assert ET.fromstring(draw_extrapolation(found, mitigated.analysis)).get("viewBox")
    assert fitted(found, np.array([1.0, 3.0])) == pytest.approx([-3.1, -2.9], abs=0.05)


def test_the_captions_say_both_values(mitigated: Any) -> None:
    text = caption("expectation", mitigated.document())
    assert "The mitigated energy is −3.210 ± 0.031" in text.replace("\N{NO-BREAK SPACE}", " ")  # noqa: RUF001
    assert "(zne)" in text
    assert "Without mitigation it is" in text
    assert "12.5 standard errors above the exact energy" in text
    assert "a quadratic fit" in caption("extrapolation", mitigated.document())
    assert caption("extrapolation", {}) == ""


def test_both_values_are_in_the_summary_and_among_the_key_numbers(mitigated: Any) -> None:
    document = mitigated.document()
    expected = [("sampled", "-3 ± 0.02"), ("mitigated", "-3.21 ± 0.031  (zne)")]
    for view in (AnalysisView(document["analysis"]), SampleView(document["quantum"])):
        assert view.summary_lines()[:2] == expected
        assert [key.label for key in view.key_numbers()][:2] == [
            "Sampled energy",
            "Mitigated energy",
        ]
    keys = key_numbers(document)
    assert "1.3 standard errors above" in keys[2].note
    assert "2.5 s (zne)" in keys[2].note


def test_without_mitigation_the_results_have_no_such_keys(run: Any, mitigated: Any) -> None:
    for name in ("quantum", "analysis"):
        assert not {"raw", "mitigation"} & set(run.document()[name])
        assert {"raw", "mitigation"} <= set(mitigated.document()[name])
    again = type(mitigated.sample).model_validate_json(mitigated.sample.model_dump_json())
    assert again == mitigated.sample
    assert type(run.sample).model_validate_json(run.sample.model_dump_json()) == run.sample
