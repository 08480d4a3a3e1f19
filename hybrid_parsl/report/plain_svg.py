"""Reduces the SVG that matplotlib writes to the picture itself."""

from __future__ import annotations

import re

_REFERENCE = re.compile(r'(url\(#|href="#)([^")]+)')


def plain_svg(svg: str) -> str:
    """Return `svg` without declarations, metadata, comments, style sheets and unused ids.

    What a browser could take for more than a picture goes; a figure that any backend of
    matplotlib saved is then shown in the report. Text without an ``<svg`` is returned as it is.
    """
    begin = svg.find("<svg")
    if begin < 0:
        return svg
    svg = svg[begin:].rstrip() + "\n"
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"\s*<!--.*?-->", "", svg, flags=re.DOTALL)
    svg, n_styles = re.subn(r"\s*<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    if n_styles:
        svg = svg.replace("<svg ", '<svg stroke-linejoin="round" stroke-linecap="butt" ', 1)
    return _number_ids(svg)


def _number_ids(svg: str) -> str:
    """Give numbers to the ids that something refers to, and drop all others."""
    wanted = {match[2] for match in _REFERENCE.finditer(svg)}
    numbers: dict[str, str] = {}

    def define(match: re.Match[str]) -> str:
        name = match[1]
        if name not in wanted:
            return ""
        return f' id="{numbers.setdefault(name, f"n{len(numbers)}")}"'

    svg = re.sub(r'\sid="([^"]*)"', define, svg)
    return _REFERENCE.sub(lambda match: match[1] + numbers.get(match[2], match[2]), svg)
