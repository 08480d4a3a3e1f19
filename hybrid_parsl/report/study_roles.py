"""What the swept keys of a study are in its figures, and which measures depend on them."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hybrid_parsl.report.text import finite
from hybrid_parsl.sweep import toml_text

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from hybrid_parsl.report.study_table import StudyTable

MOST_SERIES = 8
MOST_PANELS = 4
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Roles:
    """What the swept keys are in a figure.

    Attributes
    ----------
    x
        The key along the x axis.
    series
        The key of which each value has a line; None for a single line.
    panels
        The key of which each value has a panel; None for a single panel.
    averaged
        Keys that are averaged over: seeds, and what finds no other place.
    """

    x: str
    series: str | None = None
    panels: str | None = None
    averaged: tuple[str, ...] = ()


def roles(table: StudyTable) -> Roles:
    """Return what each swept key is in the figures.

    Seeds are averaged over, unless nothing else is swept. Of the others, the numeric key with the
    most values is the x axis.
    """
    counts = {key: len(values_of(table, key)) for key in table.keys}
    seeds = [key for key in table.keys if is_seed(key)]
    others = [key for key in table.keys if key not in seeds and counts[key] > 1]
    if not others:
        others, seeds = (seeds or list(table.keys))[:1], (seeds or list(table.keys))[1:]
    x = max(others, key=lambda key: (is_numeric(table, key), counts[key]))
    rest = sorted((key for key in others if key != x), key=lambda key: counts[key])
    series = next((key for key in reversed(rest) if counts[key] <= MOST_SERIES), None)
    panels = next((key for key in rest if key != series and counts[key] <= MOST_PANELS), None)
    averaged = tuple(key for key in table.keys if key not in (x, series, panels))
    return Roles(x, series, panels, tuple(key for key in averaged if counts[key] > 1))


def is_seed(key: str) -> bool:
    """Return whether a key is a seed, whose values have no order."""
    return key.rpartition(".")[2] == "seed"


def marks_of(table: StudyTable, asked: Roles) -> list[tuple[str, str]]:
    """Return the line and the place on the x axis that each row has in the figures."""
    others = [key for key in table.keys if key != asked.x and key not in asked.averaged]
    return [
        (toml_text([row[key] for key in others]), toml_text(row[asked.x])) for row in table.rows
    ]


def depends_on_x(table: StudyTable, measure: str, marks: Sequence[tuple[str, str]]) -> bool:
    """Return whether a measure changes along the x axis, once it is averaged as in the figure.

    Parameters
    ----------
    table, measure
        The study, and one of its measures.
    marks
        What `marks_of` returned.
    """
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row, mark in zip(table.rows, marks, strict=True):
        if (value := finite(row.get(measure))) is not None:
            found[mark].append(value)
    lines: dict[str, list[float]] = defaultdict(list)
    for (line, _), values in found.items():
        lines[line].append(statistics.fmean(values))
    return any(map(differ, lines.values()))


def differ(values: Collection[float]) -> bool:
    """Return whether numbers differ by more than rounding."""
    return bool(values) and max(values) - min(values) > _ROUNDING * max(map(abs, values))


def values_of(table: StudyTable, key: str) -> list[Any]:
    """Return the distinct values of a key, in the order of the points; numbers sorted."""
    found: dict[str, Any] = {}
    for row in table.rows:
        found.setdefault(toml_text(row[key]), row[key])
    values = list(found.values())
    return sorted(values) if all(finite(each) is not None for each in values) else values


def is_numeric(table: StudyTable, key: str) -> bool:
    """Return whether all values of a key are numbers."""
    return all(finite(each) is not None for each in values_of(table, key))
