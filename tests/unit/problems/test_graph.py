from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.problems.graph import VALID_EDGE, check_edges, random_edges, random_regular_edges
from hybrid_parsl.problems.instances.instance import Edge
from hybrid_parsl.problems.settings import is_coefficient

KEY = "problem.edges"
SEEDS = st.integers(0, 2**32 - 1)


@given(nodes=st.integers(2, 20), data=st.data(), seed=SEEDS)
def test_every_node_of_a_regular_graph_has_its_degree(
    nodes: int, data: st.DataObject, seed: int
) -> None:
    degrees = [d for d in range(1, nodes) if nodes * d % 2 == 0]
    degree = data.draw(st.sampled_from(degrees))
    edges = random_regular_edges(nodes, degree, seed)
    assert edges == sorted(set(edges))
    assert all(i < j for i, j in edges)
    assert Counter(node for edge in edges for node in edge) == dict.fromkeys(range(nodes), degree)


@pytest.mark.parametrize("degree", [3, 20, 37, 38, 39])
def test_the_largest_graphs_are_drawn_at_once(degree: int) -> None:
    assert len(random_regular_edges(40, degree, 1)) == 20 * degree


def test_a_regular_graph_depends_on_its_seed_alone() -> None:
    assert random_regular_edges(6, 3, 5) == random_regular_edges(6, 3, 5)
    assert len({tuple(random_regular_edges(12, 3, seed)) for seed in range(20)}) == 20


def test_a_known_regular_graph() -> None:
    edges = [(0, 1), (0, 4), (1, 4), (2, 3), (2, 5), (3, 5)]
    assert random_regular_edges(6, 2, 0) == edges


def test_each_of_the_70_cubic_graphs_of_six_nodes_is_drawn() -> None:
    drawn = [tuple(random_regular_edges(6, 3, seed)) for seed in range(1400)]
    assert len(set(drawn)) == 70
    assert max(Counter(drawn).values()) < 60


@given(nodes=st.integers(2, 12), probability=st.floats(0.01, 1), seed=SEEDS)
def test_random_edges_are_edges(nodes: int, probability: float, seed: int) -> None:
    edges = random_edges(nodes, probability, seed)
    assert edges == sorted(set(edges))
    assert all(0 <= i < j < nodes for i, j in edges)
    assert edges == random_edges(nodes, probability, seed)


def test_random_edges_come_with_their_probability() -> None:
    assert len(random_edges(40, 1.0, 0)) == 780
    total = sum(len(random_edges(40, 0.3, seed)) for seed in range(100))
    assert abs(total / 78_000 - 0.3) < 5 * (0.3 * 0.7 / 78_000) ** 0.5


WEIGHTS = st.one_of(st.none(), st.floats(-1e99, 1e99).filter(is_coefficient))
EDGES = st.dictionaries(
    st.tuples(st.integers(0, 39), st.integers(0, 39)).filter(lambda pair: pair[0] < pair[1]),
    WEIGHTS,
    min_size=1,
    max_size=30,
)


@given(edges=EDGES, swap=st.booleans())
def test_what_is_written_is_checked(
    edges: dict[tuple[int, int], float | None],
    swap: bool,  # noqa: FBT001
) -> None:
    rows = [
        [*((j, i) if swap else (i, j)), *([] if w is None else [w])] for (i, j), w in edges.items()
    ]
    assert check_edges(rows, KEY, 40) == [Edge(*pair, weight) for pair, weight in edges.items()]


@pytest.mark.parametrize(
    ("rows", "key", "message"),
    [
        ([[0, 1], 3], "problem.edges[1]", "is not an edge"),
        ([["0", 1]], "problem.edges[0]", "'0' is not a node"),
        ([[True, 0]], "problem.edges[0]", "True is not a node"),
        ([[0, 1, "2"]], "problem.edges[0]", "'2' is not a number"),
        ([[0, 1, 10**400]], "problem.edges[0]", "is not a number in the valid range"),
        ([[0, 1], [1, 0]], "problem.edges[1]", r"repeats the edge of problem\.edges\[0\]"),
        ([[0, 40]], "problem.edges[0]", "40 is not a node from 0 to 39"),
        ([[3, 3]], "problem.edges[0]", "joins node 3 to itself"),
        ([], "problem.edges", "holds no edge"),
    ],
)
def test_a_bad_row_is_named(rows: list[object], key: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        check_edges(rows, KEY, 40)
    assert caught.value.key == key
    assert caught.value.found is not None
    assert caught.value.valid == VALID_EDGE
