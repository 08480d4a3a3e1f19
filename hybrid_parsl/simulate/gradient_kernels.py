"""The way back through the layers: the gradient of the energy.

After Jones and Gacon, arXiv:2009.02823: the adjoint state, at first C|psi>, is taken back
through the layers, and each layer gives two derivatives on the way. Sweep k backwards takes
back what sweep k did forwards, and adds up derivatives where the adjoint and the state are
both just after, and just before, the phases of layer k. The state there was saved on the
way forwards as far as memory allowed, in layers 1 ... SAVED; in later layers, it is taken
back as well. In layer 0 it is known.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiling import compiled
from .gradient_simd_kernels import (
    derive_low,
    derive_mirror,
    derive_rows_1,
    derive_rows_2,
    derive_rows_3,
    start_adjoint,
    turn_back,
)
from .kernel_arguments import (
    ANGLE,
    BETA,
    BETA_BEFORE,
    BITS,
    COSINE,
    GAMMA,
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
    WEIGHT,
    WEIGHT_BEFORE,
    WIDTH_BITS,
)
from .kernels import (
    NEAR_BITS,
    mirror_sign,
    mix_through,
    mix_tile,
    place_rows,
    saved_panel,
    start_tile,
)
from .simd_kernels import LOW_BITS, copy, weigh


@compiled
def derive_block(psi: Any, s: int, adjoint: Any, a: int, size: int, bit: int, end: int) -> float:
    """Return the derivative over the bits from `bit` to below `end`."""
    out = 0.0
    while bit < end:
        left = end - bit
        take = 3 if left & 1 and left > 1 else min(2, left)
        step = 1 << bit
        if take == 3:  # noqa: PLR2004
            out += derive_rows_3(psi, s, adjoint, a, step, size)
        elif take == 2:  # noqa: PLR2004
            out += derive_rows_2(psi, s, adjoint, a, step, size)
        else:
            out += derive_rows_1(psi, s, adjoint, a, step, size)
        bit += take
    return out


@compiled
def derive_tile(psi: Any, s: int, s_part: int, adjoint: Any, a: int, a_part: int,
                layout: Any) -> float:  # fmt: skip
    """Return the derivative over the bits of a tile."""
    size = 1 << layout[BITS]
    near_bits = min(layout[BITS], NEAR_BITS - 1)
    near = 1 << near_bits
    out = 0.0
    for side in range(2):
        here, there = s + side * s_part, a + side * a_part
        for at in range(0, size, near):
            out += derive_low(psi, here + at, adjoint, there + at, near)
            out += derive_block(
                psi, here + at, adjoint, there + at, near, int(np.int64(LOW_BITS)), near_bits
            )
        out += derive_block(psi, here, adjoint, there, size, near_bits, layout[BITS])
    return out


@compiled
def derive_panel(psi: Any, s: int, adjoint: Any, unit: int, layout: Any) -> float:
    """Return the derivative over the row bits of a panel and with its mirror image."""
    low = layout[WIDTH_BITS] + 1
    size = 1 << (low + layout[HIGH])
    out = 0.0
    for base in range(0, 2 * size, size):
        out += derive_block(psi, s + base, adjoint, base, size, low, low + layout[HIGH])
    if not layout[MIRRORED]:
        return out
    width = size >> (layout[HIGH] + 1)
    crossed = size if layout[N_QUBITS] & 1 else 0
    for front in range(0, size, 2 * width):
        sign = mirror_sign(front >> low, unit, layout)
        for side in range(2):
            near = front + side * size
            far = size - front - width + (size - crossed if side else crossed)
            turn = -sign if side and crossed else sign
            out += derive_mirror(psi, s + near, s + far, adjoint, near, far, width, turn)
    return out


@compiled
def last_low(tile: int, state: Any, adjoint: Any, panel: Any, cost: Any, angles: Any,
             layout: Any, first: float, step: float, sums: Any) -> None:  # fmt: skip
    """Finish the last layer on a tile, start the adjoint and take it back one step."""
    k = layout[LAYERS]
    size = 1 << layout[BITS]
    part = (size + layout[PAD]) << layout[HIGH]
    base = tile * (size + layout[PAD])
    x = tile * size
    psi, s, s_part = state, base, part
    if layout[SAVED] < k - 1:  # the state is needed as it is
        psi, s, s_part = panel, 0, size
        copy(state, base, panel, s, size)
        copy(state, base + part, panel, size, size)
    mix_tile(psi, s, s_part, angles, k - 1, 1.0, layout)
    weigh(psi, s, s_part, cost, x, size, sums, tile * SUM)
    scale = angles[k * ANGLE + SCALE]
    start_adjoint(psi, s, s_part, adjoint, base, part, cost, x, size, scale * first,
                  scale * step)  # fmt: skip
    sums[tile * SUM + BETA_BEFORE] = derive_tile(psi, s, s_part, adjoint, base, part, layout)
    mix_tile(adjoint, base, part, angles, k - 1, -1.0, layout)


@compiled
def last_high(unit: int, state: Any, adjoint: Any, panel: Any, other: Any, cost: Any,
              angles: Any, layout: Any, first: float, step: float, sums: Any) -> None:  # fmt: skip
    """Finish the last layer on a panel, start the adjoint and take it back one step."""
    k = layout[LAYERS]
    width = 1 << layout[WIDTH_BITS]
    part = (2 * width) << layout[HIGH]
    scale = angles[k * ANGLE + SCALE]
    mix_through(k, unit, state, panel, angles, k - 1, 1.0, layout)
    for half in range(2 << layout[HIGH]):
        d = half * width
        x = place_rows(half, unit, layout)
        weigh(panel, d, part, cost, x, width, sums, unit * SUM)
        start_adjoint(panel, d, part, other, d, part, cost, x, width, scale * first,
                      scale * step)  # fmt: skip
    sums[unit * SUM + BETA_BEFORE] = derive_panel(panel, k - k, other, unit, layout)
    mix_through(k - k, unit, adjoint, other, angles, k - 1, -1.0, layout)


@compiled
def low_back(k: int, tile: int, state: Any, adjoint: Any, panel: Any, uniform: Any, saved: Any,
             cost: Any, table: Any, back_table: Any, angles: Any, layout: Any,
             sums: Any) -> None:  # fmt: skip
    """Take back sweep k, an even number, on one tile."""
    size = 1 << layout[BITS]
    part = (size + layout[PAD]) << layout[HIGH]
    base = tile * (size + layout[PAD])
    at = k * ANGLE
    mix_tile(adjoint, base, part, angles, k, -1.0, layout)
    zero = k - k
    psi, s, s_part = panel, zero, size
    new, d, d_part = panel, zero, size
    if k == 0:
        start_tile(tile, panel, zero, size, uniform, cost, table, angles, layout)
    elif k <= layout[SAVED]:
        psi, s, s_part = saved, (k - 1) * 2 * part + base, part
    else:
        psi, s, s_part = state, base, part
        new, d, d_part = state, base, part
        mix_tile(state, base, part, angles, k, -1.0, layout)
    sums[tile * SUM + BETA] = derive_tile(psi, s, s_part, adjoint, base, part, layout)
    sums[tile * SUM + GAMMA] = turn_back(
        psi, s, s_part, new, d, d_part, adjoint, base, part, size, cost, tile * size,
        back_table, k * 2 * layout[LEVELS], -angles[at + RATE], angles[at + ANGLE + SCALE],
    )  # fmt: skip
    if k > 0:
        sums[tile * SUM + BETA_BEFORE] = derive_tile(new, d, d_part, adjoint, base, part, layout)
        mix_tile(adjoint, base, part, angles, k - 1, -1.0, layout)
        if k - 1 > layout[SAVED]:
            mix_tile(state, base, part, angles, k - 1, -1.0, layout)


@compiled
def high_back(k: int, unit: int, state: Any, adjoint: Any, panel: Any, other: Any, saved: Any,
              cost: Any, back_table: Any, angles: Any, layout: Any, sums: Any) -> None:  # fmt: skip
    """Take back sweep k, an odd number, on one panel and its mirror image."""
    width = 1 << layout[WIDTH_BITS]
    part = (2 * width) << layout[HIGH]
    at = k * ANGLE
    zero = k - k
    mix_through(k, unit, adjoint, other, angles, k, -1.0, layout)
    psi, s = panel, zero
    if k <= layout[SAVED]:
        psi, s = saved, saved_panel(k, unit, layout)
    else:
        mix_through(k, unit, state, panel, angles, k, -1.0, layout)
    sums[unit * SUM + BETA] = derive_panel(psi, s, other, unit, layout)
    for half in range(2 << layout[HIGH]):
        d = half * width
        sums[unit * SUM + GAMMA] += turn_back(
            psi, s + d, part, panel, d, part, other, d, part, width, cost,
            place_rows(half, unit, layout), back_table, k * 2 * layout[LEVELS],
            -angles[at + RATE], angles[at + ANGLE + SCALE],
        )  # fmt: skip
    sums[unit * SUM + BETA_BEFORE] = derive_panel(panel, zero, other, unit, layout)
    mix_through(zero, unit, adjoint, other, angles, k - 1, -1.0, layout)
    if k - 1 > layout[SAVED]:
        mix_through(zero, unit, state, panel, angles, k - 1, -1.0, layout)


@compiled
def backward(k: int, start: int, stop: int, state: Any, adjoint: Any, panel: Any, other: Any,
             uniform: Any, saved: Any, cost: Any, table: Any, back_table: Any, angles: Any,
             layout: Any, first: float, step: float, sums: Any) -> None:  # fmt: skip
    """Take back sweep k on the tiles or panels from `start` to below `stop`."""
    for unit in range(start, stop):
        if k == layout[LAYERS]:
            if k & 1:
                last_high(unit, state, adjoint, panel, other, cost, angles, layout, first, step,
                          sums)  # fmt: skip
            else:
                last_low(unit, state, adjoint, panel, cost, angles, layout, first, step, sums)
        elif k & 1:
            high_back(k, unit, state, adjoint, panel, other, saved, cost, back_table, angles,
                      layout, sums)  # fmt: skip
        else:
            low_back(k, unit, state, adjoint, panel, uniform, saved, cost, table, back_table,
                     angles, layout, sums)  # fmt: skip


@compiled
def weigh_derivatives(angles: Any, layout: Any) -> None:
    """Work out what the sums of each sweep are to be multiplied by.

    Mixing leaves out a factor cos(beta') a bit, there and back. Taking back the phases puts
    the factors of a layer in, which makes the adjoint right, but not the state. `ratio` is
    that of the state kept to the true one.
    """
    layers = layout[LAYERS]
    reach = (layout[BITS], layout[HIGH] + layout[MIRRORED])
    at = layers * ANGLE
    angles[at + WEIGHT_BEFORE] = angles[at + SCALE]
    ratio = 1.0
    for k in range(layers - 1, -1, -1):
        at -= ANGLE
        scale = angles[at + ANGLE + SCALE]
        mixed = angles[at + COSINE] ** (reach[k & 1] * angles[at + REPEATS])
        if k == 0 or k <= layout[SAVED]:
            ratio = 1.0
        elif k == layers - 1:
            ratio = 1.0 / mixed**2
        else:
            ratio /= angles[at + COSINE] ** (layout[N_QUBITS] * angles[at + REPEATS])
        angles[at + WEIGHT] = scale / ratio
        ratio *= scale
        angles[at + WEIGHT_BEFORE] = 1.0 / ratio


@compiled
def collect(k: int, units: int, sums: Any, gradient: Any, angles: Any, layout: Any,
            step: float) -> None:  # fmt: skip
    """Add up, in a fixed order, what the tiles or panels of sweep k gave, and clear it."""
    layers = layout[LAYERS]
    factor = 4.0 if layout[MIRRORED] else 2.0
    weight = factor * angles[k * ANGLE + WEIGHT]
    weight_before = factor * angles[k * ANGLE + WEIGHT_BEFORE]
    for at in range(0, units * SUM, SUM):
        if k < layers:
            gradient[layers + k] += weight * sums[at + BETA]
            gradient[k] += weight * step * sums[at + GAMMA]
        if k > 0:
            gradient[layers + k - 1] += weight_before * sums[at + BETA_BEFORE]
        sums[at + GAMMA] = 0.0
