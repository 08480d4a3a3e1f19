"""Sweeps over a state, layer by layer: mixing, phases and the energy.

The state is a table of 2**high rows (tiles) of 2**bits columns. Sweep k, one pass through
memory, goes tile by tile if k is even and by panels of columns if k is odd, and does three
things while the tile or panel sits in the cache: it mixes the bits within reach in layer
k - 1, applies the phases of layer k, and mixes the same bits in layer k. The bits out of
reach had, or will have, their turn in the sweep before or after. ``layout.Layout`` explains
the numbers, and why mixing is real.
"""

from __future__ import annotations

from math import cos, pi, tan
from typing import Any

import numpy as np

from .compiling import compiled
from .passes import (
    LOW_BITS,
    apply_phase,
    fill_table,
    rotate_low,
    rotate_mirror,
    rotate_rows_1,
    rotate_rows_2,
    rotate_rows_3,
)

# Places in `layout`, an array of integers.
N_QUBITS, MIRRORED, BITS, HIGH, WIDTH_BITS, LEVELS = range(6)
# Columns of `angles`, one row a layer: tan(beta'), how often to rotate by it, gamma in
# quarter turns, the factor to put into the phases, cos(beta')**2.
TANGENT, REPEATS, RATE, SCALE, SHRINK = range(5)
# Columns of `sums`, one row a tile or panel.
NORM, ENERGY, BETA, GAMMA, BETA_BEFORE = range(5)


@compiled
def rotate_rows(bits: int, src: Any, s: int, s_step: int, dst: Any, d: int, d_step: int,
                count: int, t: float) -> None:  # fmt: skip
    """Rotate 2**bits rows over the bits of their number, from one place to another."""
    if bits == 3:
        rotate_rows_3(src, s, s_step, dst, d, d_step, count, t)
    elif bits == 2:
        rotate_rows_2(src, s, s_step, dst, d, d_step, count, t)
    else:
        rotate_rows_1(src, s, s_step, dst, d, d_step, count, t)


@compiled
def mix_block(array: Any, start: int, size: int, bit: int, end: int, t: float) -> None:
    """Rotate `size` numbers in a row over the bits from `bit` to below `end`."""
    while bit < end:
        take = 2 if end - bit == 4 else min(3, end - bit)
        step = 1 << bit
        for block in range(start, start + size, step << take):
            rotate_rows(take, array, block, step, array, block, step, step, t)
        bit += take


@compiled
def mix_tile(state: Any, start: int, bits: int, t: float, repeats: int) -> None:
    """Rotate a tile of 2**bits numbers over all its bits."""
    size = 1 << bits
    for part in range(2):
        for _ in range(repeats):
            rotate_low(state[part], start, size, t)
            mix_block(state[part], start, size, np.int64(LOW_BITS), bits, t)


@compiled
def ones(number: int) -> int:
    """Return the number of ones of an integer in base 2."""
    count = 0
    while number:
        number &= number - 1
        count += 1
    return count


@compiled
def mirror(panel: Any, t: float, unit: int, layout: Any) -> None:
    """Rotate each number with its mirror image: the X of the qubit that is not stored."""
    n = layout[N_QUBITS]
    width = 1 << layout[WIDTH_BITS]
    rows = 1 << layout[HIGH]
    for row in range(rows):
        turn = -t if (ones(row) ^ ones(unit) ^ (n >> 1)) & 1 else t
        front = row * 2 * width
        back = (2 * rows - 1 - 2 * row) * width
        for part in range(2):
            other = part ^ (n & 1)
            signed = -turn if other < part else turn
            rotate_mirror(panel[part], front, panel[other], back, width, signed)


@compiled
def mix_panel(panel: Any, unit: int, skip: int, t: float, layout: Any) -> None:
    """Rotate a panel over all bits of the row number but the highest `skip` ones."""
    low = layout[WIDTH_BITS] + 1
    size = 1 << (low + layout[HIGH])
    start = unit - unit
    for part in range(2):
        mix_block(panel[part], start, size, low, low + layout[HIGH] - skip, t)
    if layout[MIRRORED]:
        mirror(panel, t, unit, layout)


@compiled
def move_rows(gather: int, take: int, unit: int, state: Any, panel: Any, t: float,
              layout: Any) -> None:  # fmt: skip
    """Rotate the rows of a panel over their highest bits on the way to or from the state."""
    stride = 1 << layout[BITS]
    width = 1 << layout[WIDTH_BITS]
    far = 1 << (layout[HIGH] - take)
    column = unit * width
    for part in range(2):
        for row in range(far):
            for side in range(2):
                s = row * stride + (stride - column - width if side else column)
                d = row * 2 * width + side * width
                if gather:
                    rotate_rows(take, state[part], s, far * stride, panel[part], d,
                                far * 2 * width, width, t)  # fmt: skip
                else:
                    rotate_rows(take, panel[part], d, far * 2 * width, state[part], s,
                                far * stride, width, t)  # fmt: skip


@compiled
def gather_panel(unit: int, state: Any, panel: Any, t: float, repeats: int, layout: Any) -> None:
    """Copy a panel from the state and mix it."""
    take = min(layout[HIGH], 3)
    move_rows(take, take, unit, state, panel, t, layout)
    mix_panel(panel, unit, take, t, layout)
    for _ in range(repeats - 1):
        mix_panel(panel, unit, unit - unit, t, layout)


