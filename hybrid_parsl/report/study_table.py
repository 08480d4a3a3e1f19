"""The table of a study: a row for each point, with its values and the numbers of its results."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hybrid_parsl.report.study_roles import depends_on_x, differ, marks_of, roles
from hybrid_parsl.report.text import finite, shortened
from hybrid_parsl.results import execution_of
from hybrid_parsl.sweep import toml_text, value_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_RANKED = ("ratio", "energy", "expectation", "probability")
_UNINTERESTING = ("seed", "duration_s", "shots", "n_qubits", "n_evaluations", "n_starts")
_LARGE = 2**63
_MOST_ROWS = 20
_MOST_MEASURES = 3
POINT, STATUS, ERROR, REUSED = "point", "status", "error", "reused"


@dataclass(frozen=True)
class StudyTable:
    """The rows of a study.

    Attributes
    ----------
    keys
        The swept keys.
    measures
        Numbers of results as ``task.field``, in the order of the tasks and their fields; none that
        is also a key.
    rows
        Of each point: ``point``, the keys, ``status`` (that of its worst task), ``error``,
        ``reused`` (how many of its results an earlier run has computed), and the measures that it
        has.
    n_tasks
        Number of tasks.
    n_shared
        How often a point uses the task of another one.
    origins
        How many results are those of an earlier run, by its name.
    """

    keys: list[str]
    measures: list[str]
    rows: list[dict[str, Any]] = field(default_factory=list)
    n_tasks: int = 0
    n_shared: int = 0
    origins: Mapping[str, int] = field(default_factory=dict)

    @property
    def n_reused(self) -> int:
        """How many results are those of earlier runs."""
        return sum(self.origins.values())

    @property
    def columns(self) -> list[str]:
        """The names of all columns."""
        return [POINT, *self.keys, STATUS, *self.measures, ERROR, REUSED]

    def interesting(self, most: int) -> list[str]:
        """Return the measures that differ between points by more than rounding.

        Those that change along the x axis of the figures come first; of these, ratios and energies;
        of these, those of the last tasks of a point. Of several that agree at all points, such as
        an energy that two tasks report, it is the first one.
        """
        chosen: dict[tuple[Any, ...], str] = {}
        marks = marks_of(self, roles(self)) if self.keys else []
        tasks = list(dict.fromkeys(map(_task_of, self.measures)))

        def place(measure: str) -> tuple[bool, int, bool, int]:
            is_flat = bool(marks) and not depends_on_x(self, measure, marks)
            return is_flat, *_rank(measure), -tasks.index(_task_of(measure))

        for measure in sorted(filter(self._varies, self.measures), key=place):
            values = [finite(row.get(measure)) for row in self.rows]
            digits = tuple(None if value is None else f"{value:.9g}" for value in values)
            chosen.setdefault(digits, measure)
            if len(chosen) == most:
                break
        return list(chosen.values())

    def _varies(self, measure: str) -> bool:
        """Return whether a measure is worth a figure."""
        values = [value for row in self.rows if (value := finite(row.get(measure))) is not None]
        return differ(values) and _name_of(measure) not in _UNINTERESTING

    def excerpt(self) -> Excerpt:
        """Return the first rows, with the swept keys and the measures that say most."""
        said = [each for each in self.measures if _name_of(each) not in _UNINTERESTING]
        shown = self.interesting(_MOST_MEASURES) or sorted(said, key=_rank)[:1]
        is_over = all(row[STATUS] == "completed" for row in self.rows)
        states = [] if is_over else [STATUS]
        rows = [
            [
                row[POINT],
                *(shortened(value_text(row[key])) for key in self.keys),
                *(row[each] for each in states),
                *(
                    "" if (value := finite(row.get(measure))) is None else f"{value:.7g}"
                    for measure in shown
                ),
            ]
            for row in self.rows[:_MOST_ROWS]
        ]
        return Excerpt([POINT, *self.keys, *states, *shown], rows, len(self.rows) - len(rows))


@dataclass(frozen=True)
class Excerpt:
    """Some rows of a study for people.

    Attributes
    ----------
    head
        The names of the columns.
    rows
        The cells of each row, as text.
    n_more
        How many rows are left out.
    """

    head: list[str]
    rows: list[list[str]]
    n_more: int

    def lines(self) -> list[str]:
        """Return head and rows with columns of equal width."""
        widths = [max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)]
        return [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in (self.head, *self.rows)
        ]


def _task_of(measure: str) -> str:
    """Return the task of a measure."""
    return measure.rpartition(".")[0]


def _name_of(measure: str) -> str:
    """Return the field of a measure."""
    return measure.rpartition(".")[2]


def _rank(measure: str) -> tuple[int, bool]:
    """Return the place of a measure among others: ``energy`` before ``exact_energy``."""
    name = _name_of(measure)
    ranks = (rank for rank, word in enumerate(_RANKED) if word in name)
    return next(ranks, len(_RANKED)), name not in _RANKED


def study_table(document: Mapping[str, Any]) -> StudyTable:
    """Return the table of a study.

    Parameters
    ----------
    document
        The content of its ``results.json``.
    """
    study, tasks = document["study"], document.get("tasks") or {}
    measures: dict[str, None] = {}
    used: set[str] = set()
    rows, uses = [], 0
    for point in study["points"]:
        names = point.get("tasks") or {}
        own = {local: tasks.get(name, {}) for local, name in names.items()}
        uses += len(names)
        used.update(names.values())
        found = _measures(own)
        measures |= dict.fromkeys(name for name in found if name not in study["keys"])
        status, error = _outcome(own, point.get("error"))
        n_reused = sum(bool(each.get("reused_from")) for each in own.values())
        values = {key: point["values"].get(key) for key in study["keys"]}
        ended = {STATUS: status, ERROR: error, REUSED: n_reused}
        rows.append({**found, POINT: point["name"], **values, **ended})
    origins = Counter(task["reused_from"] for task in tasks.values() if task.get("reused_from"))
    return StudyTable(
        list(study["keys"]), list(measures), rows, len(tasks), uses - len(used), origins
    )


def _measures(tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return the numbers of the results of a point's tasks."""
    found: dict[str, float] = {}
    for local, task in tasks.items():
        result = task.get("result")
        numbers = result if isinstance(result, dict) else {"result": result}
        found |= {
            f"{local}.{name}": value
            for name, value in numbers.items()
            if not isinstance(value, bool) and isinstance(value, int | float)
        }
        if (duration_s := finite(_duration_s(task))) is not None:
            found[f"{local}.duration_s"] = duration_s
    return found


