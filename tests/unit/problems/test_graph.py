from __future__ import annotations

import contextlib
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.problems.graph import (
    Edge,
    check_edges,
    parse_edges,
    random_edges,
    random_regular_edges,
)

KEY = "problem.edges"
SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=60, deadline=None)
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


@settings(max_examples=40, deadline=None)
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


WEIGHTS = st.one_of(st.none(), st.floats(-1e99, 1e99))
EDGES = st.dictionaries(
    st.tuples(st.integers(0, 39), st.integers(0, 39)).filter(lambda pair: pair[0] < pair[1]),
    WEIGHTS,
    min_size=1,
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(edges=EDGES, swap=st.booleans(), comment=st.text("ab #0", max_size=6))
def test_what_is_written_is_read(
    edges: dict[tuple[int, int], float | None],
    swap: bool,  # noqa: FBT001
    comment: str,
) -> None:
    expected = [Edge(i, j, weight) for (i, j), weight in edges.items()]
    lines = [f"# {comment}", ""]
    rows: list[list[int | float]] = []
    for i, j, weight in expected:
        ends = [j, i] if swap else [i, j]
        rows.append([*ends] if weight is None else [*ends, weight])
        lines.append("\t".join(map(repr, rows[-1])) + f"  #{comment}\r")
    assert parse_edges("\n".join(lines), "g.txt", KEY, 40) == expected
    assert check_edges(rows, KEY, 40) == expected


@settings(max_examples=100, deadline=None)
@given(text=st.text("0123 .-#eax\n", max_size=40))
def test_no_text_ends_in_another_error(text: str) -> None:
    with contextlib.suppress(ConfigurationError):
        assert parse_edges(text, "g.txt", KEY, 40)


@pytest.mark.parametrize(
    ("text", "source", "message"),
    [
        ("0 1\n0", "g.txt, line 2", "is not an edge"),
        ("0 1 2 3", "g.txt, line 1", "is not an edge"),
        ("0 one", "g.txt, line 1", "'one' is not a number"),
        ("# x\n\n0 40", "g.txt, line 3", "40 is not a node from 0 to 39"),
        ("0 -1", "g.txt, line 1", "-1 is not a node from 0 to 39"),
        ("0 1.0", "g.txt, line 1", "1.0 is not a node from 0 to 39"),
        ("3 3", "g.txt, line 1", "joins node 3 to itself"),
        ("0 1 nan", "g.txt, line 1", "nan is not a weight"),
        ("0 1 -inf", "g.txt, line 1", "-inf is not a weight"),
        ("0 1 1e400", "g.txt, line 1", "inf is not a weight"),
        ("0 1\n1 0 2", "g.txt, line 2", "repeats the edge of line 1"),
        ("# nothing", "g.txt", "holds no edge"),
    ],
)
def test_a_bad_line_is_named(text: str, source: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        parse_edges(text, source="g.txt", key=KEY, most_nodes=40)
    assert caught.value.source == source
    assert caught.value.key == KEY
    assert (
        caught.value.valid
        == "two different nodes, counted from 0, and a finite weight if any: i j [weight]"
    )


@pytest.mark.parametrize(
    ("rows", "key", "message"),
    [
        ([[0, 1], 3], "problem.edges[1]", "is not an edge"),
        ([["0", 1]], "problem.edges[0]", "'0' is not a node"),
        ([[True, 0]], "problem.edges[0]", "True is not a node"),
        ([[0, 1, "2"]], "problem.edges[0]", "'2' is not a weight"),
        ([[0, 1, 10**400]], "problem.edges[0]", "is not a weight"),
        ([[0, 1], [1, 0]], "problem.edges[1]", r"repeats the edge of problem\.edges\[0\]"),
        ([], "problem.edges", "holds no edge"),
    ],
)
def test_a_bad_row_is_named(rows: list[object], key: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        check_edges(rows, KEY, 40)
    assert caught.value.key == key
    assert caught.value.found is not None
