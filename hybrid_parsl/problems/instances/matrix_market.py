"""Matrix Market: https://math.nist.gov/MatrixMarket/formats.html.

Not by ``scipy.io.mmread``, which takes ``0x3`` for 0, 3.5 in an integer matrix for 3, and
leaves a fourth number in a line aside. The tests compare what both read.
"""

from __future__ import annotations

from hybrid_parsl.problems.instances.instance import Instance, InstanceError, Row
from hybrid_parsl.problems.instances.lines import Line, check_count, content_lines
from hybrid_parsl.problems.settings import MOST_QUBITS

BANNER = "%%matrixmarket"
_LAYOUTS = {"coordinate": 3, "array": 2}
_FIELDS = ("real", "double", "integer", "pattern")
_SYMMETRIES = ("general", "symmetric")


def read_matrix_market(text: str, first: int) -> Instance:
    """Read a square real matrix; of a symmetric one, both halves.

    Raises
    ------
    InstanceError
        If it is another kind of matrix, or what follows the size line does not agree with it.
    """
    banner, _, body = text.lstrip().partition("\n")
    _, kind, layout, field, symmetry, *more = [*banner.lower().split(), *[""] * 5]
    known = layout in _LAYOUTS and field in _FIELDS and symmetry in _SYMMETRIES
    if kind != "matrix" or not known or any(more) or (layout, field) == ("array", "pattern"):
        valid = (
            f"matrix, {' or '.join(_LAYOUTS)}, {' or '.join(_FIELDS)}, {' or '.join(_SYMMETRIES)}"
        )
        raise InstanceError("is not a real matrix", "line 1", repr(banner[:100]), valid)
    skipped = text[: len(text) - len(body)].count("\n")
    lines = [Line(each.number + skipped, each.words) for each in content_lines(body, "%")]
    size, *rest = lines or [Line(1, ())]
    counts = size.counts()
    if len(counts) != _LAYOUTS[layout] or counts[0] != counts[1]:
        raise InstanceError("is not the size of a square matrix", size.place, size.text)
    rows = [line.row() for line in rest]
    if layout == "array":
        rows = _array_entries(rows, counts[0], size, symmetric=symmetry == "symmetric")
    else:
        check_count(counts[2], rows, size.place, "entries")
    width = {"coordinate": 2 if field == "pattern" else 3, "array": 3}[layout]
    for row in rows:
        if len(row.fields) != width:
            message = f"has {len(row.fields)} numbers instead of {width}"
            raise InstanceError(message, row.place)
        if field == "integer" and type(row.fields[-1]) is not int:
            raise InstanceError(f"{row.fields[-1]} is not a whole number", row.place)
    if symmetry == "symmetric":
        rows += [_mirrored(row) for row in rows if row.fields[0] != row.fields[1]]
    return Instance(rows, nodes=counts[0], first=first, is_matrix=True)


def _array_entries(rows: list[Row], n: int, size: Line, *, symmetric: bool) -> list[Row]:
    """Return the values of an array, which stand column by column, with their indices.

    A 0 is none, unless the value on the other side of the diagonal differs.
    """
    if n > MOST_QUBITS:
        raise InstanceError("is too large", size.place, size.text, f"at most {MOST_QUBITS} rows")
    places = [(i, j) for j in range(1, n + 1) for i in range(j if symmetric else 1, n + 1)]
    check_count(len(places), rows, size.place, "values")
    values = dict(zip(places, rows, strict=True))
    there = {pair for pair, row in values.items() if row.fields != (0,)}
    return [
        Row(row.place, (*pair, *row.fields))
        for pair, row in values.items()
        if pair in there or pair[::-1] in there
    ]


def _mirrored(row: Row) -> Row:
    """Return the entry on the other side of the diagonal."""
    i, j, *value = row.fields
    return Row(row.place, (j, i, *value))
