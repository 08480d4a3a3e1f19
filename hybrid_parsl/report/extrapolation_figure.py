"""Figure of an extrapolation to zero noise: the energies at each noise factor, and the fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hybrid_parsl.report import style
from hybrid_parsl.report.text import with_error

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    from hybrid_parsl.results import Analysis, Mitigation

_LEFT_IN = 0.95
_WIDTH_IN = 6.2
_DEGREES = {"linear": 1, "quadratic": 2, "exponential": 1}


def draw_extrapolation(
    mitigation: Mitigation, analysis: Analysis, unit: str = style.COST_UNITS
) -> str:
    """Return the energies over the noise factor, their fit, and its value at 0, as SVG.

    Parameters
    ----------
    mitigation
        The energies at each noise factor, with the function that was fitted.
    analysis
        Its energy is the extrapolated one.
    unit
        Of the energies.
    """
    figure = style.new_figure(_LEFT_IN + _WIDTH_IN + 0.3, 3.4)
    axes = style.add_panel(figure, _LEFT_IN, _WIDTH_IN)
    style.style_axes(
        axes, "Extrapolation to zero noise", "noise factor of the gates", f"energy ({unit})"
    )
    style.grid(axes, "y")
    factors = np.array(mitigation.noise_factors, dtype=np.float64)
    axes.errorbar(
        factors,
        mitigation.expectations,
        yerr=mitigation.standard_errors,
        fmt="o",
        color=style.MUTED,
        capsize=4,
        label="readout mitigated",
        zorder=3,
    )
    along = np.linspace(0, factors.max(), 101)
    axes.plot(
        along, fitted(mitigation, along), color=style.BLUE, label=f"{mitigation.extrapolation} fit"
    )
    axes.errorbar(
        [0],
        [analysis.energy],
        yerr=[analysis.standard_error],
        fmt="s",
        color=style.BLUE,
        capsize=5,
        label=f"extrapolated, {with_error(analysis.energy, analysis.standard_error)}",
        zorder=4,
    )
    axes.axhline(analysis.exact_energy, color=style.INK, linestyle=":", label="exact")
    style.widen(axes, [*mitigation.expectations, analysis.energy, analysis.exact_energy])
    style.whole_numbers(axes)
    style.legend_below(figure, [axes])
    return style.to_svg(figure)


def fitted(mitigation: Mitigation, factors: NDArray[float64]) -> NDArray[float64]:
    """Return the fitted function at some noise factors.

    Parameters
    ----------
    mitigation
        Of an extrapolation.
    factors
        At least 0.
    """
    measured = np.array(mitigation.expectations)
    degree = _DEGREES[str(mitigation.extrapolation)]
    if mitigation.extrapolation != "exponential":
        curve = np.polyval(np.polyfit(mitigation.noise_factors, measured, degree), factors)
        return np.asarray(curve, dtype=np.float64)
    decaying = measured - mitigation.constant
    line = np.polyfit(mitigation.noise_factors, np.log(np.abs(decaying)), degree)
    curve = np.sign(decaying[0]) * np.exp(np.polyval(line, factors))
    return np.asarray(mitigation.constant + curve, dtype=np.float64)
