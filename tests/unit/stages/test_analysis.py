from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit

from hybrid_parsl.errors import ResultError
from hybrid_parsl.experiment import Experiment
from hybrid_parsl.results import Analysis, Circuit, Execution, Sample, SearchResult
from hybrid_parsl.stages import analysis as module
from hybrid_parsl.stages.analysis import (
    analyse,
    approximation_ratio,
    bootstrap_error,
    top_outcomes,
)
from hybrid_parsl.stages.quantum import sample

EXECUTION = Execution(duration_s=0.0, n_ranks=1, hosts=["here"])
MAXCUT = {"kind": "maxcut", "edges": [[0, 1], [1, 2], [2, 0, 3]]}  # lowest energy -4


@pytest.fixture(autouse=True)
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    calls: list[tuple[Any, ...]] = []

    def draw_figures(*arguments: Any) -> dict[str, str]:
        calls.append(arguments)
        return {"circuit": "<svg/>"}

    figures = ModuleType("hybrid_parsl.report.figures")
    figures.draw_figures = draw_figures  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "hybrid_parsl.report.figures", figures)
    return calls


def asked(problem: dict[str, Any], **settings_: Any) -> Experiment:
    return Experiment.model_validate({"name": "x", "problem": problem, "analysis": settings_})


def found(parameters: list[float], energy: float) -> SearchResult:
    return SearchResult(
        parameters=parameters,
        energy=energy,
        method="draw",
        best_start=0,
        energies=[energy],
        trace=[energy],
        n_evaluations=1,
        execution=EXECUTION,
    )


def measured(counts: dict[str, int], energy: float = 0.0) -> Sample:
    circuit = Circuit(qasm3="", n_qubits=3, depth=1, n_gates=1, sha256="")
    return Sample(
        counts=counts,
        shots=sum(counts.values()),
        energy=energy,
        standard_error=0.0,
        backend="by hand",
        circuit=circuit,
        execution=EXECUTION,
    )


def test_a_sample_counted_by_hand() -> None:
    # cuts: 000 -> 0, 001 (node 0 apart) -> 4, 010 -> 2, 110 (node 0 apart) -> 4
    counts = {"000": 10, "001": 40, "010": 20, "110": 30}
    result = analyse(asked(MAXCUT, top=2), found([0.1, 0.2], -3.0), measured(counts))
    assert result.energy == pytest.approx(-3.2)
    assert (result.optimum, result.worst) == pytest.approx((-4.0, 0.0))
    assert result.ratio == pytest.approx(0.8)
    assert result.best_ratio == pytest.approx(1.0)
    assert result.probability_of_optimum == pytest.approx(0.7)
    assert result.exact_energy == -3.0
    assert result.deviation == pytest.approx(-0.2 / result.standard_error)
    assert [(o.bitstring, o.count, o.probability) for o in result.top] == [
        ("001", 40, 0.4),
        ("110", 30, 0.3),
    ]
    assert [o.energy for o in result.top] == pytest.approx([-4.0, -4.0])


def test_the_whole_way_of_a_bell_pair(drawn: list[tuple[Any, ...]]) -> None:
    experiment = asked({"kind": "bell"})
    search = found([2.0, 0.3], float(np.cos(2.0)))
    result = analyse(experiment, search, sample(experiment, search))
    assert abs(result.deviation) < 5
    assert result.landscape is None
    assert result.figures == {"circuit": "<svg/>"}
    assert result.execution.duration_s > 0
    assert Analysis.model_validate_json(result.model_dump_json()) == result
    (call,) = drawn
    assert call[0] is experiment
    assert call[1] is search
    assert call[3] == result.model_copy(update={"figures": {}, "execution": call[3].execution})
    assert isinstance(call[4], QuantumCircuit)


@pytest.mark.parametrize("spectrum", [(-2.0, 6.0), None])
def test_a_measured_expectation_value(
    monkeypatch: pytest.MonkeyPatch, spectrum: tuple[float, float] | None
) -> None:
    monkeypatch.setattr("hybrid_parsl.problems.bell.Bell.spectrum", lambda _: spectrum)
    counted = measured({"00": 1}, energy=-1.0)
    estimated = counted.model_copy(
        update={"counts": {}, "expectation": -1.0, "standard_error": 0.25, "shots": 100}
    )
    result = analyse(asked({"kind": "bell"}), found([0.1, 0.2], -1.5), estimated)
    assert (result.energy, result.standard_error) == (-1.0, 0.25)
    assert (result.exact_energy, result.deviation) == (-1.5, 2.0)
    known = (result.optimum, result.worst, result.ratio)
    assert known == ((-2.0, 6.0, 7 / 8) if spectrum else (None, None, None))
    absent = (result.best_ratio, result.probability_of_optimum, result.landscape)
    assert absent == (None, None, None)
    assert result.top == []
    exact = estimated.model_copy(update={"standard_error": 0.0})
    floor = 0.08 if spectrum else 0.01
    deviation = analyse(asked({"kind": "bell"}), found([0.1, 0.2], -1.5), exact).deviation
    assert deviation == pytest.approx(0.5 / floor)


def test_an_alternating_circuit_has_a_landscape() -> None:
    sampled = measured({"000": 1})
    result = analyse(asked(MAXCUT, landscape=5), found([0.1, 0.2], -3.0), sampled)
    assert result.landscape is not None
    assert len(result.landscape.gamma) == 5