@compiled
def scatter_panel(unit: int, state: Any, panel: Any, t: float, repeats: int, layout: Any) -> None:
    """Mix a panel and copy it to the state."""
    take = min(layout[HIGH], 3)
    for _ in range(repeats - 1):
        mix_panel(panel, unit, unit - unit, t, layout)
    mix_panel(panel, unit, take, t, layout)
    move_rows(unit - unit, take, unit, state, panel, t, layout)


@compiled
def weigh(sums: Any, state: Any, start: int, cost: Any, x: int, count: int) -> None:
    """Add up |psi|^2 and cost |psi|^2 over `count` basis states."""
    norm = 0.0
    energy = 0.0
    re = state[0, start : start + count]
    im = state[1, start : start + count]
    levels = cost[x : x + count]
    for k in range(count):
        a = np.float64(re[k])
        b = np.float64(im[k])
        weight = a * a + b * b
        norm += weight
        energy += weight * levels[k]
    sums[NORM] += norm
    sums[ENERGY] += energy


@compiled
def phase(src: Any, s: int, dst: Any, d: int, count: int, cost: Any, x: int, table: Any,
          angle: Any, at: int) -> None:  # fmt: skip
    """Multiply `count` amplitudes by the phases of a layer."""
    apply_phase(
        src[0], src[1], s, dst[0], dst[1], d, count, cost, x, table, at, angle[RATE], angle[SCALE]
    )


@compiled
def low_sweep(k: int, tile: int, state: Any, uniform: Any, cost: Any, table: Any, angles: Any,
              layout: Any, sums: Any) -> None:  # fmt: skip
    """Do sweep k, an even number, on one tile."""
    bits = layout[BITS]
    size = 1 << bits
    base = tile << bits
    at = k * 2 * layout[LEVELS]
    if k == 0:
        chunk = uniform.shape[1] // 4
        for x in range(base, base + size, chunk):
            source = (ones(x // chunk) & 3) * chunk
            phase(uniform, source, state, x, chunk, cost, x, table, angles[k], at)
    else:
        mix_tile(state, base, bits, angles[k - 1, TANGENT], int(angles[k - 1, REPEATS]))
        if k == len(angles) - 1:
            weigh(sums, state, base, cost, base, size)
            return
        phase(state, base, state, base, size, cost, base, table, angles[k], at)
    mix_tile(state, base, bits, angles[k, TANGENT], int(angles[k, REPEATS]))


@compiled
def high_sweep(k: int, unit: int, state: Any, panel: Any, cost: Any, table: Any, angles: Any,
               layout: Any, sums: Any) -> None:  # fmt: skip
    """Do sweep k, an odd number, on one panel and its mirror image."""
    width = 1 << layout[WIDTH_BITS]
    at = k * 2 * layout[LEVELS]
    gather_panel(
        unit, state, panel, angles[k - 1, TANGENT], int(angles[k - 1, REPEATS]), layout
    )
    for half in range(2 << layout[HIGH]):
        d = half * width
        x = panel_state(half, unit, layout)
        if k == len(angles) - 1:
            weigh(sums, panel, d, cost, x, width)
        else:
            phase(panel, d, panel, d, width, cost, x, table, angles[k], at)
    if k < len(angles) - 1:
        scatter_panel(unit, state, panel, angles[k, TANGENT], int(angles[k, REPEATS]), layout)


@compiled
def panel_state(half: int, unit: int, layout: Any) -> int:
    """Return the basis state where half a row of a panel starts."""
    column = unit << layout[WIDTH_BITS]
    if half & 1:
        column = (1 << layout[BITS]) - column - (1 << layout[WIDTH_BITS])
    return ((half >> 1) << layout[BITS]) + column


@compiled
def forward(k: int, start: int, stop: int, state: Any, panel: Any, uniform: Any, cost: Any,
            table: Any, angles: Any, layout: Any, sums: Any) -> None:  # fmt: skip
    """Do sweep k on the tiles or panels from `start` to below `stop`."""
    for unit in range(start, stop):
        if k & 1:
            high_sweep(k, unit, state, panel, cost, table, angles, layout, sums[unit])
        else:
            low_sweep(k, unit, state, uniform, cost, table, angles, layout, sums[unit])


@compiled
def prepare(parameters: Any, angles: Any, table: Any, back_table: Any, layout: Any, first: float,
            step: float) -> None:  # fmt: skip
    """Fill in the angles of each layer and the tables of its phases, there and back."""
    layers = len(parameters) // 2
    n = layout[N_QUBITS]
    levels = layout[LEVELS]
    period = pi / 2 if layout[MIRRORED] else pi
    scale = 2.0 ** (-n / 2)
    for layer in range(layers):
        beta = parameters[layers + layer]
        beta -= period * np.rint(beta / period)
        angles[layer, REPEATS] = 2 if abs(beta) > 1.3 else 1
        beta /= angles[layer, REPEATS]
        angles[layer, TANGENT] = tan(beta)
        angles[layer, RATE] = parameters[layer] * (2 / pi)
        angles[layer, SCALE] = scale
        angles[layer, SHRINK] = cos(beta) ** 2
        next_scale = cos(beta) ** (n * angles[layer, REPEATS])
        a, b = angles[layer, RATE] * first, angles[layer, RATE] * step
        at = layer * 2 * levels
        fill_table(table, at, levels, a, b, scale)
        if len(back_table):
            fill_table(back_table, at, levels, -a, -b, next_scale)
        scale = next_scale
    angles[layers, SCALE] = scale
