"""What a reader of one format returns, and the checks that all formats share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from hybrid_parsl.messages import shown
from hybrid_parsl.problems.settings import MOST_QUBITS, VALID_COEFFICIENT, is_coefficient

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PAIR, _TRIPLE = 2, 3


class InstanceError(ValueError):
    """A file is not an instance in the format in which it was read.

    Parameters
    ----------
    message
        What is wrong, in one sentence.
    place
        Where in the file, such as ``line 3``.
    found
        What was found there, as text.
    valid
        What would be valid, as text; None for the description of the format.
    key
        The key to blame, if it is not the one that names the file.
    """

    def __init__(
        self,
        message: str,
        place: str = "",
        found: str | None = None,
        valid: str | None = None,
        key: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.place = message, place
        self.found, self.valid, self.key = found, valid, key


class Row(NamedTuple):
    """One entry of a file: where it is, its two nodes as the file counts them, its value."""

    place: str
    fields: Sequence[Any]


class Edge(NamedTuple):
    """Two nodes, counted from 0, and the weight if one was stated."""

    i: int
    j: int
    weight: float | None = None


@dataclass(frozen=True)
class Instance:
    """The content of a file, as its format defines it.

    Attributes
    ----------
    rows
        The entries; a matrix that is symmetric by declaration holds both of its halves.
    nodes
        Number of nodes or variables that the file declares; None if it declares none.
    first
        Number of the first node in the file.
    is_matrix
        Whether (i, j) and (j, i) are two entries of a matrix rather than one edge twice.
    labels
        What the nodes are called, by index, if they are not simply numbered.
    spins
        Whether the variables are spins (+1, -1) rather than bits.
    offset
        The constant term.
    """

    rows: Sequence[Row]
    nodes: int | None = None
    first: int = 0
    is_matrix: bool = False
    labels: Sequence[str] = ()
    spins: bool = False
    offset: float = 0.0


class Reading(NamedTuple):
    """An instance whose entries have been checked; its nodes count from 0.

    Attributes
    ----------
    instance
        What was read.
    nodes
        Number of nodes or variables.
    edges
        A graph's edges, ``i < j`` and each once, or the entries of a QUBO.
    """

    instance: Instance
    nodes: int
    edges: list[Edge]


def check_graph(instance: Instance, nodes: int | None) -> Reading:
    """Return `instance` as a graph.

    Parameters
    ----------
    instance
        What a file holds.
    nodes
        Number of nodes if the user has stated it.

    Raises
    ------
    InstanceError
        If an entry is not an edge of it, or repeats one; or the number of nodes contradicts.
    """
    if instance.spins or instance.offset:
        raise InstanceError("holds a cost, not a graph")
    declared = _declared(instance, nodes)
    found: dict[tuple[int, int], tuple[Row, float | None]] = {}
    for row, (i, j, weight) in _entries(instance, declared, loops=False):
        other, known = found.setdefault((min(i, j), max(i, j)), (row, weight))
        if known != weight:
            message = f"contradicts {other.place}: the matrix of a graph is symmetric"
            raise InstanceError(message, row.place, _text(row))
    edges = [Edge(*pair, weight) for pair, (_, weight) in found.items()]
    if not edges:
        raise InstanceError("holds no edge")
    return Reading(instance, declared or 1 + max(edge.j for edge in edges), edges)


def check_qubo(instance: Instance, nodes: int | None = None) -> Reading:
    """Return `instance` as the entries of a QUBO or of an Ising model.

    Raises
    ------
    InstanceError
        If an entry is not valid, or repeats one; or nothing says how many variables there are.
    """
    if not is_coefficient(instance.offset):
        raise InstanceError("is not a number", "offset", shown(instance.offset))
    declared = _declared(instance, nodes)
    edges = []
    for row, edge in _entries(instance, declared, loops=True):
        if edge.weight is None:
            raise InstanceError("has no value", row.place, _text(row))
        edges.append(edge)
    found = declared or max((1 + max(edge[:2]) for edge in edges), default=0)
    if not found:
        raise InstanceError("holds no entry")
    return Reading(instance, found, edges)


def _entries(instance: Instance, nodes: int | None, *, loops: bool) -> Iterator[tuple[Row, Edge]]:
    """Go through the entries, each of which may be there once."""
    seen: dict[tuple[int, int], str] = {}
    for row in instance.rows:
        edge = checked_edge(row, instance.first, nodes, loops=loops)
        i, j = edge[:2]
        pair = (i, j) if instance.is_matrix else (min(i, j), max(i, j))
        if pair in seen:
            raise InstanceError(f"repeats the edge of {seen[pair]}", row.place, _text(row))
        seen[pair] = row.place
        yield row, edge


def checked_edge(row: Row, first: int, nodes: int | None, *, loops: bool = False) -> Edge:
    """Return the edge that `row` is, its nodes counted from 0, in the order in which they stand.

    Parameters
    ----------
    row
        Two nodes as the file counts them, and a value if any.
    first
        Number of the first node.
    nodes
        Number of nodes; None if any number is possible.
    loops
        Whether both nodes may be the same, as in the linear terms of a QUBO.

    Raises
    ------
    InstanceError
        If it is not an edge.
    """
    if not isinstance(row.fields, list | tuple) or len(row.fields) not in (_PAIR, _TRIPLE):
        raise InstanceError("is not an edge", row.place, _text(row))
    i, j = row.fields[:_PAIR]
    for node in (i, j):
        if type(node) is not int or node < first or (nodes and node >= first + nodes):
            known = f" to {first + nodes - 1}" if nodes else ""
            message = f"{shown(node)} is not a node from {first}{known}"
            raise InstanceError(message, row.place, _text(row))
    if i == j and not loops:
        raise InstanceError(f"joins node {i} to itself", row.place, _text(row))
    value = row.fields[_PAIR] if len(row.fields) == _TRIPLE else None
    if value is not None:
        if not is_coefficient(value):
            message = f"{shown(value)} is not a number in the valid range ({VALID_COEFFICIENT})"
            raise InstanceError(message, row.place, _text(row))
        value = float(value)
    return Edge(i - first, j - first, value)


def check_size(reading: Reading) -> Reading:
    """Return `reading` if that many qubits can be simulated at all.

    Raises
    ------
    InstanceError
        If it has more nodes than a problem may have qubits.
    """
    if reading.nodes > MOST_QUBITS:
        message = "is larger than any simulation of a state"
        raise InstanceError(message, "", f"{reading.nodes} nodes", f"at most {MOST_QUBITS}")
    return reading


def _declared(instance: Instance, nodes: int | None) -> int | None:
    """Return the number of nodes that the file or the user states; they have to agree."""
    if None not in (instance.nodes, nodes) and instance.nodes != nodes:
        message = "contradicts the file"
        valid = f"{instance.nodes}, or leave it out"
        raise InstanceError(message, "", str(nodes), valid, "problem.nodes")
    return instance.nodes or nodes


def _text(row: Row) -> str:
    """Return a row as a message shows it."""
    return shown(" ".join(map(str, row.fields)) if isinstance(row.fields, tuple) else row.fields)
