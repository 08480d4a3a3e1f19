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
from .kernel_arguments import (
    ANGLE,
    BITS,
    CHUNK,
    COSINE,
    HIGH,
    LAYERS,
    LEVELS,
    MIRRORED,
    N_QUBITS,
    PAD,
    RATE,
    REPEATS,
    SAVED,
    SCALE,
    SUM,
    TANGENT,
    WANT_GRADIENT,
    WIDTH_BITS,
)
from .simd_kernels import (
    LOW_BITS,
    apply_phase,
    copy,
    copy_past_caches,
    fill_table,
    rotate_low,
    rotate_mirror,
    rotate_rows_1,
    rotate_rows_2,
    rotate_rows_3,
    weigh,
)

LARGEST_ANGLE = 1.3  # in radians; tan of more than that would overflow for many qubits
NEAR_BITS = 11  # log2 of how many numbers are at home in the first-level cache, 16 KiB


@compiled
def rotate_rows(bits: int, src: Any, s: int, s_step: int, dst: Any, d: int, d_step: int,
                count: int, t: float) -> None:  # fmt: skip
    """Rotate 2**bits rows over the bits of their number, from one place to another."""
    if bits == 3:  # noqa: PLR2004
        rotate_rows_3(src, s, s_step, dst, d, d_step, count, t)
    elif bits == 2:  # noqa: PLR2004
        rotate_rows_2(src, s, s_step, dst, d, d_step, count, t)
    else:
        rotate_rows_1(src, s, s_step, dst, d, d_step, count, t)


@compiled
def mix_block(array: Any, start: int, size: int, bit: int, end: int, t: float) -> None:
    """Rotate `size` numbers in a row over the bits from `bit` to below `end`."""
    while bit < end:
        take = 2 if end - bit == 4 else min(3, end - bit)  # noqa: PLR2004
        step = 1 << bit
        for block in range(start, start + size, step << take):
            rotate_rows(take, array, block, step, array, block, step, step, t)
        bit += take


@compiled
def mix_tile(state: Any, start: int, part: int, angles: Any, layer: int, sign: float,
             layout: Any) -> None:  # fmt: skip
    """Mix a tile in one layer: forwards if `sign` is 1, backwards if it is -1."""
    size = 1 << layout[BITS]
    near_bits = min(layout[BITS], NEAR_BITS)
    near = 1 << near_bits
    t = sign * angles[layer * ANGLE + TANGENT]
    for base in (start, start + part):
        for _ in range(int(angles[layer * ANGLE + REPEATS])):
            for block in range(base, base + size, near):
                rotate_low(state, block, near, t)
                mix_block(state, block, near, int(np.int64(LOW_BITS)), near_bits, t)
            mix_block(state, base, size, near_bits, layout[BITS], t)


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
    """Rotate a panel over its row bits but the lowest `skip`, and with its mirror image."""
    low = layout[WIDTH_BITS] + 1
    size = 1 << (low + layout[HIGH])
    for base in (size - size, size):
        mix_block(panel, base, size, low + skip, low + layout[HIGH], t)
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
    return int(((half >> 1) << layout[BITS]) + column)


@compiled
def move_rows(gather: int, take: int, unit: int, state: Any, panel: Any, t: float,
              layout: Any) -> None:  # fmt: skip
    """Rotate the rows of a panel over their lowest bits on the way to or from the state."""
    width = 1 << layout[WIDTH_BITS]
    stride = (1 << layout[BITS]) + layout[PAD]
    rows = 1 << layout[HIGH]
    for part in range(2):
        for side in range(2):
            column = place_rows(side, unit, layout)
            for row in range(part * rows, (part + 1) * rows, 1 << take):
                s = row * stride + column
                d = (2 * row + side) * width
                if gather:
                    rotate_rows(take, state, s, stride, panel, d, 2 * width, width, t)
                else:
                    rotate_rows(take, panel, d, 2 * width, state, s, stride, width, t)


