"""Writes graphs and QUBOs in every format, whole and damaged, and reads them again."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.problems.instances.formats import GRAPHS, QUBOS
from hybrid_parsl.problems.instances.reading import read_instance
from hybrid_parsl.problems.settings import is_coefficient

if TYPE_CHECKING:
    from pathlib import Path

Weights = dict[tuple[int, int], float]
Written = tuple[int, Weights]
PROPERTY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
VALUES = st.one_of(st.integers(-9, 9), st.floats(-1e99, 1e99).filter(is_coefficient))


@st.composite
def written(draw: st.DrawFn, *, loops: bool) -> Written:
    n = draw(st.integers(2, 12))
    node = st.integers(0, n - 1)
    pair = st.tuples(node, node).map(lambda p: (min(p), max(p)))
    if not loops:
        pair = pair.filter(lambda p: p[0] < p[1])
    return n, draw(st.dictionaries(pair, VALUES, min_size=1, max_size=20))


def lines(weights: Weights, first: int, prefix: str = "", separator: str = " ") -> list[str]:
    return [
        prefix + separator.join(map(repr, (i + first, j + first, w)))
        for (i, j), w in weights.items()
    ]


def counted(n: int, weights: Weights) -> list[str]:
    return ["# a comment", f"{n} {len(weights)}", *lines(weights, 1)]


def table(n: int, weights: Weights) -> list[str]:
    del n
    return ["source,target,weight", *lines(weights, 0, separator=",")]


def dimacs(n: int, weights: Weights) -> list[str]:
    return ["c a comment", f"p edge {n} {len(weights)}", *lines(weights, 1, "e ")]


def qbsolv(n: int, weights: Weights) -> list[str]:
    diagonal = {pair: w for pair, w in weights.items() if pair[0] == pair[1]}
    others = {pair: w for pair, w in weights.items() if pair[0] != pair[1]}
    header = f"p qubo 0 {n} {len(diagonal)} {len(others)}"
    return ["c a comment", header, *lines(diagonal, 0), *lines(others, 0)]


def matrix_market(n: int, weights: Weights, symmetry: str = "general") -> list[str]:
    banner = f"%%MatrixMarket matrix coordinate real {symmetry}"
    rows = {(j, i) if symmetry == "symmetric" else (i, j): w for (i, j), w in weights.items()}
    return [banner, "% a comment", f"{n} {n} {len(rows)}", *lines(rows, 1)]


def symmetric(n: int, weights: Weights) -> list[str]:
    return matrix_market(n, weights, "symmetric")


def node_link(n: int, weights: Weights, key: str = "edges") -> list[str]:
    edges = [{"source": i, "target": j, "weight": w} for (i, j), w in weights.items()]
    return [json.dumps({"nodes": [{"id": k} for k in range(n)], key: edges})]


def links(n: int, weights: Weights) -> list[str]:
    return node_link(n, weights, "links")


def bqm(n: int, weights: Weights) -> list[str]:
    pairs = [(i, j, w) for (i, j), w in weights.items() if i != j]
    found = {
        "type": "BinaryQuadraticModel",
        "variable_type": "BINARY",
        "variable_labels": list(range(n)),
        "linear_biases": [weights.get((k, k), 0.0) for k in range(n)],
        "quadratic_head": [i for i, _, _ in pairs],
        "quadratic_tail": [j for _, j, _ in pairs],
        "quadratic_biases": [w for _, _, w in pairs],
    }
    return [json.dumps(found)]


def dense(n: int, weights: Weights) -> list[str]:
    return [" ".join(repr(float(weights.get((i, j), 0.0))) for j in range(n)) for i in range(n)]


Writer = Callable[[int, Weights], list[str]]
GRAPH_WRITERS: list[tuple[str, Writer]] = [
    ("rudy", counted),
    ("csv", table),
    ("dimacs", dimacs),
    ("matrix-market", matrix_market),
    ("matrix-market", symmetric),
    ("node-link", node_link),
    ("node-link", links),
    ("edge-list", lambda _, weights: lines(weights, 0)),
]
QUBO_WRITERS: list[tuple[str, Writer]] = [
    ("bq", counted),
    ("csv", table),
    ("qbsolv", qbsolv),
    ("matrix-market", matrix_market),
    ("bqm", bqm),
    ("dense", dense),
    ("triples", lambda _, weights: lines(weights, 0)),
]
COUNTED = [("graph", *each) for each in GRAPH_WRITERS[:1] + GRAPH_WRITERS[2:5]]
COUNTED += [("qubo", *each) for each in [QUBO_WRITERS[0], *QUBO_WRITERS[2:4]]]


def read(folder: Path, text: str | bytes, content: Any, **keys: Any) -> tuple[int, Weights]:
    """Return the nodes and the entries of a file, without entries that are zero in a QUBO."""
    name = {"graph": "edges", "qubo": "qubo"}[content]
    content_bytes = text if isinstance(text, bytes) else text.encode()
    (folder / "instance").write_bytes(content_bytes)
    reading, _ = read_instance(folder, {name: "instance", **keys}, f"problem.{name}", content)
    found: Weights = {}
    for i, j, weight in reading.edges:
        pair = (min(i, j), max(i, j))
        found[pair] = found.get(pair, 0.0) + (1.0 if weight is None else weight)
    return reading.nodes, found


def nonzero(weights: Weights) -> Weights:
    return {pair: float(weight) for pair, weight in weights.items() if weight}


def test_every_format_is_written_here() -> None:
    assert {name for name, _ in GRAPH_WRITERS} == set(GRAPHS)
    assert {name for name, _ in QUBO_WRITERS} == set(QUBOS) - {"npy"}


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(("name", "write"), GRAPH_WRITERS)
@PROPERTY
@given(graph=written(loops=False), ending=st.sampled_from(["\n", "\r\n"]))
def test_a_graph_is_read_as_it_was_written(
    tmp_path: Path, name: str, write: Any, graph: Written, ending: str
) -> None:
    n, weights = graph
    keys = {"format": name, "nodes": n}
    keys |= {"first_node": 0} if name in ("edge-list", "csv") else {}
    assert read(tmp_path, ending.join(write(n, weights)), "graph", **keys) == (n, weights)


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(("name", "write"), QUBO_WRITERS)
@PROPERTY
@given(qubo=written(loops=True))
def test_a_qubo_is_read_as_it_was_written(
    tmp_path: Path, name: str, write: Any, qubo: Written
) -> None:
    n, weights = qubo
    weights[n - 1, n - 1] = 1.0  # says how many there are also where no header does
    keys = {"format": name} | ({"first_node": 0} if name in ("triples", "csv") else {})
    found_n, found = read(tmp_path, "\n".join(write(n, weights)), "qubo", **keys)
    assert (found_n, nonzero(found)) == (n, nonzero(weights))


@pytest.mark.parametrize("content", ["graph", "qubo"])
@PROPERTY
@given(data=st.data())
def test_auto_reads_the_same_or_refuses(tmp_path: Path, content: str, data: st.DataObject) -> None:
    n, weights = data.draw(written(loops=content == "qubo"))
    writers = GRAPH_WRITERS if content == "graph" else QUBO_WRITERS
    _, write = data.draw(st.sampled_from(writers))
    try:
        _, found = read(tmp_path, "\n".join(write(n, weights)), content)
    except ConfigurationError as error:
        assert error.message == "can be read in more than one way"  # noqa: PT017
    else:
        assert nonzero(found) == nonzero(weights)


@PROPERTY
@given(graph=written(loops=False), symmetry=st.sampled_from(["general", "symmetric"]))
def test_a_matrix_of_scipy_is_read(tmp_path: Path, graph: Written, symmetry: str) -> None:
    n, weights = graph
    matrix = np.zeros((n, n))
    for (i, j), weight in weights.items():
        matrix[i, j] = matrix[j, i] = weight
    assume(matrix.any())
    file = io.BytesIO()
    scipy.io.mmwrite(file, scipy.sparse.coo_array(matrix), symmetry=symmetry, precision=17)
    n_read, found = read(tmp_path, file.getvalue(), "qubo")
    there = {pair: 2 * matrix[pair] for pair in weights if matrix[pair]}
    assert (n_read, nonzero(found)) == (n, pytest.approx(there))
    scipy.io.mmwrite(file := io.BytesIO(), matrix, symmetry=symmetry, precision=17)
    _, found = read(tmp_path, file.getvalue(), "qubo")
    assert nonzero(found) == pytest.approx(there)


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(("content", "name", "write"), COUNTED)
@PROPERTY
@given(data=st.data())
def test_no_damage_is_read_in_silence(
    tmp_path: Path, content: str, name: str, write: Any, data: st.DataObject
) -> None:
    n, weights = data.draw(written(loops=content == "qubo"))
    rows = write(n, weights)
    entries = len(weights)
    at = data.draw(st.integers(len(rows) - entries, len(rows) - 1))
    words = rows[at].split()
    damage: dict[str, list[str]] = {
        "lost": [],
        "twice": [rows[at], rows[at]],
        "nan": [" ".join([*words[:-1], "nan"])],
        "infinite": [" ".join([*words[:-1], "-inf"])],
        "huge": [" ".join([*words[:-1], "1e101"])],
        "outside": [" ".join([*words[:-2], str(n + 1), words[-1]])],
        "negative": [" ".join([*words[:-2], "-1", words[-1]])],
        "fraction": [" ".join([*words[:-2], "1.5", words[-1]])],
        "word": [" ".join([*words[:-1], "one"])],
        "longer": [rows[at] + " 7"],
    }
    if content == "graph":
        damage["loop"] = [" ".join([*words[:-2], words[-3], words[-1]])]
    kind = data.draw(st.sampled_from(sorted(damage)))
    damaged = [*rows[:at], *damage[kind], *rows[at + 1 :]]
    for keys in ({}, {"format": name}):
        with pytest.raises(ConfigurationError) as caught:
            read(tmp_path, "\n".join(damaged), content, **keys)
        if keys:  # a header alone may be an edge as well
            assert "line " in str(caught.value.source)


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(("name", "write"), GRAPH_WRITERS + QUBO_WRITERS)
@PROPERTY
@given(data=st.data())
def test_no_text_ends_in_another_error(
    tmp_path: Path, name: str, write: Any, data: st.DataObject
) -> None:
    content = "graph" if (name, write) in GRAPH_WRITERS else "qubo"
    text = "\n".join(write(*data.draw(written(loops=content == "qubo"))))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 6, len(text))))
    middle = data.draw(st.text(st.sampled_from('0123456789 .-+e,;:#%cp"[]{}\n\x00é'), max_size=6))
    for keys in ({}, {"format": name}):
        try:
            n, found = read(tmp_path, text[:start] + middle + text[end:], content, **keys)
        except ConfigurationError:
            continue
        assert all(0 <= i <= j < n <= 40 for i, j in found)
        assert all(abs(weight) <= 2e100 for weight in found.values())


def test_unweighted_edges_and_patterns(tmp_path: Path) -> None:
    ring = [*itertools.pairwise(range(4)), (0, 3)]
    plain = [f"{i + 1} {j + 1}" for i, j in ring]
    texts = [
        ["p edge 4 4", *(f"e {line}" for line in plain)],
        ["p col 4 4", *(f"e {line}" for line in plain)],
        ["4 4", *plain],
        ["%%MatrixMarket matrix coordinate pattern general", "4 4 4", *plain],
        ["from\tto", *(f"{i}\t{j}" for i, j in ring)],
    ]
    for text in texts:
        keys = {"format": "rudy"} if text[0] == "4 4" else {}
        assert read(tmp_path, "\n".join(text), "graph", **keys) == (4, dict.fromkeys(ring, 1.0))
