"""The search does not depend on the unit of the cost, nor on a constant that is added to it."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment_file import parse_experiment
from hybrid_parsl.problems.registry import build_problem
from hybrid_parsl.stages.analysis import analyse
from hybrid_parsl.stages.quantum import sample
from hybrid_parsl.stages.search import search

if TYPE_CHECKING:
    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.results import Analysis, SearchResult

_EDGES = [[0, 1, 1.3], [1, 2, 0.7], [2, 3, 1.9], [3, 4, 0.55], [4, 0, 1.1], [0, 2, 0.8]]
_LAYERS = 2
_EVERY_METHOD = ["multistart", "cobyla", "spsa", "grid", "sobol", "draw"]


def ising(scale: float = 1.0, offset: float = 0.0, **asked: Any) -> Experiment:
    problem = {"kind": "ising", "J": [[i, j, w * scale] for i, j, w in _EDGES], "offset": offset}
    starts = 16 if asked.get("method") == "grid" else 3
    small = {"starts": starts, "iterations": 15} | asked
    return parse_experiment(
        {
            "name": "scaled",
            "problem": problem,
            "ansatz": {"layers": _LAYERS},
            "search": small,
            "quantum": {"shots": 256},
            "analysis": {"landscape": 8},
        }
    )


def found(experiment: Experiment) -> SearchResult:
    result = search(experiment)
    assert result is not None
    return result


@cache
def plainly(method: str) -> SearchResult:
    return found(ising(method=method))


def analysed(experiment: Experiment) -> tuple[SearchResult, Analysis]:
    result = found(experiment)
    return result, analyse(experiment, result, sample(experiment, result))


@cache
def plainly_analysed(precision: str) -> Analysis:
    return analysed(ising(precision=precision))[1]


def ratio(experiment: Experiment, energy: float) -> float:
    lowest, highest = build_problem(experiment.problem).spectrum() or (0.0, 0.0)
    return (highest - energy) / (highest - lowest)


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("method", _EVERY_METHOD)
@settings(max_examples=4)
@given(exponent=st.integers(-330, 330))
def test_powers_of_two_change_no_digit(method: str, exponent: int) -> None:
    unit = 2.0**exponent
    plain = plainly(method)
    scaled = found(ising(unit, method=method))
    assert (np.array(scaled.parameters[:_LAYERS]) * unit).tolist() == plain.parameters[:_LAYERS]
    assert scaled.parameters[_LAYERS:] == plain.parameters[_LAYERS:]
    assert (np.array(scaled.energies) / unit).tolist() == plain.energies
    assert (np.array(scaled.trace) / unit).tolist() == plain.trace
    assert scaled.n_evaluations == plain.n_evaluations


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("method", ["multistart", "cobyla", "spsa"])
@settings(max_examples=4)
@given(magnitude=st.floats(-99, 99))
def test_any_other_unit_changes_rounding_only(method: str, magnitude: float) -> None:
    scaled = ising(10.0**magnitude, method=method)
    expected = ratio(ising(method=method), plainly(method).energy)
    assert ratio(scaled, found(scaled).energy) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("offset", [1.0, -1e3, 1e9, -5e11])
def test_an_offset_changes_nothing_of_the_search(offset: float, precision: str) -> None:
    plain = found(ising(precision=precision))
    moved = found(ising(offset=offset, precision=precision))
    assert moved.parameters == plain.parameters
    assert moved.best_start == plain.best_start
    assert moved.n_evaluations == plain.n_evaluations
    assert moved.energies == [energy + offset for energy in plain.energies]


@pytest.mark.usefixtures("thorough")
def test_the_quality_of_a_sample_has_all_digits_beside_an_offset() -> None:
    offset = -1e11
    plain = plainly_analysed("double")
    _, moved = analysed(ising(offset=offset))
    assert moved.ratio == plain.ratio
    assert moved.standard_error == plain.standard_error
    assert moved.probability_of_optimum == plain.probability_of_optimum
    assert moved.energy == plain.energy + offset


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(
    ("scale", "precision"), [(2e-100, "single"), (1e-9, "double"), (5e99, "single")]
)
def test_what_is_valid_works_to_the_end(scale: float, precision: str) -> None:
    """Energies, figures, landscape: all finite, and as good as with coefficients of order 1."""
    plain = plainly_analysed(precision)
    result, analysis = analysed(ising(scale, precision=precision))
    assert result.n_unmoved == 0
    assert analysis.ratio == pytest.approx(plain.ratio, abs=0.05)
    assert analysis.landscape is not None
    assert np.isfinite(analysis.landscape.energy).all()
    assert set(analysis.figures) == set(plain.figures)
    assert not any(re.search(' d="[^"]*nan', figure) for figure in analysis.figures.values())


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("problem.h", {"h": [1e101]}),
        ("problem.h", {"h": [1.0, 1e-101]}),
        ("problem.J", {"J": [[0, 1, 1e-200]]}),
        ("problem.qubo", {"qubo": [[1e200]]}),
        ("problem.offset", {"h": [1.0], "offset": 1e13}),
    ],
)
def test_what_cannot_work_is_refused(key: str, problem: dict[str, Any]) -> None:
    experiment = parse_experiment({"name": "refused", "problem": {"kind": "ising", **problem}})
    with pytest.raises(ConfigurationError, match=key):
        build_problem(experiment.problem)


def test_starts_that_do_not_move_are_counted() -> None:
    flat = {"kind": "ising", "h": [0.0, 0.0], "offset": 2.0}
    flat_search = {"starts": 5}
    result = found(parse_experiment({"name": "flat", "problem": flat, "search": flat_search}))
    assert (result.n_unmoved, result.energy) == (5, 2.0)
    assert found(ising(method="sobol")).n_unmoved == 0