@compiled
def mix_through(gather: int, unit: int, state: Any, panel: Any, angles: Any, layer: int,
                sign: float, layout: Any) -> None:  # fmt: skip
    """Mix a panel in one layer and, before or after, copy it from or to the state.

    Forwards if `sign` is 1, backwards if it is -1.
    """
    t = sign * angles[layer * ANGLE + TANGENT]
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
def start_tile(tile: int, state: Any, start: int, part: int, uniform: Any, cost: Any,
               table: Any, angles: Any, layout: Any) -> None:  # fmt: skip
    """Apply the phases of layer 0 to a tile of |+>."""
    chunk = layout[CHUNK]
    first = tile << layout[BITS]
    for at in range(0, 1 << layout[BITS], chunk):
        turned = (ones((first + at) // chunk) & 3) * chunk
        apply_phase(uniform, turned, 4 * chunk, state, start + at, part, chunk, cost, first + at,
                    table, 0, angles[RATE], angles[SCALE])  # fmt: skip


@compiled
def low_sweep(k: int, tile: int, state: Any, uniform: Any, saved: Any, cost: Any, table: Any,
              angles: Any, layout: Any, sums: Any) -> None:  # fmt: skip
    """Do sweep k, an even number, on one tile."""
    size = 1 << layout[BITS]
    part = (size + layout[PAD]) << layout[HIGH]
    base = tile * (size + layout[PAD])
    x = tile * size
    if k == 0:
        start_tile(tile, state, base, part, uniform, cost, table, angles, layout)
    else:
        mix_tile(state, base, part, angles, k - 1, 1.0, layout)
        if k == layout[LAYERS]:
            weigh(state, base, part, cost, x, size, sums, tile * SUM)
            return
        apply_phase(state, base, part, state, base, part, size, cost, x, table,
                    k * 2 * layout[LEVELS], angles[k * ANGLE + RATE],
                    angles[k * ANGLE + SCALE])  # fmt: skip
        if k <= layout[SAVED]:
            place = (k - 1) * 2 * part + base
            save(state, base, saved, place, size, layout)
            save(state, base + part, saved, place + part, size, layout)
    mix_tile(state, base, part, angles, k, 1.0, layout)


@compiled
def high_sweep(k: int, unit: int, state: Any, panel: Any, saved: Any, cost: Any, table: Any,
               angles: Any, layout: Any, sums: Any) -> None:  # fmt: skip
    """Do sweep k, an odd number, on one panel and its mirror image."""
    width = 1 << layout[WIDTH_BITS]
    part = (2 * width) << layout[HIGH]
    mix_through(k, unit, state, panel, angles, k - 1, 1.0, layout)
    for half in range(2 << layout[HIGH]):
        d = half * width
        x = place_rows(half, unit, layout)
        if k == layout[LAYERS]:
            weigh(panel, d, part, cost, x, width, sums, unit * SUM)
        else:
            apply_phase(panel, d, part, panel, d, part, width, cost, x, table,
                        k * 2 * layout[LEVELS], angles[k * ANGLE + RATE],
                        angles[k * ANGLE + SCALE])  # fmt: skip
    if k == layout[LAYERS]:
        return
    if k <= layout[SAVED]:
        save(panel, k - k, saved, saved_panel(k, unit, layout), 2 * part, layout)
    mix_through(k - k, unit, state, panel, angles, k, 1.0, layout)


@compiled
def save(src: Any, s: int, saved: Any, d: int, count: int, layout: Any) -> None:
    """Copy a tile or panel that is not needed soon, unless the state is small."""
    if layout[PAD]:
        copy_past_caches(src, s, saved, d, count)
    else:
        copy(src, s, saved, d, count)


@compiled
def saved_panel(k: int, unit: int, layout: Any) -> int:
    """Return where the panel of sweep k is saved."""
    state = (2 << layout[HIGH]) * ((1 << layout[BITS]) + layout[PAD])
    panel = 4 << (layout[WIDTH_BITS] + layout[HIGH])
    return int((k - 1) * state + unit * panel)


@compiled
def forward(k: int, start: int, stop: int, state: Any, panel: Any, uniform: Any, saved: Any,
            cost: Any, table: Any, angles: Any, layout: Any, sums: Any) -> None:  # fmt: skip
    """Do sweep k on the tiles or panels from `start` to below `stop`."""
    for unit in range(start, stop):
        if k & 1:
            high_sweep(k, unit, state, panel, saved, cost, table, angles, layout, sums)
        else:
            low_sweep(k, unit, state, uniform, saved, cost, table, angles, layout, sums)


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
        beta = parameters[layers + layer]
        beta -= period * np.rint(beta / period)
        repeats = 2 if abs(beta) > LARGEST_ANGLE else 1
        beta /= repeats
        rate = parameters[layer] * (2 / pi)
        at = layer * ANGLE
        angles[at + TANGENT] = tan(beta)
        angles[at + REPEATS] = repeats
        angles[at + RATE] = rate
        angles[at + SCALE] = scale
        angles[at + COSINE] = cos(beta)
        place = layer * 2 * levels
        fill_table(table, place, levels, rate * first, rate * step, scale)
        scale = cos(beta) ** (n * repeats)
        if want == WANT_GRADIENT:
            fill_table(back_table, place, levels, -rate * first, -rate * step, scale)
    angles[layers * ANGLE + SCALE] = scale
