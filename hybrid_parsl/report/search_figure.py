"""Figure of the search: where each start ended, and how the best one got there."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from hybrid_parsl.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy import float64
    from numpy.typing import NDArray

    from hybrid_parsl.results import SearchResult

MOST_DOTS = 1500  # more starts than these are drawn as the range of each group
GROUPS = 300
NARROW_IN = 6.6  # width of the figure where there is only one panel


def draw_search(search: SearchResult, optimum: float | None, unit: str = style.COST_UNITS) -> str:
    """Return the figure of a search as SVG.

    Parameters
    ----------
    search
        What was found.
    optimum
        Lowest energy of any bitstring; None where it is not known.
    unit
        Of the energies.
    """
    energies = np.asarray(search.energies, dtype=float)
    trace = np.asarray(search.trace, dtype=float)
    second = "trace" if trace.size > 1 else "histogram" if energies.size > 3 else ""  # noqa: PLR2004
    figure = style.new_figure(10 if second else NARROW_IN, 3.9)
    panels = [style.add_panel(figure, style.LEFT_IN, 3.85 if second else NARROW_IN - 1)]
    if second:
        panels.append(style.add_panel(figure, 5 + style.LEFT_IN, 3.85))
    _draw_starts(panels[0], search, energies, unit)
    if second == "trace":
        _draw_trace(panels[1], search.best_start, trace, unit)
    elif second == "histogram":
        _draw_spread(panels[1], energies, unit)
    _draw_optimum(panels, optimum, across=second == "histogram")
    style.legend_below(figure, panels)
    return style.to_svg(figure)


def _draw_starts(axes: Axes, search: SearchResult, energies: NDArray[float64], unit: str) -> None:
    """Draw the final energy of each start, and the best of all up to it."""
    style.style_axes(axes, "Final energy of each start", "start (index)", f"energy ({unit})")
    style.grid(axes, "y")
    if energies.size <= MOST_DOTS:
        size = 26 if energies.size <= 100 else 9  # noqa: PLR2004 - dots that do not touch
        axes.scatter(
            np.arange(energies.size),
            energies,
            s=size,
            color=style.BLUE,
            alpha=0.75,
            linewidths=0,
            label="final energy",
            zorder=3,
        )
    else:
        _draw_ranges(axes, energies)
    where, best = staircase(energies)
    if where.size > 1 and energies.size > 1:
        axes.step(where, best, where="post", color=style.INK, linewidth=1.2, label="best so far")
    axes.scatter(
        [search.best_start],
        [search.energy],
        s=90,
        facecolors="none",
        edgecolors=style.VERMILION,
        linewidths=1.6,
        label="best start",
        zorder=4,
    )
    axes.set_xlim(-0.02 * energies.size - 0.5, 1.02 * energies.size - 0.5)
    style.widen(axes, energies)
    style.whole_numbers(axes)


def _draw_optimum(panels: list[Axes], optimum: float | None, *, across: bool) -> None:
    """Draw the optimum in each panel; `across` says that energies are along x in the last."""
    if optimum is None:
        return
    for axes in panels:
        upright = across and axes is panels[-1]
        (axes.axvline if upright else axes.axhline)(
            optimum, color=style.VERMILION, linestyle=(0, (5, 3)), label="optimum"
        )


def _draw_ranges(axes: Axes, energies: NDArray[float64]) -> None:
    """Draw the lowest, median and highest energy of each group of neighbouring starts."""
    edges = np.linspace(0, energies.size, GROUPS + 1).astype(int)
    groups = [energies[low:high] for low, high in itertools.pairwise(edges)]
    middle = (edges[:-1] + edges[1:] - 1) / 2
    low, median, high = np.array([np.quantile(group, [0, 0.5, 1]) for group in groups]).T
    axes.fill_between(
        middle,
        low,
        high,
        color=style.PALE_BLUE,
        linewidth=0,
        label=f"lowest to highest of {energies.size // GROUPS} neighbouring starts",
    )
    axes.plot(middle, median, color=style.BLUE, linewidth=1, label="their median")


def staircase(energies: NDArray[float64]) -> tuple[NDArray[float64], NDArray[float64]]:
    """Return the corners of the best energy so far.

    Parameters
    ----------
    energies
        Final energy of every start, shape ``(n_starts,)``.

    Returns
    -------
    where, best
        The starts that were better than all before them, then the last start, and the best
        energy from there on; both of shape ``(n_corners,)``.
    """
    if not energies.size:
        return energies, energies
    best = np.minimum.accumulate(energies)
    better = np.flatnonzero(np.diff(best, prepend=np.inf))
    where = np.append(better, energies.size - 1)
    return where.astype(float), best[where]


def _draw_trace(axes: Axes, start: int, trace: NDArray[float64], unit: str) -> None:
    """Draw the energy after each iteration of the best start."""
    style.style_axes(axes, f"Progress of the best start ({start})", "iteration", f"energy ({unit})")
    style.grid(axes, "y")
    few = trace.size <= 60  # noqa: PLR2004 - markers that can be distinguished
    axes.plot(
        np.arange(1, trace.size + 1),
        trace,
        color=style.BLUE,
        linewidth=1.4,
        marker="o" if few else "",
        markersize=3.5,
        label=None,
    )
    style.widen(axes, trace)
    style.whole_numbers(axes)


def _draw_spread(axes: Axes, energies: NDArray[float64], unit: str) -> None:
    """Draw how often the starts ended in each range of energies."""
    style.style_axes(axes, "Spread of the energies", f"energy ({unit})", "starts")
    style.grid(axes, "y")
    bins = int(np.clip(np.sqrt(energies.size), 5, 40))
    axes.hist(energies, bins=bins, color=style.BLUE, edgecolor="white", linewidth=0.6)
