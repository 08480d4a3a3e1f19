"""Figure of the measurement: which bitstrings came, and how good they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hybrid_parsl.report import style
from hybrid_parsl.report.text import number, percent, shortened
from hybrid_parsl.results import highest_optimal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from numpy import float64
    from numpy.typing import NDArray

    from hybrid_parsl.results import Analysis, Outcome, Sample

MOST_BARS = 14
MOST_BITS_ENUMERATED = 12  # up to here random guessing is exact: all 2**n bitstrings
GUESSES = 4096
GUESS_SEED = 20
LONGEST_LABEL = 26
BIT_IN = 0.602 * style.SIZE / 72  # width of one letter of the monospaced type


def draw_distribution(
    sample: Sample,
    analysis: Analysis,
    energies: Callable[[Sequence[str]], NDArray[float64]] | None,
) -> str:
    """Return the figure of the measured distribution as SVG.

    Parameters
    ----------
    sample, analysis
        What was measured, and what it says.
    energies
        Gives the cost of each bitstring, shape ``(len(bitstrings),)``; without it the second
        panel, the histogram of energies, is left out.
    """
    shown = analysis.top[:MOST_BARS]
    figure = style.new_figure(10, max(3.6, 1.7 + 0.22 * len(shown)))
    longest = max((min(len(outcome.bitstring), LONGEST_LABEL) for outcome in shown), default=1)
    left = 0.3 + longest * BIT_IN
    right = 5.9 if energies else 9.8
    panels = [style.add_panel(figure, left, right - left)]
    if energies is not None:
        panels.append(style.add_panel(figure, right + 0.8, 9.8 - right - 0.8))
    _draw_bitstrings(panels[0], shown, analysis)
    if energies is not None:
        _draw_energies(panels[1], sample, analysis, energies)
    style.legend_below(figure, panels)
    return style.to_svg(figure)


def is_optimal(energy: float, analysis: Analysis) -> bool:
    """Tell whether an energy is the optimum, apart from rounding."""
    return energy <= highest_optimal(analysis.optimum, analysis.worst)


def _draw_bitstrings(axes: Axes, shown: Sequence[Outcome], analysis: Analysis) -> None:
    """Draw one bar for each of the most frequent bitstrings, the first on top."""
    from matplotlib import colormaps

    style.style_axes(
        axes, "Most frequent bitstrings (darker: lower energy)", "share of the shots (%)", ""
    )
    style.grid(axes, "x")
    share = 100 * np.array([outcome.probability for outcome in shown])
    cost = np.array([outcome.energy for outcome in shown])
    low, span = _range_of_colours(cost, analysis)
    rows = np.arange(len(shown))
    axes.barh(rows, share, height=0.72, color=colormaps["viridis"](0.85 * (cost - low) / span))
    labels = [shortened(outcome.bitstring, LONGEST_LABEL) for outcome in shown]
    axes.set_yticks(rows, labels, family=style.MONOSPACE, color=style.INK)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(0, 1.42 * share.max(initial=1e-3))
    for row, outcome in enumerate(shown):
        _note(axes, row, float(share[row]), outcome, best=is_optimal(outcome.energy, analysis))
    if any(is_optimal(outcome.energy, analysis) for outcome in shown):
        axes.scatter([], [], marker="*", s=60, color=style.VERMILION, label="optimal bitstring")


def _range_of_colours(cost: NDArray[float64], analysis: Analysis) -> tuple[float, float]:
    """Return the energy of the darkest colour, and how far above it the lightest is.

    A difference that is small beside the whole spectrum does not look large.
    """
    low = min(cost.min(initial=np.inf), np.inf if analysis.optimum is None else analysis.optimum)
    if analysis.optimum is None or analysis.worst is None:
        return low, float(np.ptp(cost)) or 1.0 if cost.size else 1.0
    quarter = (analysis.worst - analysis.optimum) / 4
    return low, max(cost.max(initial=low) - low, quarter) or 1.0


def _note(axes: Axes, row: int, share: float, outcome: Outcome, *, best: bool) -> None:
    """Write the share and the energy of a bitstring to the right of its bar."""
    if best:
        axes.annotate(
            "\N{BLACK STAR}",
            (share, row),
            (4, 0),
            textcoords="offset points",
            va="center",
            color=style.VERMILION,
            fontsize=style.SIZE,
            family=style.FAMILY,
        )
    text = f"{percent(outcome.probability)}, E = {number(outcome.energy, 4)}"
    axes.annotate(
        text,
        (share, row),
        (15 if best else 5, 0),
        textcoords="offset points",
        va="center",
        color=style.INK if best else style.MUTED,
        fontsize=style.SIZE - 1,
        family=style.FAMILY,
        fontweight="bold" if best else "normal",
    )


def _draw_energies(
    axes: Axes,
    sample: Sample,
    analysis: Analysis,
    energies: Callable[[Sequence[str]], NDArray[float64]],
) -> None:
    """Draw how often each energy was measured, against guessing bitstrings at random."""
    from matplotlib.ticker import MaxNLocator

    style.style_axes(
        axes, "Measured energies", f"energy ({style.COST_UNITS})", "share of the shots (%)"
    )
    style.grid(axes, "y")
    bitstrings = list(sample.counts)
    measured = np.asarray(energies(bitstrings), dtype=float)
    weights = np.array([sample.counts[bits] for bits in bitstrings], dtype=float)
    guessed = np.asarray(energies(_guesses(len(bitstrings[0]))), dtype=float)
    edges = bin_edges(np.concatenate([measured, guessed]))
    by_chance, _ = np.histogram(guessed, edges)
    by_circuit, _ = np.histogram(measured, edges, weights=weights)
    axes.bar(
        (edges[1:] + edges[:-1]) / 2,
        100 * by_circuit / weights.sum(),
        width=0.9 * np.diff(edges),
        color=style.BLUE,
        alpha=0.8,
        label="measured",
    )
    axes.stairs(
        100 * by_chance / guessed.size,
        edges,
        color=style.INK,
        linewidth=1.1,
        label="random guessing",
    )
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    mean = analysis.energy if analysis.raw is None else analysis.raw.expectation
    axes.axvline(mean, color=style.INK, linestyle=":", label="mean of the sample")
    if analysis.optimum is not None:
        axes.axvline(
            analysis.optimum, color=style.VERMILION, linestyle=(0, (5, 3)), label="optimum"
        )


def _guesses(n_bits: int) -> list[str]:
    """Return every bitstring of this length, or a fixed random choice where there are many."""
    if n_bits <= MOST_BITS_ENUMERATED:
        return [f"{value:0{n_bits}b}" for value in range(2**n_bits)]
    bits = np.random.default_rng(GUESS_SEED).integers(0, 2, (GUESSES, n_bits), dtype=np.uint8)
    text = (bits + ord("0")).tobytes().decode()
    return [text[start : start + n_bits] for start in range(0, len(text), n_bits)]


def bin_edges(values: NDArray[float64]) -> NDArray[float64]:
    """Return edges of equal bins: one bin a value where the values are evenly spaced and few.

    Parameters
    ----------
    values
        Finite energies, shape ``(n,)``, n at least 1.

    Returns
    -------
    edges
        Ascending, shape ``(n_bins + 1,)``, n_bins 1 to 60.
    """
    most_bins = 60
    low, high = float(values.min()), float(values.max())
    levels = np.unique(np.round(values, 9))
    if levels.size == 1:
        return np.array([low - 0.5, low + 0.5])
    step = float(np.diff(levels).min())
    steps = (high - low) / step
    if steps <= most_bins and np.allclose((levels - low) / step % 1 % (1 - 1e-6), 0, atol=1e-6):
        return np.asarray(low + step * (np.arange(round(steps) + 2) - 0.5), dtype=np.float64)
    return np.linspace(low, high, 37)
