"""Puts an SVG into a page: only what is known to do nothing but be seen gets in.

Elements, attributes and the values of attributes are all taken from lists of what is allowed, and
the page gets the tree that was checked, written anew: a browser and an XML parser may read the
same text differently.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET


def _names(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


_SHAPES = {"circle", "ellipse", "image", "line", "path", "polygon", "polyline", "rect", "use"}
_PAINTS = {"linearGradient", "radialGradient", "stop", "pattern", "marker", "mask", "clipPath"}
ELEMENTS = frozenset({"svg", "g", "defs", "text", "tspan"} | _SHAPES | _PAINTS)
_PRESENTATION = _names(
    """
    clip-path clip-rule color dominant-baseline fill fill-opacity fill-rule font-family
    font-size font-stretch font-style font-variant font-weight image-rendering letter-spacing
    marker-end marker-mid marker-start mask opacity paint-order shape-rendering stop-color
    stop-opacity stroke stroke-dasharray stroke-dashoffset stroke-linecap stroke-linejoin
    stroke-miterlimit stroke-opacity stroke-width text-anchor text-rendering vector-effect
    visibility
    """
)
"""Properties of CSS that are attributes as well (SVG 2, 6.6)."""
_GEOMETRY = _names(
    """
    clipPathUnits cx cy d dx dy fx fy gradientTransform gradientUnits height id markerHeight
    markerUnits markerWidth maskContentUnits maskUnits offset orient patternContentUnits
    patternTransform patternUnits points preserveAspectRatio r refX refY rx ry space
    spreadMethod transform version viewBox width x x1 x2 y y1 y2
    """
)
_PART = r"[\w.,%#+'\s-]"  # no quotation mark, backslash, slash, colon, at sign or bracket
_VALUE = re.compile(
    rf"(?:(?:rgba?|hsla?|matrix|translate|scale|rotate|skew[XY])\({_PART}*+\)|{_PART})*+"
    r"|url\(#[\w.-]+\)"
)
_IMAGE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*")
_HREF = re.compile(r"#[\w.-]+")
_REFERENCE = re.compile(r"url\(#")
_SVG = "http://www.w3.org/2000/svg"
_DEEPEST = 64
PX_PER_POINT = 1.5  # so that 9-point type of a figure is as large as the text of the page


def is_picture(svg: str) -> bool:
    """Return whether a text is one SVG that can do nothing but be seen.

    Comments, entities and processing instructions are refused because a browser reads them
    differently inside of a page.
    """
    if "<!" in svg or "<?" in svg:
        return False
    try:
        root = ET.fromstring(svg)  # noqa: S314 - no declarations, so there is nothing to expand
    except (ET.ParseError, ValueError):  # a lone surrogate is no XML either
        return False
    waiting = [(root, 1)]
    while waiting:
        element, depth = waiting.pop()
        if depth > _DEEPEST or not _is_inert(element):
            return False
        waiting.extend((child, depth + 1) for child in element)
    return _local(root.tag) == "svg"


def _local(name: str) -> str:
    """Return a name without its namespace."""
    return name.rpartition("}")[2]


def _is_inert(element: ET.Element) -> bool:
    """Return whether an element and its attributes are known and refer to nothing outside."""
    return _local(element.tag) in ELEMENTS and all(
        _is_allowed(_local(name), value) for name, value in element.attrib.items()
    )


def _is_allowed(name: str, value: str) -> bool:
    """Return whether an attribute may have a value."""
    if name == "href":
        return bool(_HREF.fullmatch(value) or _IMAGE.fullmatch(value))
    if name == "style":
        pairs = [each.partition(":") for each in value.split(";") if each.strip()]
        return all(_is_allowed_style(key.strip(), text) for key, _, text in pairs)
    return name in _GEOMETRY | _PRESENTATION and bool(_VALUE.fullmatch(value.strip()))


def _is_allowed_style(name: str, value: str) -> bool:
    """Return whether a declaration of CSS is one of presentation, without anything escaped."""
    return name in _PRESENTATION and bool(_VALUE.fullmatch(value.strip()))


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
        What the picture shows, for those who cannot see it.
    """
    root = ET.fromstring(svg)  # noqa: S314 - is_picture has checked it
    for element in root.iter():
        element.tag = _local(element.tag)
        found = {_local(name): value for name, value in element.attrib.items()}
        element.attrib.clear()
        for name, value in found.items():
            if name == "id":
                element.set(name, f"{prefix}-{value}")
            elif name == "href":
                element.set(name, f"#{prefix}-{value[1:]}" if value[:1] == "#" else value)
            else:
                named = "xml:space" if name == "space" else name
                element.set(named, _REFERENCE.sub(f"url(#{prefix}-", value))
    for name in ("width", "height"):
        root.attrib.pop(name, None)
    head = {"xmlns": _SVG, "role": "img", "aria-label": label}
    root.attrib = {**head, **root.attrib}
    return ET.tostring(root, encoding="unicode")


def width_px(svg: str) -> int:
    """Return the width in pixels at which the type of a figure is as large as the page's."""
    opening = re.search(r"<svg\b[^>]*>", svg)
    found = re.search(r'\swidth="([\d.]+)pt"', opening[0]) if opening else None
    return round(float(found[1]) * PX_PER_POINT) if found else 960
