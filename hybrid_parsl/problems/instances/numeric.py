"""Files of nothing but numbers: edge lists, QUBO triples, rudy and bq, dense matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybrid_parsl.problems.instances.instance import Instance, InstanceError, Row
from hybrid_parsl.problems.instances.lines import Line, check_count, content_lines
from hybrid_parsl.problems.settings import MOST_QUBITS

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEADER, _ENTRY = 2, 3


def read_list(text: str, first: int) -> Instance:
    """Read lines ``i j [value]`` without a header; nodes count from `first`.

    Raises
    ------
    InstanceError
        If a line is not made of numbers.
    """
    return Instance([line.row() for line in content_lines(text)], first=first)


def read_counted_list(text: str, first: int) -> Instance:
    """Read the header ``n m`` and m lines ``i j [value]``, as rudy writes them.

    Raises
    ------
    InstanceError
        If there is no header, it does not agree with what follows, or only some lines have a value.
    """
    header, *lines = content_lines(text) or [Line(1, ())]
    counts = header.counts()
    if len(counts) != _HEADER:
        message = "is not a header n m: numbers of nodes and of lines"
        raise InstanceError(message, header.place, header.text)
    rows = [line.row() for line in lines]
    check_count(counts[1], rows, header.place, "entries")
    odd = next((row for row in rows if len(row.fields) != len(rows[0].fields)), None)
    if odd:
        message = f"has {len(odd.fields)} numbers, {rows[0].place} has {len(rows[0].fields)}"
        raise InstanceError(message, odd.place)
    return Instance(rows, nodes=counts[0], first=first)


def looks_counted(lines: Sequence[Line]) -> bool:
    """Return whether the first line has the shape of a header, unlike all the others.

    Two positive whole numbers, while each of the following lines has three.
    """
    if len(lines) < _HEADER or len(lines[0].words) != _HEADER:
        return False
    if any(len(line.words) != _ENTRY for line in lines[1:]):
        return False
    return all(word.isascii() and word.isdigit() and int(word[:20]) for word in lines[0].words)


def are_triples(lines: Sequence[Line]) -> bool:
    """Return whether the lines have three words each, and are not the rows of a matrix."""
    return len(lines) != _ENTRY and all(len(line.words) == _ENTRY for line in lines)


def read_dense(text: str, first: int) -> Instance:
    """Read a square matrix, a row a line.

    Raises
    ------
    InstanceError
        If a line is not a row of numbers, or the matrix is not square.
    """
    del first
    lines = content_lines(text)
    return dense_instance([line.numbers() for line in lines], [line.place for line in lines])


def dense_instance(matrix: Sequence[Sequence[float]], places: Sequence[str]) -> Instance:
    """Return the instance of a square matrix whose rows stand at `places`.

    Raises
    ------
    InstanceError
        If it is not square, or of a size that cannot be simulated.
    """
    size = len(matrix)
    if not 1 <= size <= MOST_QUBITS:
        message = "has too many rows" if size else "has no rows"
        raise InstanceError(message, "", f"{size} rows")
    for values, place in zip(matrix, places, strict=True):
        if len(values) != size:
            message = f"has {len(values)} numbers, but there are {size} rows"
            raise InstanceError(message, place)
    rows = [
        Row(place, (i, j, value))
        for i, (values, place) in enumerate(zip(matrix, places, strict=True))
        for j, value in enumerate(values)
    ]
    return Instance(rows, nodes=size, is_matrix=True)
