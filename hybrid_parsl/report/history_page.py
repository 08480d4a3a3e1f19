"""The page of a schedule: the trend of its runs, and what came of each."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from hybrid_parsl.report import sections, text
from hybrid_parsl.report.inline_svg import inline_svg, width_px
from hybrid_parsl.report.page import templates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_ROWS = 500
_SUCCESS = "completed"


def render_history(document: Mapping[str, Any]) -> str:
    """Return the history of a schedule as one HTML page without scripts or outside addresses.

    Parameters
    ----------
    document
        ``name``; ``times``, ``site``, ``experiment`` and ``next``, which may be missing; and
        ``runs``, oldest first: ``started`` (ISO 8601), ``outcome``, ``duration_s`` in seconds,
        ``energy``, ``run``, ``message``, and ``notes``.

    Examples
    --------
    >>> page = render_history({"name": "nightly", "runs": []})
    >>> page.startswith("<!doctype html>")
    True
    """
    from markupsafe import Markup

    from hybrid_parsl.report.trend_figure import draw_trend

    runs = document["runs"]
    told = _caption(runs)
    figure = draw_trend(runs) if runs else ""
    inlined = inline_svg(figure, "f1", f"Trend. {told}") if runs else ""
    last = runs[-1]["outcome"] if runs else "never run"
    return (
        templates()
        .get_template("history.html.j2")
        .render(
            schedule=document,
            status=last,
            tone=_tone(last),
            keys=_keys(runs),
            figure=Markup(inlined),  # noqa: S704 - drawn here
            width_px=width_px(figure),
            caption=told,
            rows=[{**run, "tone": _tone(run["outcome"])} for run in reversed(runs[-MOST_ROWS:])],
            left_out=max(len(runs) - MOST_ROWS, 0),
        )
    )


def _tone(outcome: str) -> str:
    """Return the tone of an outcome: that of a run that did not succeed is bad."""
    if outcome in ("running", "never run"):
        return "neutral"
    return "good" if outcome == _SUCCESS else "bad"


def _keys(runs: Sequence[Mapping[str, Any]]) -> list[sections.Key]:
    """Return the numbers a reader wants first."""
    if not runs:
        return []
    over = [run for run in runs if run["outcome"] != "running"]
    good = [run for run in over if run["outcome"] == _SUCCESS]
    share = text.percent(len(good) / len(over)) if over else text.NOTHING
    keys = [sections.Key("Runs", text.count(len(runs)), f"{text.count(len(good))} completed")]
    keys.append(sections.Key("Success", share, "of the runs that are over"))
    times = [run["duration_s"] for run in good if run["duration_s"] is not None]
    if times:
        spread = f"{text.duration(min(times))} to {text.duration(max(times))}"
        keys.append(
            sections.Key("Median duration", text.duration(statistics.median(times)), spread)
        )
    energies = [run["energy"] for run in good if text.finite(run["energy"]) is not None]
    if energies:
        best = f"lowest of all {text.number(min(energies), 8)}"
        keys.append(sections.Key("Last best energy", text.number(energies[-1], 8), best))
    return keys


def _caption(runs: Sequence[Mapping[str, Any]]) -> str:
    """Say what the trend shows."""
    bad = sum(_tone(run["outcome"]) == "bad" for run in runs)
    told = "Each point is one run; a cross marks a time at which it did not succeed"
    return f"{told} ({text.several(bad, 'time')})." if bad else "Each point is one run."
