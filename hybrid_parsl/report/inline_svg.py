"""Puts an SVG into a page: only a picture gets in, and its ids clash with no other's."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

_SHAPES = {"circle", "ellipse", "image", "line", "path", "polygon", "polyline", "rect", "use"}
_PAINTS = {"linearGradient", "radialGradient", "stop", "pattern", "marker", "mask", "clipPath"}
ELEMENTS = frozenset({"svg", "g", "defs", "text", "tspan"} | _SHAPES | _PAINTS)
PX_PER_POINT = 1.5  # so that 9-point type of a figure is as large as the text of the page
_OPENING = re.compile(r"<svg\b[^>]*>")
_ADDRESS = re.compile(r"url\(\s*(?!#)|@import|javascript:", re.IGNORECASE)


def is_picture(svg: str) -> bool:
    """Tell whether a text is one SVG that can do nothing but be seen.

    Comments, entities and processing instructions are refused because a browser reads them
    differently inside of a page.
    """
    if "<!" in svg or "<?" in svg:
        return False
    try:
        root = ET.fromstring(svg)  # noqa: S314 - no declarations, so there is nothing to expand
    except ET.ParseError:
        return False
    return _local(root.tag) == "svg" and all(_is_inert(element) for element in root.iter())


def _local(name: str) -> str:
    """Return a name without its namespace."""
    return name.rpartition("}")[2]


def _is_inert(element: ET.Element) -> bool:
    """Tell whether an element is known, does nothing, and refers to nothing outside."""
    return _local(element.tag) in ELEMENTS and all(
        not _local(name).lower().startswith("on")
        and not _ADDRESS.search(value)
        and (_local(name) != "href" or value.startswith(("#", "data:image/")))
        for name, value in element.attrib.items()
    )


def inline_svg(svg: str, prefix: str, label: str) -> str:
    """Return `svg` for use inside a page.

    Parameters
    ----------
    svg
        A picture, see `is_picture`.
    prefix
        Letters, digits, ``-`` and ``_``, not used for another figure of the page; put before
        every id.
    label
        What the picture shows, for who cannot see it.
    """
    from markupsafe import escape

    svg = re.sub(r'(\sid=")', rf"\g<1>{prefix}-", svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{prefix}-", svg)
    opening = _OPENING.search(svg)
    if opening is None:
        return svg
    kept = re.sub(r'\s(width|height|role|aria-label)="[^"]*"', "", opening[0])
    named = f'<svg role="img" aria-label="{escape(label)}"{kept.removeprefix("<svg")}'
    return f"{svg[: opening.start()]}{named}{svg[opening.end() :]}"


def width_px(svg: str) -> int:
    """Return the width in pixels at which the type of a figure is as large as the page's."""
    opening = _OPENING.search(svg)
    found = re.search(r'\swidth="([\d.]+)pt"', opening[0]) if opening else None
    return round(float(found[1]) * PX_PER_POINT) if found else 960
