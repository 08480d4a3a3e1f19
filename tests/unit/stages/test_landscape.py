from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_parsl.experiment import ProblemTable
from hybrid_parsl.problems.registry import build_problem
from hybrid_parsl.simulate.alternating import AlternatingState
from hybrid_parsl.stages import landscape as module
from hybrid_parsl.stages.landscape import interpolated, landscape

PROBLEMS: list[dict[str, Any]] = [
    {"kind": "maxcut", "nodes": 6, "weights": "uniform"},
    {"kind": "ising", "h": [1.0, -0.5, 0.0], "J": [[0, 1, 2.0], [1, 2, -1.0]], "offset": 3},
    {"kind": "ising", "h": [1.0]},
]


@pytest.mark.parametrize("keys", PROBLEMS)
def test_it_is_the_exact_energy(keys: dict[str, Any]) -> None:
    problem = build_problem(ProblemTable(**keys))
    drawn = landscape(problem, 7)
    assert drawn is not None
    diagonal = problem.cost_diagonal()
    assert diagonal is not None
    state = AlternatingState(diagonal, 1)
    expected = [[state.energy(np.array([g, b])) for g in drawn.gamma] for b in drawn.beta]
    np.testing.assert_allclose(drawn.energy, expected, atol=1e-10)
    assert drawn.gamma == sorted(drawn.gamma)
    np.testing.assert_allclose(
        [[drawn.gamma[0], drawn.gamma[-1]], [drawn.beta[0], drawn.beta[-1]]], problem.bounds(1)
    )


def test_large_states_get_fewer_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_AMPLITUDES", 2**14)
    drawn = landscape(build_problem(ProblemTable(kind="maxcut", nodes=8)), 100)
    assert drawn is not None
    assert len(drawn.gamma) == len(drawn.beta) == 2**14 // (5 * 2**8)


@pytest.mark.parametrize(
    ("keys", "points"),
    [
        ({"kind": "bell"}, 48),
        ({"kind": "maxcut", "nodes": 6}, 0),
        ({"kind": "maxcut", "nodes": 18}, 48),
    ],
)
def test_where_there_is_none(keys: dict[str, Any], points: int) -> None:
    assert landscape(build_problem(ProblemTable(**keys)), points) is None


@given(degree=st.integers(0, 4), seed=st.integers(0, 1000))
def test_a_trigonometric_polynomial_is_known_everywhere(degree: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    cosines, sines = generator.normal(size=(2, degree + 1))

    def polynomial(beta: np.ndarray) -> np.ndarray:
        turns = 2 * np.outer(beta, np.arange(degree + 1))
        return np.cos(turns) @ cosines + np.sin(turns) @ sines

    nodes = np.pi * np.arange(2 * degree + 1) / (2 * degree + 1)
    beta = generator.uniform(-5, 5, 9)
    np.testing.assert_allclose(interpolated(polynomial(nodes), beta), polynomial(beta), atol=1e-10)
