from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import Experiment, ProblemTable
from hybrid_parsl.problems.maxcut import MaxCut
from hybrid_parsl.problems.registry import build_problem, embed_files

if TYPE_CHECKING:
    from pathlib import Path


def made(**keys: Any) -> MaxCut:
    problem = build_problem(ProblemTable(kind="maxcut", **keys))
    assert isinstance(problem, MaxCut)
    return problem


def cut_weight(edges: list[tuple[int, int, float]], bits: str) -> float:
    colour = bits[::-1]
    return sum(weight for i, j, weight in edges if colour[i] != colour[j])


GRAPHS: list[dict[str, Any]] = [
    {"nodes": 6},
    {"nodes": 7, "degree": 2, "weights": "integer"},
    {"nodes": 5, "edge_probability": 0.7, "weights": "uniform", "weight_range": [-1, 1]},
    {"edges": [[0, 1], [2, 1, 2.5], [3, 0, -1]]},
    {"edges": [[0, 1], [1, 2]], "nodes": 5, "weights": "integer", "weight_range": [3, 3]},
]


@pytest.mark.parametrize("keys", GRAPHS)
def test_the_energy_is_minus_the_cut(keys: dict[str, Any]) -> None:
    problem = made(**keys)
    bitstrings = ["".join(bits) for bits in itertools.product("01", repeat=problem.n_qubits)]
    expected = [-cut_weight(problem.edges, bits) for bits in bitstrings]
    np.testing.assert_allclose(problem.energies(bitstrings), expected, atol=1e-12)
    np.testing.assert_allclose(problem.cost_diagonal(), expected, atol=1e-12)
    assert problem.spectrum() == pytest.approx((min(expected), max(expected)), abs=1e-12)


def test_the_default_graph_is_3_regular_with_unit_weights() -> None:
    problem = made(nodes=8)
    assert len(problem.edges) == 12
    assert {weight for _, _, weight in problem.edges} == {1.0}
    np.testing.assert_allclose(problem.bounds(1), [[0, 2 / 3**0.5], [-np.pi / 4, 0]])


def test_weights_that_are_asked_to_be_units_leave_the_range_aside() -> None:
    edges = made(nodes=4, weights="unit", weight_range=[2, 5]).edges
    assert [weight for _, _, weight in edges] == [1.0] * 6


@given(seed=st.integers(0, 2**32 - 1), low=st.integers(-5, 5), span=st.integers(0, 5))
def test_weights_are_drawn_from_their_range(seed: int, low: int, span: int) -> None:
    whole = made(nodes=6, seed=seed, weights="integer", weight_range=[low, low + span])
    assert all(w.is_integer() and low <= w <= low + span for _, _, w in whole.edges)
    real = made(nodes=6, seed=seed, weights="uniform", weight_range=[low, low + span])
    assert all(low <= w <= low + span for _, _, w in real.edges)
    assert [edge[:2] for edge in whole.edges] == [edge[:2] for edge in real.edges]


def test_the_same_seed_gives_the_same_problem() -> None:
    keys = {"nodes": 10, "weights": "uniform"}
    assert made(seed=4, **keys).edges == made(seed=4, **keys).edges
    assert made(seed=4, **keys).edges != made(seed=5, **keys).edges


def test_without_a_range_integer_weights_are_1_to_10() -> None:
    weights = {
        w for seed in range(20) for _, _, w in made(nodes=8, seed=seed, weights="integer").edges
    }
    assert weights == set(range(1, 11))


def test_a_file_is_embedded(tmp_path: Path) -> None:
    (tmp_path / "graph.txt").write_text("# a triangle\n0 1\n1 2 2.5\n2 0 # last\n")
    experiment = Experiment(name="x", problem=ProblemTable(kind="maxcut", edges="graph.txt"))
    embedded = embed_files(experiment, tmp_path)
    assert embedded.problem.settings == {"edges": [[0, 1], [1, 2, 2.5], [0, 2]]}
    problem = build_problem(Experiment.model_validate(embedded.model_dump()).problem)
    assert problem.spectrum() == (-3.5, 0.0)


