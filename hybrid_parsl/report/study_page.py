"""The page of a study: its figures, and what came of each point."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

from hybrid_parsl.report import sections, text
from hybrid_parsl.report.figures import attempt
from hybrid_parsl.report.inline_svg import inline_svg, width_px
from hybrid_parsl.report.page import templates
from hybrid_parsl.report.result_views import Key
from hybrid_parsl.report.study_figure import caption, draw_measure
from hybrid_parsl.report.study_roles import roles
from hybrid_parsl.sweep import value_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from markupsafe import Markup

    from hybrid_parsl.report.study_table import StudyTable

MOST_ROWS = 500
_MOST_FIGURES = 4
_MOST_COLUMNS = 5
_MOST_VALUES = 12
_MOST_ORIGINS = 4
_TONES = {"completed": "good", "failed": "bad"}


class _Figure(NamedTuple):
    """A figure of the page."""

    name: str
    measure: str
    svg: Markup
    width_px: int
    caption: str


def render_study(document: Mapping[str, Any], table: StudyTable) -> str:
    """Return a study as one HTML page without scripts or outside addresses.

    Parameters
    ----------
    document
        The content of its ``results.json``.
    table
        What `study_table` made of it.
    """
    run = document.get("run") or {}
    shown = table.interesting(_MOST_COLUMNS)
    return (
        templates()
        .get_template("study.html.j2")
        .render(
            run=run,
            tone=sections.tone(run.get("status")),
            error=document.get("error") or None,
            keys=key_numbers(run, table),
            axes=_axes(table),
            figures=_figures(table),
            columns=shown,
            swept=table.keys,
            rows=[
                {
                    **row,
                    "tone": _TONES.get(row["status"], "neutral"),
                    "values": [shown_value(row[key]) for key in table.keys],
                    "numbers": [text.number(row.get(measure), 7) for measure in shown],
                }
                for row in table.rows[:MOST_ROWS]
            ],
            left_out=max(len(table.rows) - MOST_ROWS, 0),
            origins=_origins(table),
            settings=sections.settings(document.get("experiment") or {}),
            versions=sorted((document.get("versions") or {}).items()),
        )
    )


def key_numbers(run: Mapping[str, Any], table: StudyTable) -> list[Key]:
    """Return the numbers that a reader of a study wants first."""
    states = [row["status"] for row in table.rows]
    n_failed, n_done = states.count("failed"), states.count("completed")
    note = f"{text.count(n_done)} completed"
    note += f", {text.count(n_failed)} failed" if n_failed else ""
    keys = [Key("Points", text.count(len(states)), note)]
    notes = {"shared": table.n_shared, "reused": table.n_reused}
    note = ", ".join(f"{text.count(number)} {word}" for word, number in notes.items() if number)
    keys.append(Key("Tasks", text.count(table.n_tasks), note))
    if run.get("duration_s"):
        keys.append(Key("Duration", text.duration(run["duration_s"]), f"site {run.get('site')}"))
    return keys


def _axes(table: StudyTable) -> list[tuple[str, str]]:
    """Return each swept key with its values."""
    found = []
    for key in table.keys:
        values = list(dict.fromkeys(shown_value(row[key]) for row in table.rows))
        if len(values) > _MOST_VALUES:
            ends = f"{values[0]} \N{HORIZONTAL ELLIPSIS} {values[-1]}"
            values = [f"{ends} ({len(values)} values)"]
        found.append((key, ", ".join(values)))
    return found


def _origins(table: StudyTable) -> str:
    """Return from which runs how many results are reused; nothing if none is."""
    if not table.origins:
        return ""
    most = sorted(table.origins.items(), key=lambda item: -item[1])
    words = [f"{text.count(number)} of run {run}" for run, number in most[:_MOST_ORIGINS]]
    if others := most[_MOST_ORIGINS:]:
        words.append(f"{text.count(sum(number for _, number in others))} of other runs")
    return f"Reused: {text.several(table.n_reused, 'result')} of earlier runs ({', '.join(words)})."


def _figures(table: StudyTable) -> list[_Figure]:
    """Return the figures of the measures that differ between points."""
    from markupsafe import Markup

    if len(table.rows) < 2 or not table.keys:  # noqa: PLR2004 - a figure of one mark
        return []
    asked = roles(table)
    figures = []
    for number, measure in enumerate(table.interesting(_MOST_FIGURES), start=1):
        svg = attempt(measure, functools.partial(draw_measure, table, measure, asked))
        told = caption(table, measure, asked)
        inlined = inline_svg(svg, f"f{number}", told)
        figures.append(_Figure(f"f{number}", measure, Markup(inlined), width_px(svg), told))  # noqa: S704 - drawn here
    return figures


def shown_value(value: Any) -> str:
    """Return a swept value as the page shows it."""
    return text.shortened(value_text(value))
