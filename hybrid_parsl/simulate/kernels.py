"""Sweeps over a state, layer by layer: mixing, phases and the energy.

The state is a table of 2**HIGH rows (tiles) of 2**BITS columns. Sweep k, one pass through
memory, goes tile by tile if k is even and by panels of columns if k is odd, and does three
things while the tile or panel sits in the cache: it mixes the bits within reach in layer
k - 1, applies the phases of layer k, and mixes the same bits in layer k. The bits out of
reach had, or will have, their turn in the sweep before or after. `layout` explains the
numbers, and why mixing is real.

Everything here works on bare addresses, which compile several times faster than arrays:
those of ``2 * part`` numbers, first the real parts and then the imaginary ones, for a state
or panel; of rows one after the other for `angles` and `sums`.
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
    weigh,
)

# Places in `layout`, an array of integers.
N_QUBITS, LAYERS, MIRRORED, BITS, HIGH, WIDTH_BITS, LEVELS, CHUNK = range(8)
# Columns of `angles`, one row a layer: tan(beta'), how often to rotate by it, gamma in
# quarter turns, the factor to put into the phases, cos(beta')**2.
TANGENT, REPEATS, RATE, SCALE, SHRINK = range(5)
ANGLE = 5
# Columns of `sums`, one row a tile or panel.
NORM, ENERGY, BETA, GAMMA, BETA_BEFORE = range(5)
SUM = 5


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
def mix_tile(state: Any, start: int, part: int, bits: int, t: float, repeats: int) -> None:
    """Rotate a tile of 2**bits amplitudes over all its bits."""
    size = 1 << bits
    for base in (start, start + part):
        for _ in range(repeats):
            rotate_low(state, base, size, t)
            mix_block(state, base, size, np.int64(LOW_BITS), bits, t)


@compiled
def ones(number: int) -> int:
    """Return the number of ones of an integer in base 2."""
    count = 0
    while number:
        number &= number - 1
        count += 1
    return count


@compiled
def mirror_sign(row: int, unit: int, layout: Any) -> float:
    """Return (-1)**(ones of the row and of the column's number + half the qubits)."""
    return -1.0 if (ones(row) ^ ones(unit) ^ (layout[N_QUBITS] >> 1)) & 1 else 1.0


@compiled
def mix_panel(panel: Any, unit: int, skip: int, t: float, layout: Any) -> None:
    """Rotate a panel over its row bits but the highest `skip`, and with its mirror image."""
    low = layout[WIDTH_BITS] + 1
    size = 1 << (low + layout[HIGH])
    for base in (size - size, size):
        mix_block(panel, base, size, low, low + layout[HIGH] - skip, t)
    if not layout[MIRRORED]:
        return
    width = size >> (layout[HIGH] + 1)
    crossed = size if layout[N_QUBITS] & 1 else 0
    for front in range(0, size, 2 * width):
        turn = t * mirror_sign(front >> low, unit, layout)
        back = size - front - width
        rotate_mirror(panel, front, back + crossed, width, turn)
        rotate_mirror(panel, front + size, back + size - crossed, width,
                      -turn if crossed else turn)  # fmt: skip


@compiled
def place_rows(half: int, unit: int, layout: Any) -> int:
    """Return the basis state where half a row of a panel starts: its own or the mirrored."""
    width = 1 << layout[WIDTH_BITS]
    column = unit * width
    if half & 1:
        column = (1 << layout[BITS]) - column - width
    return ((half >> 1) << layout[BITS]) + column


@compiled
def move_rows(gather: int, take: int, unit: int, state: Any, panel: Any, t: float,
              layout: Any) -> None:  # fmt: skip
    """Rotate the rows of a panel over their highest bits on the way to or from the state."""
    width = 1 << layout[WIDTH_BITS]
    halves = 2 << (layout[HIGH] - take)
    s_step = (halves >> 1) << layout[BITS]
    d_step = halves * width
    for half in range(2 * halves):
        s = place_rows(half % halves, unit, layout)
        d = (half % halves) * width
        if half >= halves:
            s += s_step << take
            d += d_step << take
        if gather:
            rotate_rows(take, state, s, s_step, panel, d, d_step, width, t)
        else:
            rotate_rows(take, panel, d, d_step, state, s, s_step, width, t)


@compiled
def mix_through(gather: int, unit: int, state: Any, panel: Any, angles: Any, layer: int,
                layout: Any) -> None:  # fmt: skip
    """Mix a panel in one layer and, before or after, copy it from or to the state."""
    t = angles[layer * ANGLE + TANGENT]
    repeats = int(angles[layer * ANGLE + REPEATS])
    take = min(layout[HIGH], 3)
    if gather:
        move_rows(gather, take, unit, state, panel, t, layout)
    for repeat in range(repeats):
        moved = repeat == (0 if gather else repeats - 1)
        mix_panel(panel, unit, take if moved else 0, t, layout)
    if not gather:
        move_rows(gather, take, unit, state, panel, t, layout)


@compiled
def low_sweep(k: int, tile: int, state: Any, uniform: Any, cost: Any, table: Any, angles: Any,
              layout: Any, sums: Any) -> None:  # fmt: skip
    """Do sweep k, an even number, on one tile."""
    bits = layout[BITS]
    size = 1 << bits
    part = size << layout[HIGH]
    base = tile << bits
    at = k * 2 * layout[LEVELS]
    rate, scale = angles[k * ANGLE + RATE], angles[k * ANGLE + SCALE]
    if k == 0:
        chunk = layout[CHUNK]
        for x in range(base, base + size, chunk):
            apply_phase(uniform, (ones(x // chunk) & 3) * chunk, 4 * chunk, state, x, part, chunk,
                        cost, x, table, at, rate, scale)  # fmt: skip
    else:
        before = (k - 1) * ANGLE
        mix_tile(state, base, part, bits, angles[before + TANGENT], int(angles[before + REPEATS]))
        if k == layout[LAYERS]:
            weigh(state, base, part, cost, base, size, sums, tile * SUM)
            return
        apply_phase(state, base, part, state, base, part, size, cost, base, table, at, rate, scale)
    mix_tile(state, base, part, bits, angles[k * ANGLE + TANGENT], int(angles[k * ANGLE + REPEATS]))


@compiled
def high_sweep(k: int, unit: int, state: Any, panel: Any, cost: Any, table: Any, angles: Any,
               layout: Any, sums: Any) -> None:  # fmt: skip
    """Do sweep k, an odd number, on one panel and its mirror image."""
    width = 1 << layout[WIDTH_BITS]
    part = (2 * width) << layout[HIGH]
    at = k * 2 * layout[LEVELS]
    mix_through(k, unit, state, panel, angles, k - 1, layout)
    for half in range(2 << layout[HIGH]):
        d = half * width
        x = place_rows(half, unit, layout)
        if k == layout[LAYERS]:
            weigh(panel, d, part, cost, x, width, sums, unit * SUM)
        else:
            apply_phase(panel, d, part, panel, d, part, width, cost, x, table, at,
                        angles[k * ANGLE + RATE], angles[k * ANGLE + SCALE])  # fmt: skip
    if k < layout[LAYERS]:
        mix_through(k - k, unit, state, panel, angles, k, layout)


@compiled
def forward(k: int, start: int, stop: int, state: Any, panel: Any, uniform: Any, cost: Any,
            table: Any, angles: Any, layout: Any, sums: Any) -> None:  # fmt: skip
    """Do sweep k on the tiles or panels from `start` to below `stop`."""
    for unit in range(start, stop):
        if k & 1:
            high_sweep(k, unit, state, panel, cost, table, angles, layout, sums)
        else:
            low_sweep(k, unit, state, uniform, cost, table, angles, layout, sums)


@compiled
def prepare(parameters: Any, angles: Any, table: Any, back_table: Any, layout: Any, first: float,
            step: float, want: int) -> None:  # fmt: skip
    """Fill in the angles of each layer and the tables of its phases, there and back."""
    layers = layout[LAYERS]
    n = layout[N_QUBITS]
    levels = layout[LEVELS]
    period = pi / 2 if layout[MIRRORED] else pi
    scale = 2.0 ** (-0.5 * n)
    for layer in range(layers):
        at = layer * ANGLE
        beta = parameters[layers + layer]
        beta -= period * np.rint(beta / period)
        repeats = 2 if abs(beta) > 1.3 else 1
        beta /= repeats
        rate = parameters[layer] * (2 / pi)
        angles[at + TANGENT] = tan(beta)
        angles[at + REPEATS] = repeats
        angles[at + RATE] = rate
        angles[at + SCALE] = scale
        angles[at + SHRINK] = cos(beta) ** 2
        next_scale = cos(beta) ** (n * repeats)
        place = layer * 2 * levels
        fill_table(table, place, levels, rate * first, rate * step, scale)
        if want:
            fill_table(back_table, place, levels, -rate * first, -rate * step, next_scale)
        scale = next_scale
    angles[layers * ANGLE + SCALE] = scale
