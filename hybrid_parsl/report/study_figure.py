"""Figures of a study: a measure against a swept key, with error bars over seeds."""

from __future__ import annotations

import itertools
import math
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hybrid_parsl.report import style
from hybrid_parsl.report.text import finite, several, shortened
from hybrid_parsl.sweep import toml_text, value_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hybrid_parsl.report.study_table import StudyTable

MOST_SERIES = 8
MOST_PANELS = 4
_PANEL_IN = 3.1
_SHIFT = 0.008
_HEIGHT_IN = 3.7


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
    counts = {key: len(_values(table, key)) for key in table.keys}
    seeds = [key for key in table.keys if key.rpartition(".")[2] == "seed"]
    others = [key for key in table.keys if key not in seeds and counts[key] > 1]
    if not others:
        others, seeds = (seeds or list(table.keys))[:1], (seeds or list(table.keys))[1:]
    x = max(others, key=lambda key: (_is_numeric(table, key), counts[key]))
    rest = sorted((key for key in others if key != x), key=lambda key: counts[key])
    series = next((key for key in reversed(rest) if counts[key] <= MOST_SERIES), None)
    panels = next((key for key in rest if key != series and counts[key] <= MOST_PANELS), None)
    averaged = tuple(key for key in table.keys if key not in (x, series, panels))
    return Roles(x, series, panels, tuple(key for key in averaged if counts[key] > 1))


def draw_measure(table: StudyTable, measure: str, asked: Roles) -> str:
    """Return the figure of a measure as SVG.

    Parameters
    ----------
    table
        The study.
    measure
        One of its measures.
    asked
        What `roles` returned.
    """
    return style.to_svg(_figure(table, measure, asked))


def caption(table: StudyTable, measure: str, asked: Roles) -> str:
    """Return what a figure shows, in words."""
    missing = sum(finite(row.get(measure)) is None for row in table.rows)
    sentences = [f"{measure} against {asked.x}."]
    if asked.averaged:
        over = " and ".join(asked.averaged)
        sentences.append(f"Marks are means over {over}, bars their standard errors.")
    if missing:
        sentences.append(f"Left out: {several(missing, 'point')} without a value.")
    return " ".join(sentences)


@dataclass
class _Line:
    """One line of a panel: the values at each place of the x axis."""

    label: str
    values: dict[float, list[float]] = field(default_factory=dict)


def _figure(table: StudyTable, measure: str, asked: Roles) -> Figure:
    """Return a panel for each value of the key of panels."""
    shown = [None] if asked.panels is None else _values(table, asked.panels)
    figure = style.new_figure(0.25 + (style.LEFT_IN + _PANEL_IN) * max(len(shown), 2), _HEIGHT_IN)
    panels = []
    width = _PANEL_IN if len(shown) > 1 else 2 * _PANEL_IN
    for number, value in enumerate(shown):
        left = style.LEFT_IN + number * (style.LEFT_IN + _PANEL_IN)
        axes = style.add_panel(figure, left, width)
        title = "" if value is None else f"{_last(asked.panels)} = {value_text(value)}"
        style.style_axes(axes, title, asked.x, measure if number == 0 else "")
        style.grid(axes, "y")
        rows = [row for row in table.rows if asked.panels is None or row[asked.panels] == value]
        _draw(axes, table, rows, measure, asked)
        panels.append(axes)
    _share_limits(panels)
    if asked.series is not None:
        style.legend_below(figure, panels)
    return figure


def _draw(
    axes: Axes, table: StudyTable, rows: Sequence[Mapping[str, Any]], measure: str, asked: Roles
) -> None:
    """Draw the lines of a panel."""
    places = _values(table, asked.x)
    is_numeric = _is_numeric(table, asked.x)
    at = {
        toml_text(each): float(each if is_numeric else number) for number, each in enumerate(places)
    }
    lines = _lines(table, rows, measure, asked, at)
    is_log = is_numeric and _is_geometric([float(each) for each in places])
    for number, line in enumerate(lines):
        xs = sorted(line.values)
        means = [statistics.fmean(line.values[x]) for x in xs]
        shift = (number - (len(lines) - 1) / 2) * _SHIFT  # so that no bar hides another
        span = max(at.values()) - min(at.values())
        axes.errorbar(
            [x * 2 ** (4 * shift) if is_log else x + shift * span for x in xs],
            means,
            yerr=[_standard_error(line.values[x]) for x in xs] if asked.averaged else None,
            color=style.SERIES[number % len(style.SERIES)],
            marker="osD^v<>p"[number % MOST_SERIES],
            markersize=4,
            linewidth=1.3,
            linestyle="-" if is_numeric else "",
            capsize=2.5,
            label=line.label or "_",
        )
    if not is_numeric:
        axes.set_xticks(list(at.values()), [shortened(value_text(each), 14) for each in places])
        axes.set_xlim(-0.5, len(places) - 0.5)
    elif is_log:
        axes.set_xscale("log")
    elif all(isinstance(each, int) for each in places):
        style.whole_numbers(axes)


def _lines(
    table: StudyTable,
    rows: Sequence[Mapping[str, Any]],
    measure: str,
    asked: Roles,
    at: Mapping[str, float],
) -> list[_Line]:
    """Return the values of a measure for each value of the key of series."""
    shown = [None] if asked.series is None else _values(table, asked.series)
    lines = [
        _Line("" if value is None else f"{_last(asked.series)} = {value_text(value)}")
        for value in shown
    ]
    for row in rows:
        value = finite(row.get(measure))
        if value is not None:
            number = 0 if asked.series is None else shown.index(row[asked.series])
            lines[number].values.setdefault(at[toml_text(row[asked.x])], []).append(value)
    return [line for line in lines if line.values]


def _share_limits(panels: Sequence[Axes]) -> None:
    """Give all panels the same y axis."""
    limits = [axes.get_ylim() for axes in panels]
    for axes in panels:
        axes.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))


def _standard_error(values: Sequence[float]) -> float:
    """Return the standard error of the mean; 0 for a single value."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def _values(table: StudyTable, key: str) -> list[Any]:
    """Return the distinct values of a key, in the order of the points; numbers sorted."""
    found: dict[str, Any] = {}
    for row in table.rows:
        found.setdefault(toml_text(row[key]), row[key])
    values = list(found.values())
    return sorted(values) if all(finite(each) is not None for each in values) else values


def _is_numeric(table: StudyTable, key: str) -> bool:
    """Return whether all values of a key are numbers."""
    return all(finite(each) is not None for each in _values(table, key))


def _is_geometric(values: Sequence[float]) -> bool:
    """Return whether positive numbers are spaced by ratios rather than by differences."""
    if len(values) < 3 or min(values) <= 0 or max(values) < 16 * min(values):  # noqa: PLR2004
        return False
    ratios = [second / first for first, second in itertools.pairwise(values)]
    return max(ratios) <= 4 * min(ratios) and min(ratios) > 1.2  # noqa: PLR2004 - by eye


def _last(key: str | None) -> str:
    """Return the last part of a dotted key."""
    return (key or "").rpartition(".")[2]
