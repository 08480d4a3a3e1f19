"""Figure of a diagonalization: the energies of its batches, and how far the best is from exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hybrid_parsl.report import style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy import float64
    from numpy.typing import NDArray

CHEMICAL_ACCURACY = 1.593e-3
"""1 kcal/mol, in Hartree."""

_LEAST_DISTANCE = 1e-10  # Hartree, below which rounding is drawn


def draw_diagonalization(
    energies: Sequence[Sequence[float]], reference: float, exact: float | None
) -> str:
    """Return the figure of a diagonalization as SVG.

    Parameters
    ----------
    energies
        Energy of each batch, by iteration, in Hartree.
    reference
        Energy of the Hartree-Fock state, in Hartree.
    exact
        Lowest energy of all, in Hartree; None where it is not known.
    """
    figure = style.new_figure(10 if exact is not None else 6.6, 3.9)
    width_in = 3.85 if exact is not None else 5.6
    panels = [style.add_panel(figure, style.LEFT_IN, width_in)]
    lowest = np.array([min(each) for each in energies])
    _draw_batches(panels[0], energies, lowest, reference)
    if exact is not None:
        panels[0].axhline(
            exact, color=style.VERMILION, linestyle=(0, (5, 3)), label="exact in this basis"
        )
        panels.append(style.add_panel(figure, 5 + style.LEFT_IN, width_in))
        _draw_distance(panels[1], lowest - exact)
    style.legend_below(figure, panels)
    return style.to_svg(figure)


def _draw_batches(
    axes: Axes, energies: Sequence[Sequence[float]], lowest: NDArray[float64], reference: float
) -> None:
    """Draw the energy of each batch, the lowest of each iteration and the Hartree-Fock energy."""
    style.style_axes(axes, "Energy of each batch", "iteration", "energy (Hartree)")
    style.grid(axes, "y")
    iterations = np.arange(1, len(energies) + 1)
    axes.scatter(
        np.repeat(iterations, [len(each) for each in energies]),
        np.concatenate([np.asarray(each) for each in energies]),
        s=22,
        color=style.BLUE,
        alpha=0.6,
        linewidths=0,
        label="batch",
        zorder=3,
    )
    axes.plot(iterations, lowest, color=style.INK, linewidth=1.2, label="lowest of the iteration")
    axes.axhline(reference, color=style.MUTED, linestyle=(0, (1, 2)), label="Hartree-Fock")
    style.widen(axes, [reference, *lowest])
    style.whole_numbers(axes)


def _draw_distance(axes: Axes, distance: NDArray[float64]) -> None:
    """Draw how far the lowest energy of each iteration is from the exact one."""
    style.style_axes(axes, "Distance to the exact energy", "iteration", "Hartree")
    style.grid(axes, "y")
    axes.set_yscale("log")
    axes.plot(
        np.arange(1, distance.size + 1),
        np.maximum(distance, _LEAST_DISTANCE),
        color=style.BLUE,
        linewidth=1.4,
        marker="o",
        markersize=3.5,
    )
    axes.axhline(CHEMICAL_ACCURACY, color=style.MUTED, linestyle=(0, (5, 3)), label="1 kcal/mol")
    style.whole_numbers(axes)
