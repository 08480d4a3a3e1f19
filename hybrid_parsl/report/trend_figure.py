"""Figure of a schedule: best energy and duration of its runs over time."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from hybrid_parsl.report import style
from hybrid_parsl.report.text import finite

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Transform

_UNITS = ((3 * 86_400.0, "d", 86_400.0), (3 * 3600.0, "h", 3600.0), (180.0, "min", 60.0))
_COMPLETED, _RUNNING, _REFUSED = "completed", "running", "refused"
_DIGITS_IN = 0.2  # margin for the digits in which energies that nearly agree differ
_MOST_MARKERS = 60
_SHORTEST_SPAN_H = 12


def draw_trend(runs: Sequence[Mapping[str, Any]]) -> str:
    """Return the trend of past runs as SVG.

    Parameters
    ----------
    runs
        Oldest first: ``started`` (ISO 8601), ``outcome``, ``energy`` and ``duration_s``, which
        may be None. Starts that were refused are left out.
    """
    return style.to_svg(_figure([run for run in runs if run["outcome"] != _REFUSED]))


def _figure(runs: Sequence[Mapping[str, Any]]) -> Figure:
    """Return both panels with one legend."""
    figure = style.new_figure(10, 3.9)
    energies = style.add_panel(figure, style.LEFT_IN + _DIGITS_IN, 3.85 - _DIGITS_IN)
    durations = style.add_panel(figure, 5 + style.LEFT_IN, 3.85)
    longest = max((finite(run["duration_s"]) or 0.0 for run in runs), default=0.0)
    unit, seconds = next(
        ((name, size) for least, name, size in _UNITS if longest >= least), ("s", 1.0)
    )
    _draw(energies, "Best energy of each run", f"energy ({style.COST_UNITS})", runs, "energy", 1.0)
    _draw(durations, "Duration of each run", f"time ({unit})", runs, "duration_s", seconds)
    if longest:
        durations.set_ylim(0, 1.08 * longest / seconds)
    times = [_time(run) for run in runs]
    for axes in (energies, durations):
        _date_axis(axes, times)
    style.legend_below(figure, (energies, durations))
    return figure


def _time(run: Mapping[str, Any]) -> datetime:
    """Return when a run began, in UTC without its time zone."""
    from datetime import UTC

    return datetime.fromisoformat(run["started"]).astimezone(UTC).replace(tzinfo=None)


def _draw(
    axes: Axes, title: str, label: str, runs: Sequence[Mapping[str, Any]], key: str, unit: float
) -> None:
    """Draw the values of `key`, one mark a run: those of failed runs as crosses.

    A failed run without a value is marked at the lower edge.
    """
    style.style_axes(axes, title, "start (UTC)", label)
    style.grid(axes, "y")
    known = [(run, value / unit) for run in runs if (value := finite(run[key])) is not None]
    good = [(_time(run), value) for run, value in known if not _failed(run)]
    bad = [(_time(run), value) for run, value in known if _failed(run)]
    if good:
        axes.plot(
            *zip(*good, strict=True),
            color=style.BLUE,
            linewidth=1.4,
            marker="o" if len(good) <= _MOST_MARKERS else "",
            markersize=4,
            label=_COMPLETED,
        )
    edge = [(_time(run), 0.0) for run in runs if _failed(run) and finite(run[key]) is None]
    _crosses(axes, bad, axes.transData)
    _crosses(axes, edge, axes.get_xaxis_transform())
    if known:
        style.widen(axes, [value for _, value in known])
    else:
        _no_values(axes)


def _failed(run: Mapping[str, Any]) -> bool:
    """Return whether a run has ended and did not succeed."""
    return run["outcome"] not in (_COMPLETED, _RUNNING)


def _crosses(axes: Axes, points: Sequence[tuple[datetime, float]], transform: Transform) -> None:
    """Draw a cross for each failed run."""
    if points:
        axes.plot(
            *zip(*points, strict=True),
            transform=transform,
            color=style.VERMILION,
            linestyle="",
            marker="x",
            markersize=7,
            markeredgewidth=1.8,
            clip_on=False,
            label="did not succeed",
            zorder=5,
        )


def _no_values(axes: Axes) -> None:
    """Say that there are no values yet, on a y axis without numbers."""
    axes.set_yticks([])
    axes.text(
        0.5,
        0.5,
        "no values yet",
        transform=axes.transAxes,
        ha="center",
        va="center",
        color=style.MUTED,
        fontsize=style.SIZE,
        family=style.FAMILY,
    )


def _date_axis(axes: Axes, times: Sequence[datetime]) -> None:
    """Give the x axis dates, from a little before the first run to a little after the last.

    Runs within less than a day are shown with the hours around them.
    """
    from datetime import timedelta

    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    if times:
        span = max(times) - min(times)
        margin = max(span / 25, (timedelta(hours=_SHORTEST_SPAN_H) - span) / 2)
        axes.set_xlim(min(times) - margin, max(times) + margin)  # type: ignore[arg-type]
    else:
        axes.set_xticks([])
        return
    locator = AutoDateLocator(minticks=3, maxticks=6)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(
        ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
    )
    axes.xaxis.get_offset_text().set(color=style.MUTED, fontsize=style.SIZE, family=style.FAMILY)