@pytest.mark.parametrize(("exact", "deviation"), [(1.0, 0.0), (0.999, 50 * 0.001)])
def test_a_sample_of_one_outcome_has_a_finite_deviation(exact: float, deviation: float) -> None:
    result = analyse(asked({"kind": "bell"}), found([0.0, 0.0], exact), measured({"00": 100}))
    assert result.standard_error == 0.0
    assert result.deviation == pytest.approx(deviation)


def test_a_spectrum_that_is_not_known() -> None:
    edges = [[k, k + 1] for k in range(29)]
    problem = {"kind": "maxcut", "edges": edges}
    result = analyse(
        asked(problem), found([0.1, 0.2], -10.0), measured({"0" * 30: 5, "01" * 15: 5})
    )
    known = (result.optimum, result.worst, result.ratio, result.best_ratio)
    assert known == (None, None, None, None)
    assert result.probability_of_optimum is None
    assert result.landscape is None
    assert result.energy == pytest.approx(-14.5)
    one = analyse(asked(problem), found([0.1, 0.2], -10.0), measured({"01" * 15: 5}))
    assert np.isfinite(one.deviation)


def test_where_all_costs_are_equal_each_is_an_optimum() -> None:
    problem = {"kind": "maxcut", "edges": [[0, 1, 0]]}
    result = analyse(asked(problem), found([0.1, 0.2], 0.0), measured({"00": 3, "01": 1}))
    assert (result.ratio, result.best_ratio, result.probability_of_optimum) == (1.0, 1.0, 1.0)
    assert result.deviation == 0.0


def test_a_sample_of_another_problem_is_refused() -> None:
    with pytest.raises(ResultError, match="3 qubits"):
        analyse(asked(MAXCUT), found([0.1, 0.2], 0.0), measured({"0000": 3}))


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(2, 30))
def test_the_bootstrap_error_is_the_standard_error(seed: int, n_outcomes: int) -> None:
    generator = np.random.default_rng(seed)
    energies = generator.normal(size=n_outcomes)
    counts = generator.integers(1, 50, n_outcomes)
    shots = np.repeat(energies, counts)
    error = bootstrap_error(energies, counts, 4000, seed)
    assert error == pytest.approx(shots.std() / len(shots) ** 0.5, rel=0.08)
    assert error == bootstrap_error(energies, counts, 4000, seed)


def test_the_bootstrap_does_not_depend_on_how_much_is_drawn_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    energies, counts = np.array([-1.0, 0.0, 2.0]), np.array([5, 3, 2])
    whole = bootstrap_error(energies, counts, 100, 1)
    monkeypatch.setattr(module, "_MOST_DRAWN_AT_ONCE", 21)
    assert bootstrap_error(energies, counts, 100, 1) == pytest.approx(whole, rel=1e-12)


def test_very_many_energies_are_drawn_in_groups() -> None:
    generator = np.random.default_rng(2)
    energies, counts = generator.normal(size=40_000), generator.integers(1, 5, 40_000)
    shots = np.repeat(energies, counts)
    error = bootstrap_error(energies, counts, 400, 0)
    assert error == pytest.approx(shots.std() / len(shots) ** 0.5, rel=0.15)
    levels, total = module._levels(energies, counts)
    assert len(levels) <= 4096
    assert total.sum() == len(shots)
    assert levels @ total == pytest.approx(shots.sum())
    spread = (levels**2 @ total / len(shots) - shots.mean() ** 2) ** 0.5
    assert spread == pytest.approx(shots.std(), rel=1e-5)


def test_equal_energies_far_from_zero_leave_no_error() -> None:
    assert bootstrap_error(np.array([1e15 / 3] * 4), np.array([1, 2, 3, 4]), 50, 0) == 0.0


@pytest.mark.parametrize(
    ("energy", "spectrum", "ratio"),
    [
        (-4.0, (-4.0, 0.0), 1.0),
        (0.0, (-4.0, 0.0), 0.0),
        (-4.000000001, (-4.0, 0.0), 1.0),
        (3.0, (3.0, 3.0), 1.0),
        (3.0, None, None),
    ],
)
def test_the_approximation_ratio(
    energy: float, spectrum: tuple[float, float] | None, ratio: float | None
) -> None:
    assert approximation_ratio(energy, spectrum) == ratio


def test_equally_frequent_outcomes_are_sorted_by_bitstring() -> None:
    bitstrings, counts = ["11", "00", "10", "01"], np.array([2, 2, 5, 2])
    top = top_outcomes(bitstrings, counts, np.zeros(4), 3)
    assert [outcome.bitstring for outcome in top] == ["10", "00", "01"]


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (1e-10, 0.0), (1.0, 1e8), (1.0, -1e9)])
def test_optimal_is_what_rounding_alone_sets_apart(scale: float, offset: float) -> None:
    levels = np.array([-3.0, -3.0 + 1e-15, -2.9, 0.0, 4.0]) * scale + offset
    spectrum = float(levels.min()), float(levels.max())
    counts = np.array([1, 1, 1, 1, 4])
    assert module._optimal_fraction(levels, counts, spectrum) == 0.25
