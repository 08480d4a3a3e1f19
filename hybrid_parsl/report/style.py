"""How every figure looks: colours, type, axes, and the SVG text it becomes."""

from __future__ import annotations

import io
import math
import textwrap
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from hybrid_parsl.report.plain_svg import plain_svg

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito, "Color Universal Design" (2008): distinguishable with any colour vision.
BLUE = "#0072b2"
VERMILION = "#d55e00"
SERIES = (BLUE, VERMILION, "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7a7a7a", "#000000")
INK = "#1f2933"
MUTED = "#5b6675"
GRID = "#e4e8ee"
PALE_BLUE = "#a9cbe3"

FAMILY = "DejaVu Sans"  # comes with matplotlib, so it is the same on every machine
MONOSPACE = "DejaVu Sans Mono"
SIZE = 9.0  # points
LEFT_IN = 0.85  # room for the ticks and the label of a y axis
BOTTOM_IN = 0.87  # room for the ticks and the label of an x axis, and the legend
RASTER_DPI = 110  # of the one part of a figure that is a picture, the map of the landscape
TOP_IN = 0.45  # room for a title
COST_UNITS = "cost units"


def new_figure(width_in: float, height_in: float) -> Figure:
    """Return an empty white figure of this size in inches, outside of pyplot."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_in, height_in), facecolor="white")


def add_panel(figure: Figure, left_in: float, width_in: float) -> Axes:
    """Return axes from `left_in` to the right, with room for a title, labels and the legend.

    Places are fixed rather than computed from what is drawn: matplotlib's own layout takes as
    long as the drawing.
    """
    across, down = figure.get_size_inches()
    bottom, top = BOTTOM_IN, TOP_IN
    return figure.add_axes(
        (left_in / across, bottom / down, width_in / across, 1 - (bottom + top) / down)
    )


def style_axes(axes: Axes, title: str, x_label: str, y_label: str) -> None:
    """Give `axes` its title and labels, and the look that all figures share."""
    axes.annotate(
        title,
        (0, 1),
        (0, 12),
        xycoords="axes fraction",
        textcoords="offset points",
        color=INK,
        fontsize=SIZE + 1,
        fontweight="bold",
        annotation_clip=False,
        family=FAMILY,
    )
    axes.set_xlabel(x_label, color=MUTED, fontsize=SIZE, family=FAMILY)
    axes.set_ylabel(y_label, color=MUTED, fontsize=SIZE, family=FAMILY)
    axes.tick_params(
        colors=MUTED, labelsize=SIZE, labelfontfamily=FAMILY, length=3, direction="out"
    )
    axes.set_facecolor("white")
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(MUTED)
        spine.set_linewidth(0.8)


def grid(axes: Axes, direction: str) -> None:
    """Draw thin lines behind the data, along ``"x"``, ``"y"`` or ``"both"``."""
    axes.set_axisbelow(True)
    axes.grid(visible=True, axis=direction, color=GRID, linewidth=0.8)  # type: ignore[arg-type]


def widen(axes: Axes, values: Iterable[float]) -> None:
    """Keep values along y that agree to rounding from filling the axis with noise."""
    axes.ticklabel_format(axis="y", useOffset=False, style="plain")
    finite = [float(value) for value in values if math.isfinite(value)]
    if finite:
        room = 5e-4 * max(*(abs(value) for value in finite), 1e-6)
        axes.update_datalim([(0, min(finite) - room), (0, max(finite) + room)], updatex=False)
        axes.autoscale_view(scalex=False)


def whole_numbers(axes: Axes) -> None:
    """Put the ticks of the x axis on whole numbers, 1 apart or more."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))


def legend_below(figure: Figure, panels: Iterable[Axes]) -> None:
    """Explain the marks of all `panels` once, below them, where no data can be."""
    marks: dict[str, Any] = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        for handle, label in zip(handles, labels, strict=True):
            marks.setdefault(label, handle)
    if marks:
        across, down = figure.get_size_inches()
        figure.legend(
            handles=list(marks.values()),
            labels=list(marks),
            loc="lower left",
            bbox_to_anchor=(0.15 / across, 0.05 / down),
            borderaxespad=0,
            ncols=len(marks),
            frameon=False,
            labelcolor=INK,
            prop={"family": FAMILY, "size": SIZE},
            handlelength=1.8,
            columnspacing=1.6,
        )


def to_svg(figure: Figure) -> str:
    """Return `figure` as SVG text that depends on nothing but what is drawn.

    The text starts with ``<svg``. It holds no date, no comment, no random id, no rule of style
    that would reach beyond it, and no address apart from the names of its namespaces. Letters
    are outlines.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", dpi=RASTER_DPI, metadata={"Date": None})
    return plain_svg(buffer.getvalue())


def message_svg(message: str) -> str:
    """Return a small SVG that says `message` instead of showing a figure."""
    lines = [part for line in message.splitlines() for part in textwrap.wrap(line, 80) or [""]] or [
        ""
    ]
    lines = [*lines[:11], "..."] if len(lines) > 12 else lines  # noqa: PLR2004 - one small card
    height = 36 + 18 * len(lines)
    spans = "".join(
        f'<tspan x="20" y="{32 + 18 * row}">{_printable(line)}</tspan>'
        for row, line in enumerate(lines)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="560pt" height="{height}pt"'
        f' viewBox="0 0 560 {height}" version="1.1">'
        f'<rect width="560" height="{height}" fill="white"/>'
        f'<rect width="4" height="{height}" fill="{VERMILION}"/>'
        f'<text font-family="monospace" font-size="11" fill="{INK}"'
        f' xml:space="preserve">{spans}</text></svg>\n'
    )


def _printable(text: str) -> str:
    """Return `text` escaped for XML, without the characters that XML forbids."""
    return escape(
        "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    )
