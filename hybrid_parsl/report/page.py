"""The report of a run: one HTML page that needs nothing but itself."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from hybrid_parsl.report import sections
from hybrid_parsl.report.captions import TITLES, caption
from hybrid_parsl.report.style import message_svg

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Environment
    from markupsafe import Markup

MOST_ANGLES_BESIDE = 10  # a longer table of them is not put beside a figure
PX_PER_POINT = 1.5  # so that 9-point type of a figure is as large as the text of the page
_OPENING = re.compile(r"<svg\b[^>]*>", re.IGNORECASE)
_ACTIVE = re.compile(
    r"<\s*(script|foreignObject|iframe|style|link|meta|!ENTITY)\b|\son\w+\s*=|javascript:",
    re.IGNORECASE,
)
_OUTSIDE = re.compile(r"(href\s*=\s*[\"']|url\(\s*[\"']?)(?!#|data:image/)", re.IGNORECASE)


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
    run = document.get("run") or {}
    bars, ticks = sections.timeline(run, document.get("stages") or [])
    analysis = document.get("analysis") or {}
    rows, left_out = sections.outcomes(analysis)
    head, angles = sections.angles(document)
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            run=run,
            tone=sections.tone(run.get("status")),
            error=document.get("error") or None,
            keys=sections.key_numbers(document),
            bars=bars,
            ticks=ticks,
            figures=[_view(name, svg, document) for name, svg in _ordered(figures)],
            outcomes=rows,
            outcomes_left_out=left_out,
            angle_head=head,
            angles=angles,
            angles_beside="landscape" in figures and len(angles) <= MOST_ANGLES_BESIDE,
            executions=sections.executions(document),
            settings=sections.settings(document.get("experiment") or {}),
            versions=sorted((document.get("versions") or {}).items()),
            quantum=document.get("quantum") or {},
            circuit=(document.get("quantum") or {}).get("circuit") or {},
        )
    )


@functools.cache
def _environment() -> Environment:
    """Return the templates of this room, with everything they are given escaped."""
    from jinja2 import Environment, PackageLoader

    from hybrid_parsl.report import text

    environment = Environment(
        loader=PackageLoader("hybrid_parsl.report", ""),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        clock=sections.clock, count=text.count, duration=text.duration, number=text.number
    )
    return environment


def _ordered(figures: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the figures in the order of `TITLES`, then all others by name."""
    known = [name for name in TITLES if name in figures]
    return [(name, figures[name]) for name in (*known, *sorted(set(figures) - set(known)))]


def _view(name: str, svg: str, document: Mapping[str, Any]) -> FigureView:
    """Return a figure ready to be put into the page."""
    from markupsafe import Markup

    title = TITLES.get(name, name)
    told = caption(name, document)
    if not _is_harmless(svg):
        svg = message_svg(f"The figure '{name}' is left out: it is not a plain SVG.")
    inlined = inline_svg(svg, re.sub(r"[^A-Za-z0-9_-]", "-", name), f"{title}. {told}".strip())
    return FigureView(name, title, told, Markup(inlined), _width_px(svg))  # noqa: S704 - checked


def _is_harmless(svg: str) -> bool:
    """Tell whether an SVG can do nothing but be seen."""
    return (
        svg.lstrip().startswith("<svg")
        and svg.rstrip().endswith("</svg>")
        and not _ACTIVE.search(svg)
        and not _OUTSIDE.search(svg)
    )


def inline_svg(svg: str, prefix: str, label: str) -> str:
    """Return `svg` for use inside a page: named for who cannot see it, its ids with a prefix."""
    from markupsafe import escape

    svg = re.sub(r'(\sid=")', rf"\g<1>{prefix}-", svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{prefix}-", svg)
    opening = _OPENING.search(svg)
    if opening is None:
        return svg
    kept = re.sub(r'\s(width|height|role|aria-label)="[^"]*"', "", opening[0])
    named = kept.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1)
    return svg[: opening.start()] + named + svg[opening.end() :]


def _width_px(svg: str) -> int:
    """Return the width in pixels at which the type of a figure is as large as the page's."""
    opening = _OPENING.search(svg)
    found = re.search(r'\swidth="([\d.]+)pt"', opening[0]) if opening else None
    return round(float(found[1]) * PX_PER_POINT) if found else 960
