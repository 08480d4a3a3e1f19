"""The way back through the layers: the gradient of the energy.

After Jones and Gacon, arXiv:2009.02823: the adjoint state, at first C|psi>, and the state
are taken back through the layers together, each layer giving two derivatives on the way.
Rotating leaves out a factor cos(beta') a bit; `weight` and SHRINK make up for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiling import compiled
from .gradient_passes import (
    LOW_BITS,
    pair_low,
    pair_mirror,
    pair_phase,
    pair_rows_1,
    pair_rows_2,
)
from .kernels import (
    BETA,
    BETA_BEFORE,
    BITS,
    ENERGY,
    GAMMA,
    HIGH,
    LEVELS,
    MIRRORED,
    N_QUBITS,
    NORM,
    RATE,
    REPEATS,
    SCALE,
    SHRINK,
    TANGENT,
    WIDTH_BITS,
    forward,
    gather_panel,
    mix_panel,
    mix_tile,
    ones,
    panel_state,
    prepare,
    weigh,
)


@compiled
def pair_rows(bits: int, psi: Any, adjoint: Any, s: int, s_step: int, new_psi: Any,
              new_adjoint: Any, d: int, d_step: int, count: int, t: float) -> float:  # fmt: skip
    """Rotate 2**bits rows of state and adjoint, from one place to another."""
    if bits == 2:
        return pair_rows_2(psi, adjoint, s, s_step, new_psi, new_adjoint, d, d_step, count, t)
    return pair_rows_1(psi, adjoint, s, s_step, new_psi, new_adjoint, d, d_step, count, t)


@compiled
def unmix_block(psi: Any, adjoint: Any, start: int, size: int, bit: int, end: int, t: float,
                shrink: float) -> float:  # fmt: skip
    """Rotate `size` numbers in a row over the bits from `bit` to below `end`."""
    out = 0.0
    weight = 1.0
    while bit < end:
        take = min(2, end - bit)
        step = 1 << bit
        part = 0.0
        for block in range(start, start + size, step << take):
            part += pair_rows(take, psi, adjoint, block, step, psi, adjoint, block, step, step, t)
        out += weight * part
        weight *= shrink**take
        bit += take
    return out


@compiled
def unmix_tile(tile: int, state: Any, adjoint: Any, angle: Any, layout: Any) -> float:
    """Take a tile back over all its bits; return the derivative by the angle."""
    bits = layout[BITS]
    size = 1 << bits
    start = tile << bits
    t, shrink = -angle[TANGENT], angle[SHRINK]
    out = 0.0
    for part in range(2):
        out += pair_low(state[part], adjoint[part], start, size, t, shrink)
        out += shrink**LOW_BITS * unmix_block(
            state[part], adjoint[part], start, size, np.int64(LOW_BITS), bits, t, shrink
        )
    repeats = int(angle[REPEATS]) - 1
    mix_tile(state, start, bits, t, repeats)
    mix_tile(adjoint, start, bits, t, repeats)
    return out


@compiled
def unmirror(panel: Any, back_panel: Any, t: float, unit: int, layout: Any) -> float:
    """Take back the X of the qubit that is not stored; return the derivative."""
    n = layout[N_QUBITS]
    width = 1 << layout[WIDTH_BITS]
    rows = 1 << layout[HIGH]
    out = 0.0
    for row in range(rows):
        turn = -1.0 if (ones(row) ^ ones(unit) ^ (n >> 1)) & 1 else 1.0
        front = row * 2 * width
        back = (2 * rows - 1 - 2 * row) * width
        for part in range(2):
            other = part ^ (n & 1)
            signed = -turn if other < part else turn
            out += pair_mirror(panel[part], back_panel[part], front, panel[other],
                               back_panel[other], back, width, t, signed)  # fmt: skip
    return out


@compiled
def move_rows_back(gather: int, take: int, unit: int, state: Any, adjoint: Any, panel: Any,
                   back_panel: Any, t: float, layout: Any) -> float:  # fmt: skip
    """Take rows back over their highest bits on the way between state and panel."""
    stride = 1 << layout[BITS]
    width = 1 << layout[WIDTH_BITS]
    far = 1 << (layout[HIGH] - take)
    column = unit * width
    out = 0.0
    for part in range(2):
        for row in range(far):
            for side in range(2):
                s = row * stride + (stride - column - width if side else column)
                d = row * 2 * width + side * width
                if gather:
                    out += pair_rows(take, state[part], adjoint[part], s, far * stride,
                                     panel[part], back_panel[part], d, far * 2 * width, width,
                                     t)  # fmt: skip
                else:
                    out += pair_rows(take, panel[part], back_panel[part], d, far * 2 * width,
                                     state[part], adjoint[part], s, far * stride, width,
                                     t)  # fmt: skip
    return out


@compiled
def unmix_panel(panel: Any, back_panel: Any, unit: int, take: int, angle: Any,
                layout: Any) -> float:  # fmt: skip
    """Take a panel back over all bits of the row number but the highest `take` ones."""
    low = layout[WIDTH_BITS] + 1
    size = 1 << (low + layout[HIGH])
    end = low + layout[HIGH] - take
    start = unit - unit
    t, shrink = -angle[TANGENT], angle[SHRINK]
    out = 0.0
    for part in range(2):
        out += unmix_block(panel[part], back_panel[part], start, size, low, end, t, shrink)
    if layout[MIRRORED]:
        out += shrink ** (end - low) * unmirror(panel, back_panel, t, unit, layout)
    return out


@compiled
def gather_back(unit: int, state: Any, adjoint: Any, panel: Any, back_panel: Any, angle: Any,
                layout: Any) -> float:  # fmt: skip
    """Copy a panel from state and adjoint and take it back; return the derivative."""
    take = min(layout[HIGH], 2)
    t = -angle[TANGENT]
    out = move_rows_back(take, take, unit, state, adjoint, panel, back_panel, t, layout)
    out += angle[SHRINK] ** take * unmix_panel(panel, back_panel, unit, take, angle, layout)
    for _ in range(int(angle[REPEATS]) - 1):
        mix_panel(panel, unit, unit - unit, t, layout)
        mix_panel(back_panel, unit, unit - unit, t, layout)
    return out


@compiled
def scatter_back(unit: int, state: Any, adjoint: Any, panel: Any, back_panel: Any, angle: Any,
                 layout: Any) -> float:  # fmt: skip
    """Take a panel back and copy it to state and adjoint; return the derivative."""
    take = min(layout[HIGH], 2)
    mirrored = layout[MIRRORED]
    t, shrink = -angle[TANGENT], angle[SHRINK]
    weight = 1.0
    for _ in range(int(angle[REPEATS]) - 1):
        mix_panel(panel, unit, unit - unit, t, layout)
        mix_panel(back_panel, unit, unit - unit, t, layout)
        weight *= shrink ** (layout[HIGH] + mirrored)
    out = weight * unmix_panel(panel, back_panel, unit, take, angle, layout)
    weight *= shrink ** (layout[HIGH] + mirrored - take)
    zero = unit - unit
    return out + weight * move_rows_back(
        zero, take, unit, state, adjoint, panel, back_panel, t, layout
    )


@compiled
def start_adjoint(psi: Any, adjoint: Any, start: int, cost: Any, x: int, count: int, scale: float,
                  first: float, step: float) -> None:  # fmt: skip
    """Make the adjoint state: scale times the cost times the state."""
    levels = cost[x : x + count]
    for part in range(2):
        old = psi[part, start : start + count]
        new = adjoint[part, start : start + count]
        for k in range(count):
            new[k] = old[k] * (scale * (first + step * levels[k]))


@compiled
def unphase(psi: Any, adjoint: Any, start: int, count: int, cost: Any, x: int, table: Any,
            angles: Any, k: int, layout: Any) -> float:  # fmt: skip
    """Take back the phases of layer k; return the derivative by its angle."""
    return pair_phase(
        psi[0], psi[1], adjoint[0], adjoint[1], start, count, cost, x, table,
        k * 2 * layout[LEVELS], -angles[k, RATE], angles[k + 1, SCALE],
    )  # fmt: skip


@compiled
def low_back(k: int, tile: int, state: Any, adjoint: Any, cost: Any, table: Any, angles: Any,
             layout: Any, first: float, step: float, sums: Any) -> None:  # fmt: skip
    """Take back sweep k, an even number, on one tile."""
    layers = len(angles) - 1
    bits = layout[BITS]
    size = 1 << bits
    base = tile << bits
    if k == layers:
        mix_tile(state, base, bits, angles[k - 1, TANGENT], int(angles[k - 1, REPEATS]))
        weigh(sums, state, base, cost, base, size)
        start_adjoint(
            state, adjoint, base, cost, base, size, angles[k, SCALE] ** 2, first, step
        )
    else:
        before = (layout[HIGH] + layout[MIRRORED]) * angles[k, REPEATS]
        sums[BETA] = angles[k, SHRINK] ** before * unmix_tile(
            tile, state, adjoint, angles[k], layout
        )
        sums[GAMMA] = unphase(
            state, adjoint, base, size, cost, base, table, angles, k, layout
        )
    if k > 0:
        sums[BETA_BEFORE] = unmix_tile(tile, state, adjoint, angles[k - 1], layout)


@compiled
def high_back(k: int, unit: int, state: Any, adjoint: Any, panel: Any, back_panel: Any, cost: Any,
              table: Any, angles: Any, layout: Any, first: float, step: float,
              sums: Any) -> None:  # fmt: skip
    """Take back sweep k, an odd number, on one panel and its mirror image."""
    layers = len(angles) - 1
    width = 1 << layout[WIDTH_BITS]
    before = angles[k - 1]
    if k == layers:
        gather_panel(unit, state, panel, before[TANGENT], int(before[REPEATS]), layout)
    else:
        sums[BETA] = angles[k, SHRINK] ** (layout[BITS] * angles[k, REPEATS]) * gather_back(
            unit, state, adjoint, panel, back_panel, angles[k], layout
        )
    for half in range(2 << layout[HIGH]):
        d = half * width
        x = panel_state(half, unit, layout)
        if k == layers:
            weigh(sums, panel, d, cost, x, width)
            start_adjoint(
                panel, back_panel, d, cost, x, width, angles[k, SCALE] ** 2, first, step
            )
        else:
            sums[GAMMA] += unphase(
                panel, back_panel, d, width, cost, x, table, angles, k, layout
            )
    sums[BETA_BEFORE] = scatter_back(unit, state, adjoint, panel, back_panel, before, layout)


@compiled
def backward(k: int, start: int, stop: int, state: Any, adjoint: Any, panel: Any, back_panel: Any,
             cost: Any, table: Any, angles: Any, layout: Any, first: float, step: float,
             sums: Any) -> None:  # fmt: skip
    """Take back sweep k on the tiles or panels from `start` to below `stop`."""
    for unit in range(start, stop):
        if k & 1:
            high_back(k, unit, state, adjoint, panel, back_panel, cost, table, angles, layout,
                      first, step, sums[unit])  # fmt: skip
        else:
            low_back(k, unit, state, adjoint, cost, table, angles, layout, first, step,
                     sums[unit])  # fmt: skip


@compiled
def collect(k: int, sums: Any, gradient: Any, angles: Any, layout: Any, step: float) -> None:
    """Add up, in a fixed order, what the tiles or panels of sweep k gave, and clear it."""
    layers = len(angles) - 1
    factor = 4.0 if layout[MIRRORED] else 2.0
    for unit in range(len(sums)):
        if k < layers:
            gradient[layers + k] += factor * sums[unit, BETA]
            weight = angles[k + 1, SCALE] ** 2
            gradient[k] += factor * step * weight * sums[unit, GAMMA]
        if k > 0:
            gradient[layers + k - 1] += factor * sums[unit, BETA_BEFORE]
    sums[:, BETA:] = 0.0


@compiled
def total_energy(sums: Any, angles: Any, layout: Any, first: float, step: float) -> float:
    """Add up the energy, in a fixed order."""
    norm = 0.0
    energy = 0.0
    for unit in range(len(sums)):
        norm += sums[unit, NORM]
        energy += sums[unit, ENERGY]
    scale = angles[len(angles) - 1, SCALE]
    return (first * norm + step * energy) * scale * scale * (2.0 if layout[MIRRORED] else 1.0)


@compiled
def evaluate(parameters: Any, gradient: Any, state: Any, adjoint: Any, panel: Any,
             back_panel: Any, uniform: Any, cost: Any, table: Any, back_table: Any, angles: Any,
             sums: Any, layout: Any, first: float, step: float) -> float:  # fmt: skip
    """Return the energy; fill in the gradient, unless it is empty."""
    prepare(parameters, angles, table, back_table, layout, first, step)
    sums[:] = 0.0
    gradient[:] = 0.0
    layers = len(angles) - 1
    units = (1 << layout[HIGH], 1 << (layout[BITS] - 1 - layout[WIDTH_BITS]))
    start = layers - layers
    want = len(gradient) > 0
    for k in range(layers if want else layers + 1):
        forward(k, start, units[k & 1], state, panel, uniform, cost, table, angles, layout, sums)
    if want:
        for k in range(layers, -1, -1):
            backward(k, start, units[k & 1], state, adjoint, panel, back_panel, cost, back_table,
                     angles, layout, first, step, sums)  # fmt: skip
            collect(k, sums, gradient, angles, layout, step)
    return total_energy(sums, angles, layout, first, step)
