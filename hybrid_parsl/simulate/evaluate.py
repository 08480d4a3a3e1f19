"""One call of compiled code for an energy, or for an energy and its gradient."""

from __future__ import annotations

from typing import Any

from .compiling import compiled
from .gradient_kernels import backward, collect, weigh_derivatives
from .kernel_arguments import (
    ANGLE,
    BITS,
    ENERGY,
    HIGH,
    LAYERS,
    MIRRORED,
    NORM,
    SCALE,
    SUM,
    WANT_ENERGY,
    WANT_GRADIENT,
    WIDTH_BITS,
)
from .kernels import forward, prepare


@compiled
def total_energy(units: int, sums: Any, angles: Any, layout: Any, first: float,
                 step: float) -> float:  # fmt: skip
    """Add up the energy, in a fixed order."""
    out = 0.0
    for at in range(0, units * SUM, SUM):
        out += first * sums[at + NORM] + step * sums[at + ENERGY]
    scale = angles[layout[LAYERS] * ANGLE + SCALE]
    return float(out * scale * scale * (2.0 if layout[MIRRORED] else 1.0))


@compiled
def begin(want: int, parameters: Any, gradient: Any, table: Any, back_table: Any, angles: Any,
          sums: Any, layout: Any, first: float, step: float) -> None:  # fmt: skip
    """Clear the sums and prepare angles and tables."""
    for at in range(SUM * max(1 << layout[HIGH], 1 << (layout[BITS] - 1 - layout[WIDTH_BITS]))):
        sums[at] = 0.0
    if want == WANT_GRADIENT:
        for at in range(2 * layout[LAYERS]):
            gradient[at] = 0.0
    prepare(parameters, angles, table, back_table, layout, first, step, want)
    weigh_derivatives(angles, layout)


@compiled
def evaluate(want: int, parameters: Any, gradient: Any, state: Any, adjoint: Any, panel: Any,
             other: Any, uniform: Any, saved: Any, cost: Any, table: Any, back_table: Any,
             angles: Any, sums: Any, layout: Any, first: float, step: float) -> float:  # fmt: skip
    """Evolve the state; return its energy or, if that is wanted, fill in the gradient too."""
    begin(want, parameters, gradient, table, back_table, angles, sums, layout, first, step)
    layers = layout[LAYERS]
    units = (1 << layout[HIGH], 1 << (layout[BITS] - 1 - layout[WIDTH_BITS]))
    start = layers - layers
    for k in range(layers + 1 if want == WANT_ENERGY else layers):
        forward(k, start, units[k & 1], state, panel, uniform, saved, cost, table, angles, layout,
                sums)  # fmt: skip
    if want == WANT_GRADIENT:
        for k in range(layers, -1, -1):
            backward(k, start, units[k & 1], state, adjoint, panel, other, uniform, saved, cost,
                     table, back_table, angles, layout, first, step, sums)  # fmt: skip
            collect(k, units[k & 1], sums, gradient, angles, layout, step)
    return total_energy(units[layers & 1], sums, angles, layout, first, step)
