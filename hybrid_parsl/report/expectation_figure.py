"""Figure of a measured expectation value: where it lies in the spectrum, and how well it fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybrid_parsl.report import style
from hybrid_parsl.report.text import with_error

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hybrid_parsl.results import Analysis

_DASHES = (0, (5, 3))
_MARGIN_IN = 0.35
_RAW_HEIGHT = 0.2
_LEAST_SPAN = 4.0  # standard errors to each side of the measured energy that are shown


def draw_expectation(analysis: Analysis, unit: str = style.COST_UNITS) -> str:
    """Return the measured energy against the exact one, and in the spectrum, as SVG.

    Parameters
    ----------
    analysis
        What the measurement says; without `optimum` and `worst`, there is one panel. The raw
        energy is drawn below the mitigated one, if there are both.
    unit
        Of the energies.
    """
    optimum, worst = analysis.optimum, analysis.worst
    spectrum = None if optimum is None or worst is None else (optimum, worst)
    figure = style.new_figure(10 if spectrum else 5.4, 2.6)
    panels = [style.add_panel(figure, _MARGIN_IN, 4.5)]
    _draw_measured(panels[0], analysis, "Measured against exact energy", unit)
    _draw_bands(panels[0], analysis)
    if spectrum is not None:
        panels.append(style.add_panel(figure, 5 + _MARGIN_IN, 4.5))
        _draw_measured(panels[1], analysis, "In the spectrum of the cost", unit)
        _draw_spectrum(panels[1], *spectrum)
    style.legend_below(figure, panels)
    return style.to_svg(figure)


def _draw_measured(axes: Axes, analysis: Analysis, title: str, unit: str) -> None:
    """Draw the measured energy with its standard error, and the exact energy."""
    from matplotlib.ticker import MaxNLocator

    style.style_axes(axes, title, f"energy ({unit})", "")
    style.grid(axes, "x")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_ylim(0, 1)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    axes.ticklabel_format(axis="x", useOffset=False, style="plain")
    label = "measured" if analysis.raw is None else f"mitigated ({analysis.mitigation})"
    _draw_point(
        axes, _height(analysis), analysis.energy, analysis.standard_error, style.BLUE, label
    )
    if raw := analysis.raw:
        _draw_point(axes, _RAW_HEIGHT, raw.expectation, raw.standard_error, style.MUTED, "raw")
    axes.axvline(analysis.exact_energy, color=style.INK, linestyle=":", label="exact")


def _height(analysis: Analysis) -> float:
    """Return where the measured energy is drawn: higher if the raw one is below it."""
    return 0.5 if analysis.raw is None else 0.6


def _draw_point(
    axes: Axes, height: float, energy: float, error: float, color: str, label: str
) -> None:
    """Draw an energy with its standard error."""
    axes.errorbar(
        [energy],
        [height],
        xerr=[error],
        fmt="o",
        color=color,
        markersize=6,
        capsize=5,
        linewidth=1.6,
        label=f"{label}, with standard error",
        zorder=4,
    )


def _draw_bands(axes: Axes, analysis: Analysis) -> None:
    """Draw two standard errors around the measured energy, and write energies as numbers."""
    energy, error, raw = analysis.energy, analysis.standard_error, analysis.raw
    if error > 0:
        color, label = style.PALE_BLUE, "within 2 standard errors"
        axes.axvspan(energy - 2 * error, energy + 2 * error, color=color, alpha=0.35, label=label)
    away = abs(analysis.exact_energy - energy)
    if raw is not None:
        away = max(away, abs(raw.expectation - energy) + 2 * raw.standard_error)
    span = 1.25 * max(_LEAST_SPAN * error, away) or 1e-6 * max(1.0, abs(energy))
    axes.set_xlim(energy - span, energy + span)
    _write(axes, _height(analysis), energy, error)
    if raw is not None:
        _write(axes, _RAW_HEIGHT, raw.expectation, raw.standard_error)


def _write(axes: Axes, height: float, energy: float, error: float) -> None:
    """Write an energy with its standard error above its point."""
    axes.annotate(
        with_error(energy, error),
        (energy, height),
        (0, 12),
        textcoords="offset points",
        ha="center",
        color=style.INK,
        fontsize=style.SIZE,
        family=style.FAMILY,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
        zorder=5,
    )


def _draw_spectrum(axes: Axes, optimum: float, worst: float) -> None:
    """Draw the lowest and the highest energy of any state."""
    axes.axvline(optimum, color=style.VERMILION, linestyle=_DASHES, label="optimum")
    axes.axvline(worst, color=style.MUTED, linestyle=_DASHES, label="worst")