def _duration_s(task: Mapping[str, Any]) -> Any:
    """Return how long the computation of a result took, in whichever run; None if not known."""
    if not task.get("reused_from"):
        return task.get("duration_s")
    execution = execution_of(task.get("result"))
    return None if execution is None else execution.duration_s


def _outcome(tasks: Mapping[str, Mapping[str, Any]], error: str | None) -> tuple[str, str]:
    """Return how a point ended, and why if it failed."""
    states = [str(task.get("status", "not started")) for task in tasks.values()]
    failures = [
        f"{local}: {(task.get('error') or {}).get('message', '')}".partition("\n")[0]
        for local, task in tasks.items()
        if task.get("status") == "failed"
    ]
    if error is not None or failures:
        return "failed", failures[0] if failures else str(error)
    if states and all(state == "completed" for state in states):
        return "completed", ""
    return next((each for each in states if each != "completed"), "not started"), ""


def to_csv(table: StudyTable) -> str:
    """Return the table as comma-separated values, with a header; lists and tables are TOML."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    for row in table.rows:
        writer.writerow(_cell(row.get(column)) for column in table.columns)
    return text.getvalue()


def _cell(value: Any) -> Any:
    """Return a value as CSV has it; floats to their last digit."""
    if isinstance(value, list | dict | bool):
        return toml_text(value)
    return "" if value is None else value


def to_parquet(table: StudyTable) -> bytes | None:
    """Return the table as an Apache Parquet file; None if pyarrow is not installed.

    Columns of values that differ in kind hold texts, as in the CSV file. Arrow reads that file:
    it imports pandas, which takes a second, for lists of Python's.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
        from pyarrow import csv as arrow_csv
    except ImportError:
        return None
    types = {name: _type(pa, [row.get(name) for row in table.rows]) for name in table.columns}
    read = arrow_csv.read_csv(
        pa.py_buffer(to_csv(table).encode()),
        read_options=arrow_csv.ReadOptions(use_threads=False),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=types, null_values=[""], strings_can_be_null=True
        ),
    )
    buffer = io.BytesIO()
    pq.write_table(read, buffer)
    return buffer.getvalue()


def _type(pa: Any, values: Sequence[Any]) -> Any:
    """Return Arrow's type of a column."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int} and all(abs(value) < _LARGE for value in values if value is not None):
        return pa.int64()
    return pa.float64() if kinds and kinds <= {int, float} else pa.string()