def test_settings_without_a_file_stay_as_they_are(tmp_path: Path) -> None:
    assert MaxCut.embed({"nodes": 4}, tmp_path) == {"nodes": 4}


@pytest.mark.parametrize(
    ("text", "source"),
    [("0 1\n0 x\n", "graph.txt, line 2"), (None, "graph.txt"), ("", "graph.txt")],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str | None, source: str) -> None:
    if text is not None:
        (tmp_path / "graph.txt").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        MaxCut.embed({"edges": "graph.txt"}, tmp_path)
    assert source in str(caught.value)
    assert caught.value.key == "problem.edges"


@pytest.mark.parametrize(
    ("keys", "key", "words"),
    [
        ({}, "problem.nodes", ["missing", "2 to 40"]),
        ({"nodes": 1}, "problem.nodes", ["2 to 40"]),
        ({"nodes": 41}, "problem.nodes", ["2 to 40"]),
        ({"nodes": 4.0}, "problem.nodes", ["integer"]),
        ({"nodes": 4, "degree": 0}, "problem.degree", ["at least 1"]),
        ({"nodes": 4, "degree": 4}, "problem.degree", ["1 to 3"]),
        ({"nodes": 5}, "problem.degree", ["odd", "3"]),
        ({"nodes": 3, "degree": 3}, "problem.degree", ["1 to 2"]),
        ({"nodes": 4, "edge_probability": 0.0}, "problem.edge_probability", ["more than 0"]),
        ({"nodes": 4, "edge_probability": 1.5}, "problem.edge_probability", ["at most 1"]),
        ({"nodes": 2, "edge_probability": 1e-9}, "problem.edge_probability", ["no edge", "seed"]),
        ({"edge_probability": 0.5}, "problem.nodes", ["missing"]),
        ({"nodes": 4, "degree": 3, "edges": [[0, 1]]}, "problem", ["only one of", "degree, edges"]),
        ({"edges": 3}, "problem.edges", ["a file name"]),
        ({"edges": []}, "problem.edges", ["no edge"]),
        ({"edges": [[0, 40]]}, "problem.edges[0]", ["from 0 to 39"]),
        ({"edges": [[0, 3]], "nodes": 3}, "problem.edges[0]", ["from 0 to 2"]),
        ({"edges": "graph.txt"}, "problem.edges", ["not read in"]),
        ({"nodes": 4, "seed": -1}, "problem.seed", ["at least 0"]),
        ({"nodes": 4, "weights": "integr"}, "problem.weights", ["did you mean 'integer'"]),
        ({"nodes": 4, "weight_range": [1, 2]}, "problem.weight_range", ["'integer' or 'uniform'"]),
        (
            {"nodes": 4, "weights": "uniform", "weight_range": [2, 1]},
            "problem.weight_range",
            ["lowest, highest"],
        ),
        (
            {"nodes": 4, "weights": "integer", "weight_range": [0.5, 1]},
            "problem.weight_range",
            ["whole numbers"],
        ),
        (
            {"nodes": 4, "weights": "integer", "weight_range": [0, 1e100]},
            "problem.weight_range",
            ["whole numbers", str(2**53)],
        ),
        *(
            (
                {"nodes": 4, "weights": "uniform", "weight_range": value},
                "problem.weight_range",
                ["is not a range", "[lowest, highest]"],
            )
            for value in (5, "1-2", [1], [1, 2, 3], ["1", 2], [1, True], [0, 1e101])
        ),
        ({"nodes": 4, "degre": 3}, "problem.degre", ["unknown key", "did you mean 'degree'"]),
    ],
)
def test_bad_keys_say_what_is_valid(keys: dict[str, Any], key: str, words: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        made(**keys)
    assert caught.value.key == key
    for word in words:
        assert word in str(caught.value)
