"""Figure of the landscape: the energy of one layer over both of its angles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from hybrid_parsl.report import style
from hybrid_parsl.report.text import BETA, GAMMA, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy import float64
    from numpy.typing import NDArray

    from hybrid_parsl.results import Landscape

SMOOTH_POINTS = 160  # points along an axis up to which the colours between them are blended
CONTOUR_POINTS = 96  # points along an axis that the contour lines are computed from, at most


def draw_landscape(landscape: Landscape, found: Sequence[float] | None) -> str:
    """Return the figure of the p = 1 landscape as SVG.

    Parameters
    ----------
    landscape
        The energies.
    found
        Gamma and beta in radians that the search found; None if it had more layers than one.
    """
    gamma, beta = np.asarray(landscape.gamma), np.asarray(landscape.beta)
    energy = np.asarray(landscape.energy)
    figure = style.new_figure(6.6, 4.6)
    axes = style.add_panel(figure, style.LEFT_IN, 4.3)
    style.style_axes(axes, "Energy of one layer (p = 1)", f"{GAMMA} (rad)", f"{BETA} (rad)")
    shading: Literal["gouraud", "nearest"] = (
        "gouraud" if 1 < min(energy.shape) <= max(energy.shape) <= SMOOTH_POINTS else "nearest"
    )
    mesh = axes.pcolormesh(gamma, beta, energy, cmap="viridis", shading=shading, rasterized=True)
    _draw_contours(axes, gamma, beta, energy)
    bar = figure.colorbar(mesh, cax=style.add_panel(figure, 5.45, 0.18))
    bar.set_label(
        f"energy ({style.COST_UNITS})", color=style.MUTED, fontsize=style.SIZE, family=style.FAMILY
    )
    bar.ax.tick_params(colors=style.MUTED, labelsize=style.SIZE, labelfontfamily=style.FAMILY)
    bar.outline.set_visible(False)
    row, column = np.unravel_index(np.argmin(energy), energy.shape)
    lowest = (gamma[column], beta[row])
    label = f"lowest shown ({number(float(energy[row, column]), 5)})"
    _mark(axes, lowest, ("*", 190), label)
    if found is not None and len(found) == 2 and _inside(found, gamma, beta):  # noqa: PLR2004
        _mark(axes, found, ("o", 70), "found by the search")
    style.legend_below(figure, [axes])
    return style.to_svg(figure)


def _draw_contours(
    axes: Axes, gamma: NDArray[float64], beta: NDArray[float64], energy: NDArray[float64]
) -> None:
    """Draw thin lines of equal energy, unless all energies are equal."""
    if min(energy.shape) < 2 or np.ptp(energy) == 0:  # noqa: PLR2004 - a line needs two points
        return
    down = -(-energy.shape[0] // CONTOUR_POINTS)
    across = -(-energy.shape[1] // CONTOUR_POINTS)
    axes.contour(
        gamma[::across],
        beta[::down],
        energy[::down, ::across],
        levels=9,
        colors="white",
        linewidths=0.6,
        alpha=0.6,
        linestyles="solid",
    )


def _inside(point: Sequence[float], gamma: NDArray[float64], beta: NDArray[float64]) -> bool:
    """Tell whether a point is on the map."""
    return bool(gamma[0] <= point[0] <= gamma[-1] and beta[0] <= point[1] <= beta[-1])


def _mark(axes: Axes, point: Sequence[float], look: tuple[str, float], label: str) -> None:
    """Mark a point so that it is seen on dark and on light."""
    axes.scatter(
        [point[0]],
        [point[1]],
        marker=look[0],
        s=look[1],
        label=label,
        zorder=5,
        clip_on=False,
        color=style.VERMILION,
        edgecolors="white",
        linewidths=1.2,
    )
