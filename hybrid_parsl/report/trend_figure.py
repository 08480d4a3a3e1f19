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

_UNITS = ((3 * 86_400.0, "d", 86_400.0), (3 * 3600.0, "h", 3600.0), (180.0, "min", 60.0))
_NONE = "completed"
_DIGITS_IN = 0.2  # room for the digits in which energies that nearly agree differ


def draw_trend(runs: Sequence[Mapping[str, Any]]) -> str:
    """Return the trend of past runs as SVG.

    Parameters
    ----------
    runs
        Oldest first: ``started`` (ISO 8601), ``outcome``, ``energy`` and ``duration_s``, which
        may be None.
    """
    return style.to_svg(_figure(runs))


def _figure(runs: Sequence[Mapping[str, Any]]) -> Figure:
    """Return both panels and what explains their marks."""
    figure = style.new_figure(10, 3.9)
    energies = style.add_panel(figure, style.LEFT_IN + _DIGITS_IN, 3.85 - _DIGITS_IN)
    durations = style.add_panel(figure, 5 + style.LEFT_IN, 3.85)
    longest = max((finite(run["duration_s"]) or 0.0 for run in runs), default=0.0)
    unit, seconds = next(
        ((name, size) for least, name, size in _UNITS if longest >= least), ("s", 1.0)
    )
    _draw(energies, "Best energy of each run", "energy (cost units)", _points(runs, "energy", 1.0))
    _draw(durations, "Duration of each run", f"time ({unit})", _points(runs, "duration_s", seconds))
    durations.set_ylim(0, 1.08 * longest / seconds or None)
    times = [_time(run) for run in runs]
    for axes in (energies, durations):
        _date_axis(axes, times)
        _mark_failures(axes, [time for time, run in zip(times, runs, strict=True) if _failed(run)])
    style.legend_below(figure, (energies, durations))
    return figure


Points = dict[bool, tuple[list[datetime], list[float]]]


def _failed(run: Mapping[str, Any]) -> bool:
    """Return whether a run is over and did not succeed."""
    return run["outcome"] not in (_NONE, "running")


def _time(run: Mapping[str, Any]) -> datetime:
    """Return when a run began, in UTC without its time zone."""
    from datetime import UTC

    return datetime.fromisoformat(run["started"]).astimezone(UTC).replace(tzinfo=None)


def _points(runs: Sequence[Mapping[str, Any]], key: str, unit: float) -> Points:
    """Return the known values of `key`: those of runs that failed, and of those that did not."""
    found: Points = {True: ([], []), False: ([], [])}
    for run in runs:
        value = finite(run[key])
        if value is not None and run["outcome"] != "refused":
            times, values = found[_failed(run)]
            times.append(_time(run))
            values.append(value / unit)
    return found


def _draw(axes: Axes, title: str, label: str, points: Points) -> None:
    """Draw the values of one key."""
    style.style_axes(axes, title, "start (UTC)", label)
    style.grid(axes, "y")
    times, values = points[False]
    few = len(times) <= 60  # noqa: PLR2004 - markers that can be told apart
    axes.plot(
        times,  # type: ignore[arg-type]
        values,
        color=style.BLUE,
        linewidth=1.4,
        marker="o" if few else "",
        markersize=4,
        label="completed" if times else None,
    )
    times, values = points[True]
    if times:
        axes.scatter(
            times,  # type: ignore[arg-type]
            values,
            s=40,
            facecolors="none",
            edgecolors=style.VERMILION,
            linewidths=1.4,
            label="value of a run that did not succeed",
            zorder=4,
        )
    style.widen(axes, [*points[False][1], *points[True][1]])


def _mark_failures(axes: Axes, times: Sequence[datetime]) -> None:
    """Mark at the lower edge when a run did not succeed."""
    if times:
        axes.plot(
            times,  # type: ignore[arg-type]
            [0.0] * len(times),
            transform=axes.get_xaxis_transform(),
            color=style.VERMILION,
            linestyle="",
            marker="x",
            markersize=7,
            markeredgewidth=1.8,
            clip_on=False,
            label="did not succeed",
            zorder=5,
        )


def _date_axis(axes: Axes, times: Sequence[datetime]) -> None:
    """Give the x axis dates, from a little before the first run to a little after the last."""
    from datetime import timedelta

    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    if times:
        room = max((max(times) - min(times)) / 25, timedelta(minutes=1))
        axes.set_xlim(min(times) - room, max(times) + room)  # type: ignore[arg-type]
    locator = AutoDateLocator(minticks=3, maxticks=6)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(
        ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
    )
    axes.xaxis.get_offset_text().set(color=style.MUTED, fontsize=style.SIZE, family=style.FAMILY)
