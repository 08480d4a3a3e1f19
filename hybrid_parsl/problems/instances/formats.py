"""The formats of instance files: who reads each, and how it is recognised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from hybrid_parsl.messages import shown
from hybrid_parsl.problems.instances.csv_table import read_csv
from hybrid_parsl.problems.instances.dimacs import problem_line, read_dimacs, read_qbsolv
from hybrid_parsl.problems.instances.instance import Instance, InstanceError
from hybrid_parsl.problems.instances.json_models import (
    is_bqm,
    is_node_link,
    load_object,
    read_bqm,
    read_node_link,
)
from hybrid_parsl.problems.instances.lines import content_lines, is_number
from hybrid_parsl.problems.instances.matrix_market import BANNER, read_matrix_market
from hybrid_parsl.problems.instances.numeric import read_counted_list, read_dense, read_list

if TYPE_CHECKING:
    from collections.abc import Callable

Content = Literal["graph", "qubo"]
_ONCE = "each line adds q_ij x_i x_j once"
_WHOLE = "the cost is x^T Q x, q_ij and q_ji both count"
_EITHER = (0, 1)


class Format(NamedTuple):
    """A format of instance files.

    Attributes
    ----------
    read
        Called with the text and the number of the first node.
    firsts
        Which numbers the first node may have: both are tried if nothing settles it.
    selectable
        Which numbers ``problem.first_node`` may select.
    convention
        What an entry of a QUBO means.
    """

    read: Callable[[str, int], Instance]
    firsts: tuple[int, ...]
    selectable: tuple[int, ...]
    convention: str = _ONCE


GRAPHS = {
    "edge-list": Format(read_list, _EITHER, _EITHER),
    "rudy": Format(read_counted_list, (1,), _EITHER),
    "csv": Format(read_csv, _EITHER, _EITHER),
    "dimacs": Format(read_dimacs, (1,), (1,)),
    "matrix-market": Format(read_matrix_market, (1,), (1,)),
    "node-link": Format(read_node_link, (0,), ()),
}
QUBOS = {
    "dense": Format(read_dense, (0,), (), _WHOLE),
    "triples": Format(read_list, _EITHER, _EITHER),
    "bq": Format(read_counted_list, (1,), _EITHER),
    "csv": Format(read_csv, _EITHER, _EITHER),
    "qbsolv": Format(read_qbsolv, (0,), (0,)),
    "matrix-market": Format(read_matrix_market, (1,), (1,), _WHOLE),
    "bqm": Format(read_bqm, (0,), (), ""),
    "npy": Format(read_dense, (0,), (), _WHOLE),
}
FORMATS = {"graph": GRAPHS, "qubo": QUBOS}
NUMERIC = {"graph": ("rudy", "edge-list"), "qubo": ("bq", "triples", "dense")}
SUFFIXES = {".rudy": "rudy", ".mc": "rudy", ".gset": "rudy", ".bq": "bq", ".sparse": "bq"}


def recognised(text: str) -> str | None:
    """Return the format that the beginning of a text gives away; None if it is all numbers."""
    start = text.lstrip()[: len(BANNER)].lower()
    if start.startswith(("{", "[")):
        found = load_object(text)
        if is_node_link(found) or is_bqm(found):
            return "node-link" if is_node_link(found) else "bqm"
        valid = "nodes and edges (networkx), or linear and quadratic (dimod)"
        raise InstanceError("holds neither a graph nor a model", "", shown(sorted(found)), valid)
    if start == BANNER:
        return "matrix-market"
    lines = content_lines(text)
    if header := problem_line(lines):
        return "qbsolv" if header.words[1:2] == ("qubo",) else "dimacs"
    words = lines[0].words if lines else ()
    is_header = len(words) > 1 and not any(is_number(word) for word in words)
    return "csv" if is_header and words[0] != "c" else None
