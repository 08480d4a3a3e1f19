"""Files whose lines begin with a letter: DIMACS graphs, and QUBOs in the format of qbsolv."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybrid_parsl.problems.instances.instance import Instance, InstanceError
from hybrid_parsl.problems.instances.lines import Line, check_count, content_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

_GRAPHS = ("edge", "col")
_WORDS, _WORDS_QUBO = 4, 6


def problem_line(lines: Sequence[Line]) -> Line | None:
    """Return the line ``p ...`` that comes before all others but comments, if there is one."""
    rest = _uncommented(lines)
    return rest[0] if rest and rest[0].words[0] == "p" else None


def read_dimacs(text: str, first: int) -> Instance:
    """Read ``p edge n m`` and m lines ``e i j [weight]``; nodes count from 1.

    Raises
    ------
    InstanceError
        If a line is of another kind, or the header does not agree with the edges.
    """
    header, rest = _split(text)
    if len(header.words) != _WORDS or header.words[1] not in _GRAPHS:
        raise InstanceError("is not p edge NODES EDGES", header.place, header.text)
    nodes, edges = header.counts(2)
    odd = next((line for line in rest if line.words[0] != "e"), None)
    if odd:
        raise InstanceError("is not an edge, e i j [weight]", odd.place, odd.text)
    rows = [Line(line.number, line.words[1:]).row() for line in rest]
    check_count(edges, rows, header.place, "edges")
    return Instance(rows, nodes=nodes, first=first)


def read_qbsolv(text: str, first: int) -> Instance:
    """Read ``p qubo TOPOLOGY MAX_NODES NODES COUPLERS`` and lines ``i j value``.

    MAX_NODES is the number of variables, which count from 0; NODES lines with i = j hold the
    linear terms and COUPLERS lines the products.

    Raises
    ------
    InstanceError
        If a line is not an entry, or the header does not agree with the entries.
    """
    header, rest = _split(text)
    if len(header.words) != _WORDS_QUBO or header.words[1] != "qubo":
        message = "is not p qubo TOPOLOGY MAX_NODES NODES COUPLERS"
        raise InstanceError(message, header.place, header.text)
    nodes, diagonal, couplers = header.counts(3)
    rows = [line.row() for line in rest]
    linear = [row for row in rows if row.fields[:1] == row.fields[1:2]]
    check_count(diagonal, linear, header.place, "linear terms")
    check_count(couplers, rows[len(linear) :], header.place, "couplers")
    return Instance(rows, nodes=nodes, first=first)


def _split(text: str) -> tuple[Line, Sequence[Line]]:
    """Return the problem line and the lines after it, without comments."""
    rest = _uncommented(content_lines(text))
    if not rest or rest[0].words[0] != "p":
        valid = f"p {' or '.join(_GRAPHS)} for a graph, p qubo for a QUBO"
        place, found = (rest[0].place, rest[0].text) if rest else ("", None)
        raise InstanceError("does not begin with a problem line", place, found, valid)
    return rest[0], rest[1:]


def _uncommented(lines: Sequence[Line]) -> Sequence[Line]:
    """Return the lines that do not begin with the word ``c``."""
    return [line for line in lines if line.words[0] != "c"]
