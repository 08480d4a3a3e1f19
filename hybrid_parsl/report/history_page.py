"""The page of a schedule: the trend of its runs, and what came of each."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from hybrid_parsl.report import text
from hybrid_parsl.report.inline_svg import inline_svg, width_px
from hybrid_parsl.report.page import templates
from hybrid_parsl.report.result_views import Key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_ROWS = 500
_SUCCESS = "completed"
_NEUTRAL = ("running", "refused", "never run")


def render_history(document: Mapping[str, Any]) -> str:
    """Return the history of a schedule as one HTML page without scripts or outside addresses.

    Parameters
    ----------
    document
        ``name``; ``times``, ``site``, ``experiment``, ``next`` and ``changed`` (differences from
        the kept site settings), which may be missing; and
        ``runs``, oldest first: ``started`` (ISO 8601), ``outcome``, ``duration_s`` in seconds,
        ``energy``, ``run``, ``message``, ``by_hand``, and ``notes``.

    Examples
    --------
    >>> page = render_history({"name": "nightly", "runs": []})
    >>> page.startswith("<!doctype html>")
    True
    """
    from markupsafe import Markup

    from hybrid_parsl.report.trend_figure import draw_trend

    runs = document["runs"]
    caption = trend_caption(runs)
    has_ended = has_trend(runs)
    figure = draw_trend(runs) if has_ended else ""
    inlined = inline_svg(figure, "f1", f"Trend. {caption}") if figure else ""
    last = runs[-1]["outcome"] if runs else "never run"
    return (
        templates()
        .get_template("history.html.j2")
        .render(
            schedule=document,
            status=last,
            tone=outcome_tone(last),
            keys=key_numbers(runs),
            figure=Markup(inlined),  # noqa: S704 - drawn here
            width_px=width_px(figure),
            caption=caption,
            rows=[
                {**run, "tone": outcome_tone(run["outcome"])} for run in reversed(runs[-MOST_ROWS:])
            ],
            left_out=max(len(runs) - MOST_ROWS, 0),
        )
    )


def has_trend(runs: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a run has ended, so that there is something to draw."""
    return any(run["outcome"] not in _NEUTRAL for run in runs)


def outcome_tone(outcome: str) -> str:
    """Return the tone of an outcome; a refused overlap is neither good nor bad."""
    if outcome in _NEUTRAL:
        return "neutral"
    return "good" if outcome == _SUCCESS else "bad"


def key_numbers(runs: Sequence[Mapping[str, Any]]) -> list[Key]:
    """Return the numbers that a reader of a history wants first."""
    if not runs:
        return []
    over = [run for run in runs if outcome_tone(run["outcome"]) != "neutral"]
    good = [run for run in over if run["outcome"] == _SUCCESS]
    refused = sum(run["outcome"] == "refused" for run in runs)
    share = text.percent(len(good) / len(over)) if over else text.NOTHING
    counts = f"{text.count(len(good))} completed"
    counts += f", {text.count(refused)} refused as overlaps" if refused else ""
    keys = [Key("Runs", text.count(len(runs) - refused), counts)]
    keys.append(Key("Success rate", share, "of the runs that have ended"))
    times = [run["duration_s"] for run in good if run["duration_s"] is not None]
    if times:
        spread = ""
        if len(times) > 1:
            spread = f"{text.duration(min(times))} to {text.duration(max(times))}"
        keys.append(Key("Median duration", text.duration(statistics.median(times)), spread))
    energies = [run["energy"] for run in good if text.finite(run["energy"]) is not None]
    if energies:
        best = f"lowest of all {text.number(min(energies), 8)}"
        keys.append(Key("Last best energy", text.number(energies[-1], 8), best))
    return keys


def trend_caption(runs: Sequence[Mapping[str, Any]]) -> str:
    """Explain the marks of the trend."""
    sentences = ["Each mark is one run."]
    bad = sum(outcome_tone(run["outcome"]) == "bad" for run in runs)
    refused = sum(run["outcome"] == "refused" for run in runs)
    if bad:
        place = "at the lower edge where there is no value"
        sentences.append(f"Crosses: {text.several(bad, 'run')} without success, {place}.")
    if refused:
        why = "refused because another run was under way"
        sentences.append(f"Left out: {text.several(refused, 'start')} {why}.")
    return " ".join(sentences)
