"""Graphs: drawn at random from a seed, read from a file, or checked as they were written."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment_file import shown
from hybrid_parsl.problems.settings import LARGEST, is_coefficient

if TYPE_CHECKING:
    from collections.abc import Sequence

VALID_EDGE = "two different nodes, counted from 0, and a finite weight if any: i j [weight]"
_UNWEIGHTED, _WEIGHTED = 2, 3


class Edge(NamedTuple):
    """Two different nodes ``i < j``, and the weight if one was stated."""

    i: int
    j: int
    weight: float | None = None


def random_regular_edges(nodes: int, degree: int, seed: int) -> list[tuple[int, int]]:
    """Draw a graph in which every node has the same number of neighbours.

    The pairing model: each node gets `degree` points, points are paired at random, and only
    the points of a loop or of a double edge are paired again; if no pairing is left that could
    succeed, all starts anew (Steger & Wormald, Combin. Probab. Comput. 8, 377, 1999): every
    graph can come, all about equally likely if they are large and sparse. If `degree` is more
    than half of `nodes`, the edges that are not there are drawn. The outcome depends on the
    arguments alone.

    Parameters
    ----------
    nodes
        Number of nodes.
    degree
        Neighbours of each node, less than `nodes`; ``nodes * degree`` is even.
    seed
        Seed of the drawing.

    Returns
    -------
    list
        ``nodes * degree / 2`` edges, sorted.
    """
    generator = np.random.default_rng(seed)
    sparse = degree if 2 * degree <= nodes else nodes - 1 - degree
    drawn = None
    while drawn is None:
        drawn = _pair_points(nodes, sparse, generator)
    if sparse < degree:
        drawn = set(itertools.combinations(range(nodes), 2)) - drawn
    return sorted(drawn)


def _pair_points(
    nodes: int, degree: int, generator: np.random.Generator
) -> set[tuple[int, int]] | None:
    """Pair the points of all nodes once; None if that ended where nothing fits any more."""
    edges: set[tuple[int, int]] = set()
    points = np.repeat(np.arange(nodes), degree)
    while len(points):
        left = []
        for i, j in generator.permutation(points).reshape(-1, 2).tolist():
            edge = (min(i, j), max(i, j))
            if i == j or edge in edges:
                left += [i, j]
            else:
                edges.add(edge)
        open_nodes = sorted(set(left))
        free = any((i, j) not in edges for i in open_nodes for j in open_nodes if i < j)
        if left and not free:
            return None
        points = np.array(left, dtype=np.int64)
    return edges


def random_edges(nodes: int, probability: float, seed: int) -> list[tuple[int, int]]:
    """Draw a graph in which every edge is there with the same probability.

    This is the model G(n, p) of Gilbert, Ann. Math. Stat. 30, 1141 (1959), often named after
    Erdős and Rényi.

    Parameters
    ----------
    nodes
        Number of nodes.
    probability
        Of each edge, 0 to 1.
    seed
        Seed of the drawing.

    Returns
    -------
    list
        The edges, sorted.
    """
    first, second = np.triu_indices(nodes, k=1)
    there = np.random.default_rng(seed).random(len(first)) < probability
    return list(zip(first[there].tolist(), second[there].tolist(), strict=True))


def parse_edges(text: str, source: str, key: str, most_nodes: int) -> list[Edge]:
    """Read a list of edges: a line ``i j [weight]`` each, ``#`` begins a comment.

    Parameters
    ----------
    text
        The content of the file.
    source, key
        The file and the key that named it, for errors.
    most_nodes
        Nodes are 0 to ``most_nodes - 1``.

    Raises
    ------
    ConfigurationError
        A line is not an edge, or repeats one; or there is no edge at all.
    """
    seen: dict[tuple[int, int], str] = {}
    edges = []
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.partition("#")[0].split()
        if words:
            try:
                edges.append(_edge([_number(word) for word in words], most_nodes))
                _refuse_twice(edges[-1], seen, f"line {number}")
            except ValueError as error:
                place = f"{source}, line {number}"
                found = shown(line.strip())
                raise ConfigurationError(str(error), place, key, found, VALID_EDGE) from error
    if not edges:
        raise ConfigurationError("holds no edge", source, key, None, VALID_EDGE)
    return edges


def check_edges(rows: Sequence[Any], key: str, most_nodes: int) -> list[Edge]:
    """Check edges that were written as ``[i, j]`` or ``[i, j, weight]``.

    Parameters
    ----------
    rows
        What was written.
    key
        The key they were written under, for errors.
    most_nodes
        Nodes are 0 to ``most_nodes - 1``.

    Raises
    ------
    ConfigurationError
        A row is not an edge, or repeats one; or there is no row at all.
    """
    seen: dict[tuple[int, int], str] = {}
    edges = []
    for index, row in enumerate(rows):
        try:
            edges.append(_edge(row, most_nodes))
            _refuse_twice(edges[-1], seen, f"{key}[{index}]")
        except ValueError as error:
            place = f"{key}[{index}]"
            raise ConfigurationError(str(error), None, place, shown(row), VALID_EDGE) from error
    if not edges:
        raise ConfigurationError("holds no edge", None, key, shown(list(rows)), VALID_EDGE)
    return edges


def _number(word: str) -> int | float:
    """Return the number that a word of a file is."""
    try:
        return int(word)
    except ValueError:
        pass
    try:
        return float(word)
    except ValueError:
        raise ValueError(f"{shown(word)} is not a number") from None


def _edge(row: Any, most_nodes: int) -> Edge:
    """Return the edge that a row is, or raise a ValueError that says why it is none."""
    if not isinstance(row, list | tuple) or len(row) not in (_UNWEIGHTED, _WEIGHTED):
        raise ValueError("is not an edge")
    i, j = row[:_UNWEIGHTED]
    for node in (i, j):
        if type(node) is not int or not 0 <= node < most_nodes:
            raise ValueError(f"{shown(node)} is not a node from 0 to {most_nodes - 1}")
    if i == j:
        raise ValueError(f"joins node {i} to itself")
    weight = row[_UNWEIGHTED] if len(row) == _WEIGHTED else None
    if weight is not None:
        if not is_coefficient(weight):
            raise ValueError(f"{shown(weight)} is not a weight from -{LARGEST:g} to {LARGEST:g}")
        weight = float(weight)
    return Edge(min(i, j), max(i, j), weight)


def _refuse_twice(edge: Edge, seen: dict[tuple[int, int], str], place: str) -> None:
    """Raise a ValueError if the same nodes were joined before; else note where they are."""
    before = seen.setdefault((edge.i, edge.j), place)
    if before != place:
        raise ValueError(f"repeats the edge of {before}")
