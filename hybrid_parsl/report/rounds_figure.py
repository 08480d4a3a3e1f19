"""Figure of the rounds of an adaptive workflow: the energy of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybrid_parsl.report import style

if TYPE_CHECKING:
    from collections.abc import Sequence


def draw_rounds(
    counted: str,
    numbers: Sequence[int],
    measured: Sequence[tuple[float, float]],
    exact: Sequence[float | None],
    final: tuple[float, float],
) -> str:
    """Return the figure of rounds as SVG.

    Parameters
    ----------
    counted
        What they are counted by, for the x axis.
    numbers
        The number of each.
    measured
        Measured energy and standard error of each; of a step, the mean of its measurements.
    exact
        The energy that the search of each computed; None where there was none.
    final
        Measured energy and standard error at the final angles; drawn for steps only, whose own
        energies are measured beside their angles.
    """
    is_stepwise = counted == "steps"
    figure = style.new_figure(6.6, 3.9)
    axes = style.add_panel(figure, style.LEFT_IN, 5.6)
    style.style_axes(axes, "Energy of each round", counted, f"energy ({style.COST_UNITS})")
    style.grid(axes, "y")
    found = [each for each in zip(numbers, exact, strict=True) if each[1] is not None]
    if found:
        axes.plot(*zip(*found, strict=True), color=style.INK, linewidth=1.2, label="searched")
    energies, errors = zip(*measured, strict=True)
    axes.errorbar(
        numbers,
        energies,
        yerr=errors,
        fmt="o",
        markersize=4,
        color=style.BLUE,
        elinewidth=1.2,
        capsize=3,
        label="mean of both measurements" if is_stepwise else "measured, with standard error",
        zorder=3,
    )
    if is_stepwise:
        axes.errorbar(
            [numbers[-1]],
            [final[0]],
            yerr=[final[1]],
            fmt="D",
            markersize=5,
            color=style.VERMILION,
            elinewidth=1.2,
            capsize=3,
            label="measured at the final angles",
            zorder=4,
        )
    style.widen(axes, [*energies, final[0], *(energy for energy in exact if energy is not None)])
    style.whole_numbers(axes)
    style.legend_below(figure, [axes])
    return style.to_svg(figure)
