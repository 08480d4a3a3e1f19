"""Figures of a study: a measure against a swept key, with error bars over seeds."""

from __future__ import annotations

import itertools
import math
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hybrid_parsl.report import style
from hybrid_parsl.report.study_roles import MOST_SERIES, is_numeric, is_seed, values_of
from hybrid_parsl.report.text import finite, several, shortened
from hybrid_parsl.sweep import toml_text, value_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hybrid_parsl.report.study_roles import Roles
    from hybrid_parsl.report.study_table import StudyTable

_PANEL_IN = 3.1
_SHIFT = 0.008
_WITH_ERROR = ("energy", "expectation")
_HEIGHT_IN = 3.7


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
    elif any(row.get(_error_of(measure)) is not None for row in table.rows):
        sentences.append("Bars are standard errors.")
    if missing:
        sentences.append(f"Left out: {several(missing, 'point')} without a value.")
    return " ".join(sentences)


@dataclass
class _Line:
    """One line of a panel: the values at each place of the x axis, and their standard errors."""

    label: str
    values: dict[float, list[float]] = field(default_factory=dict)
    errors: dict[float, float] = field(default_factory=dict)


def _figure(table: StudyTable, measure: str, asked: Roles) -> Figure:
    """Return a panel for each value of the key of panels."""
    shown = [None] if asked.panels is None else values_of(table, asked.panels)
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
    places = values_of(table, asked.x)
    is_axis = is_numeric(table, asked.x)
    is_ordered = is_axis and not is_seed(asked.x)
    at = {toml_text(each): float(each if is_axis else number) for number, each in enumerate(places)}
    lines = _lines(table, rows, measure, asked, at)
    is_log = is_ordered and _is_geometric([float(each) for each in places])
    for number, line in enumerate(lines):
        xs = sorted(line.values)
        means = [statistics.fmean(line.values[x]) for x in xs]
        shift = (number - (len(lines) - 1) / 2) * _SHIFT  # so that no bar hides another
        span = max(at.values()) - min(at.values())
        axes.errorbar(
            [x * 2 ** (4 * shift) if is_log else x + shift * span for x in xs],
            means,
            yerr=_errors(line, xs, asked),
            color=style.SERIES[number % len(style.SERIES)],
            marker="osD^v<>p"[number % MOST_SERIES],
            markersize=4,
            linewidth=1.3,
            linestyle="-" if is_ordered else "",
            capsize=2.5,
            label=line.label or "_",
        )
    if not is_axis:
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
    shown = [None] if asked.series is None else values_of(table, asked.series)
    lines = [
        _Line("" if value is None else f"{_last(asked.series)} = {value_text(value)}")
        for value in shown
    ]
    for row in rows:
        value = finite(row.get(measure))
        if value is not None:
            number = 0 if asked.series is None else shown.index(row[asked.series])
            x = at[toml_text(row[asked.x])]
            lines[number].values.setdefault(x, []).append(value)
            if (error := finite(row.get(_error_of(measure)))) is not None:
                lines[number].errors[x] = error
    return [line for line in lines if line.values]


def _share_limits(panels: Sequence[Axes]) -> None:
    """Give all panels the same y axis."""
    limits = [axes.get_ylim() for axes in panels]
    for axes in panels:
        axes.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))


def _error_of(measure: str) -> str:
    """Return the measure that is the standard error of another one; empty if it has none."""
    task, _, name = measure.rpartition(".")
    return f"{task}.standard_error" if name in _WITH_ERROR else ""


def _errors(line: _Line, xs: Sequence[float], asked: Roles) -> list[float] | None:
    """Return the lengths of error bars: of means, or of the results themselves; None without."""
    if asked.averaged:
        return [_standard_error(line.values[x]) for x in xs]
    return [line.errors.get(x, 0.0) for x in xs] if line.errors else None


def _standard_error(values: Sequence[float]) -> float:
    """Return the standard error of the mean; 0 for a single value."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def _is_geometric(values: Sequence[float]) -> bool:
    """Return whether positive numbers are spaced by ratios rather than by differences."""
    if len(values) < 3 or min(values) <= 0 or max(values) < 16 * min(values):  # noqa: PLR2004
        return False
    ratios = [second / first for first, second in itertools.pairwise(values)]
    return max(ratios) <= 4 * min(ratios) and min(ratios) > 1.2  # noqa: PLR2004 - by eye


def _last(key: str | None) -> str:
    """Return the last part of a dotted key."""
    return (key or "").rpartition(".")[2]
