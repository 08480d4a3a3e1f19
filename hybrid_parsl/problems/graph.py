"""Graphs: drawn at random from a seed, or checked as they were written."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import shown
from hybrid_parsl.problems.instances.instance import Edge, Instance, InstanceError, Row, check_graph

if TYPE_CHECKING:
    from collections.abc import Sequence

VALID_EDGE = "two different nodes, counted from 0, and a finite weight if any: i j [weight]"


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
        If a row is not an edge, or repeats one; or there is no row at all.
    """
    try:
        found = [Row(f"{key}[{index}]", row) for index, row in enumerate(rows)]
        return check_graph(Instance(found, most_nodes), None).edges
    except InstanceError as error:
        place = error.place or key
        shown_rows = error.found or shown(list(rows))
        raise ConfigurationError(error.message, None, place, shown_rows, VALID_EDGE) from error
