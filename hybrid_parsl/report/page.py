"""The report of a run: one HTML page that needs nothing but itself."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

from hybrid_parsl.report import sections
from hybrid_parsl.report.captions import caption, order, title
from hybrid_parsl.report.inline_svg import inline_svg, is_picture, width_px
from hybrid_parsl.report.result_views import with_tables_of
from hybrid_parsl.report.style import message_svg

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Environment
    from markupsafe import Markup

MOST_ANGLES_BESIDE = 10  # a longer table of them is not put beside a figure


class FigureView(NamedTuple):
    """A figure as the page shows it; `width_px` is the width it is meant to be read at."""

    name: str
    title: str
    caption: str
    svg: Markup
    width_px: int


def render_page(document: Mapping[str, Any], figures: Mapping[str, str]) -> str:
    """Return the report of a run as one HTML page without scripts or outside addresses.

    Parameters
    ----------
    document
        The run as JSON: ``run``, ``experiment``, ``versions``, ``stages``, and as far as the run
        came ``search``, ``quantum``, ``analysis``; ``error`` with ``type`` and ``message`` if it
        failed. Everything may be missing, and every optional number None.
    figures
        SVG text by name, as `draw_figures` gives it.

    Examples
    --------
    >>> page = render_page({"run": {"name": "bell", "status": "failed"}}, {})
    >>> page.startswith("<!doctype html>")
    True
    """
    run, main = document.get("run") or {}, with_tables_of(document)
    bars, ticks = sections.timeline(run, document.get("stages") or [])
    quantum = main.get("quantum") or {}
    rows, left_out = sections.outcomes(main.get("analysis") or {})
    head, angles = sections.angles(main)
    return (
        templates()
        .get_template("page.html.j2")
        .render(
            run=run,
            read_from=sections.read_from(document.get("experiment") or {}),
            tone=sections.tone(run.get("status")),
            error=document.get("error") or None,
            keys=sections.key_numbers(document),
            bars=bars,
            ticks=ticks,
            figures=[
                _view(number, name, svg, document)
                for number, (name, svg) in enumerate(
                    sorted(figures.items(), key=lambda each: order(each[0])), start=1
                )
            ],
            outcomes=rows,
            outcomes_left_out=left_out,
            angle_head=head,
            angles=angles,
            angles_beside="landscape" in figures and 0 < len(angles) <= MOST_ANGLES_BESIDE,
            tasks=sections.task_cards(document),
            executions=sections.executions(document),
            settings=sections.settings(document.get("experiment") or {}),
            versions=sorted((document.get("versions") or {}).items()),
            quantum=quantum,
            circuit=quantum.get("circuit") or {},
        )
    )


@functools.cache
def templates() -> Environment:
    """Return the templates of the reports."""
    from hybrid_parsl.report import text

    environment = templates_of("hybrid_parsl.report")
    environment.filters.update(breakable=_breakable, measured_with=text.measured_with)
    return environment


def templates_of(package: str) -> Environment:
    """Return the templates in a package, with everything they are given escaped."""
    from jinja2 import Environment, PackageLoader

    from hybrid_parsl.report import text

    environment = Environment(
        loader=PackageLoader(package, ""), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        clock=sections.clock, count=text.count, duration=text.duration, number=text.number
    )
    return environment


def _breakable(name: str) -> Markup:
    """Return a dotted name that may be broken after dots and underscores."""
    from markupsafe import Markup, escape

    return Markup(str(escape(name)).replace(".", ".<wbr>").replace("_", "_<wbr>"))  # noqa: S704


def _view(number: int, name: str, svg: str, document: Mapping[str, Any]) -> FigureView:
    """Return a figure ready to be put into the page."""
    from markupsafe import Markup

    heading = title(name)
    told = caption(name, document)
    if not is_picture(svg):
        svg = message_svg(f"The figure '{name}' is left out: it is not a plain SVG.")
    inlined = inline_svg(svg, f"f{number}", f"{heading}. {told}".strip())
    return FigureView(name, heading, told, Markup(inlined), width_px(svg))  # noqa: S704 - checked
