"""Tables with a header line, such as ``source,target,weight``."""

from __future__ import annotations

from hybrid_parsl.problems.instances.instance import Instance, InstanceError, Row
from hybrid_parsl.problems.instances.lines import Line, content_lines

_COLUMNS = {
    0: ("source", "from", "i", "u", "node1", "row"),
    1: ("target", "to", "j", "v", "node2", "column"),
    2: ("weight", "value", "w", "q", "bias"),
}
VALID = "; ".join(" or ".join(names) for names in _COLUMNS.values())


def read_csv(text: str, first: int) -> Instance:
    """Read a table of two nodes and, if there is such a column, a value a line.

    Raises
    ------
    InstanceError
        If a column is not known or stands there twice, or a line has other columns.
    """
    header, *lines = content_lines(text) or [Line(1, ())]
    names = [word.strip("\"'").lower() for word in header.words]
    order = [next((k for k, known in _COLUMNS.items() if name in known), None) for name in names]
    if sorted(order, key=str) not in ([0, 1], [0, 1, 2]):
        message = "does not name the two nodes of an edge, and its weight if any"
        raise InstanceError(message, header.place, header.text, f"the columns {VALID}")
    rows = []
    for line in lines:
        numbers = line.numbers()
        if len(numbers) != len(order):
            message = f"has {len(numbers)} numbers for {len(order)} columns"
            raise InstanceError(message, line.place, line.text)
        rows.append(Row(line.place, tuple(numbers[order.index(k)] for k in range(len(order)))))
    return Instance(rows, first=first)
