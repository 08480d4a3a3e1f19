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
    start_adjoint,
)
from .kernels import (
    ANGLE,
    BETA,
    BETA_BEFORE,
    BITS,
    ENERGY,
    GAMMA,
    HIGH,
    LAYERS,
    LEVELS,
    MIRRORED,
    N_QUBITS,
    NORM,
    RATE,
    REPEATS,
    SCALE,
    SHRINK,
    SUM,
    TANGENT,
    WIDTH_BITS,
    forward,
    mirror_sign,
    mix_panel,
    mix_through,
    mix_tile,
    place_rows,
    prepare,
)
from .passes import weigh
from .simd import address


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
        for block in range(start, start + size, step << take):
            out += weight * pair_rows(
                take, psi, adjoint, block, step, psi, adjoint, block, step, step, t
            )
        weight *= shrink**take
        bit += take
    return out


@compiled
def unmix_tile(tile: int, state: Any, adjoint: Any, angles: Any, layer: int,
               layout: Any) -> float:  # fmt: skip
    """Take a tile back over all its bits; return the derivative by the angle."""
    bits = layout[BITS]
    size = 1 << bits
    part = size << layout[HIGH]
    start = tile << bits
    t, shrink = -angles[layer * ANGLE + TANGENT], angles[layer * ANGLE + SHRINK]
    weight = shrink**LOW_BITS
    out = 0.0
    for base in (start, start + part):
        out += pair_low(state, adjoint, base, size, t, shrink)
        out += weight * unmix_block(
            state, adjoint, base, size, np.int64(LOW_BITS), bits, t, shrink
        )
    more = int(angles[layer * ANGLE + REPEATS]) - 1
    for array in (state, adjoint):
        mix_tile(array, start, part, bits, t, more)
    return out


@compiled
def unmix_panel(panel: Any, other: Any, unit: int, skip: int, t: float, shrink: float,
                layout: Any) -> float:  # fmt: skip
    """Take a panel back as `mix_panel` mixes it; return the derivative by the angle."""
    low = layout[WIDTH_BITS] + 1
    size = 1 << (low + layout[HIGH])
    end = low + layout[HIGH] - skip
    out = 0.0
    for base in (size - size, size):
        out += unmix_block(panel, other, base, size, low, end, t, shrink)
    if not layout[MIRRORED]:
        return out
    width = size >> (layout[HIGH] + 1)
    crossed = size if layout[N_QUBITS] & 1 else 0
    weight = shrink ** (end - low)
    for front in range(0, size, 2 * width):
        sign = mirror_sign(front >> low, unit, layout)
        back = size - front - width
        out += weight * pair_mirror(panel, other, front, back + crossed, width, t, sign)
        out += weight * pair_mirror(panel, other, front + size, back + size - crossed, width, t,
                                    -sign if crossed else sign)  # fmt: skip
    return out


@compiled
def move_rows_back(gather: int, take: int, unit: int, state: Any, adjoint: Any, panel: Any,
                   other: Any, t: float, layout: Any) -> float:  # fmt: skip
    """Take rows back over their highest bits on the way between state and panel."""
    width = 1 << layout[WIDTH_BITS]
    halves = 2 << (layout[HIGH] - take)
    s_step = (halves >> 1) << layout[BITS]
    d_step = halves * width
    out = 0.0
    for half in range(2 * halves):
        s = place_rows(half % halves, unit, layout)
        d = (half % halves) * width
        if half >= halves:
            s += s_step << take
            d += d_step << take
        if gather:
            out += pair_rows(take, state, adjoint, s, s_step, panel, other, d, d_step, width, t)
        else:
            out += pair_rows(take, panel, other, d, d_step, state, adjoint, s, s_step, width, t)
    return out


@compiled
def unmix_through(gather: int, unit: int, state: Any, adjoint: Any, panel: Any, other: Any,
                  angles: Any, layer: int, layout: Any) -> float:  # fmt: skip
    """Take a panel back as `mix_through` mixes it; return the derivative by the angle."""
    t, shrink = -angles[layer * ANGLE + TANGENT], angles[layer * ANGLE + SHRINK]
    repeats = int(angles[layer * ANGLE + REPEATS])
    take = min(layout[HIGH], 2)
    bits = layout[HIGH] + layout[MIRRORED]
    out = 0.0
    weight = 1.0
    if gather:
        out += move_rows_back(gather, take, unit, state, adjoint, panel, other, t, layout)
        weight = shrink**take
    for repeat in range(repeats):
        if repeat == (0 if gather else repeats - 1):
            out += weight * unmix_panel(panel, other, unit, take, t, shrink, layout)
            weight *= shrink ** (bits - take)
        else:
            weight *= shrink**bits
            for array in (panel, other):
                mix_panel(array, unit, unit - unit, t, layout)
    if not gather:
        out += weight * move_rows_back(
            gather, take, unit, state, adjoint, panel, other, t, layout
        )
    return out


@compiled
def low_back(k: int, tile: int, state: Any, adjoint: Any, cost: Any, table: Any, angles: Any,
             layout: Any, first: float, step: float, sums: Any) -> None:  # fmt: skip
    """Take back sweep k, an even number, on one tile."""
    bits = layout[BITS]
    size = 1 << bits
    part = size << layout[HIGH]
    base = tile << bits
    at = k * ANGLE
    if k == layout[LAYERS]:
        before = (k - 1) * ANGLE
        mix_tile(state, base, part, bits, angles[before + TANGENT], int(angles[before + REPEATS]))
        weigh(state, base, part, cost, base, size, sums, tile * SUM)
        scale = angles[at + SCALE] ** 2
        start_adjoint(state, adjoint, base, part, cost, base, size, scale * first, scale * step)
    else:
        done = (layout[HIGH] + layout[MIRRORED]) * int(angles[at + REPEATS])
        sums[tile * SUM + BETA] = angles[at + SHRINK] ** done * unmix_tile(
            tile, state, adjoint, angles, k, layout
        )
        sums[tile * SUM + GAMMA] = pair_phase(
            state, adjoint, base, part, size, cost, base, table, k * 2 * layout[LEVELS],
            -angles[at + RATE], angles[at + ANGLE + SCALE],
        )  # fmt: skip
    if k > 0:
        sums[tile * SUM + BETA_BEFORE] = unmix_tile(tile, state, adjoint, angles, k - 1, layout)


@compiled
def high_back(k: int, unit: int, state: Any, adjoint: Any, panel: Any, other: Any, cost: Any,
              table: Any, angles: Any, layout: Any, first: float, step: float,
              sums: Any) -> None:  # fmt: skip
    """Take back sweep k, an odd number, on one panel and its mirror image."""
    width = 1 << layout[WIDTH_BITS]
    part = (2 * width) << layout[HIGH]
    at = k * ANGLE
    last = k == layout[LAYERS]
    scale = angles[at + SCALE] ** 2
    if last:
        mix_through(k, unit, state, panel, angles, k - 1, layout)
    else:
        done = layout[BITS] * int(angles[at + REPEATS])
        sums[unit * SUM + BETA] = angles[at + SHRINK] ** done * unmix_through(
            k, unit, state, adjoint, panel, other, angles, k, layout
        )
    for half in range(2 << layout[HIGH]):
        d = half * width
        x = place_rows(half, unit, layout)
        if last:
            weigh(panel, d, part, cost, x, width, sums, unit * SUM)
            start_adjoint(panel, other, d, part, cost, x, width, scale * first, scale * step)
        else:
            sums[unit * SUM + GAMMA] += pair_phase(
                panel, other, d, part, width, cost, x, table, k * 2 * layout[LEVELS],
                -angles[at + RATE], angles[at + ANGLE + SCALE],
            )  # fmt: skip
    sums[unit * SUM + BETA_BEFORE] = unmix_through(
        k - k, unit, state, adjoint, panel, other, angles, k - 1, layout
    )


@compiled
def backward(k: int, start: int, stop: int, state: Any, adjoint: Any, panel: Any, other: Any,
             cost: Any, table: Any, angles: Any, layout: Any, first: float, step: float,
             sums: Any) -> None:  # fmt: skip
    """Take back sweep k on the tiles or panels from `start` to below `stop`."""
    for unit in range(start, stop):
        if k & 1:
            high_back(k, unit, state, adjoint, panel, other, cost, table, angles, layout, first,
                      step, sums)  # fmt: skip
        else:
            low_back(k, unit, state, adjoint, cost, table, angles, layout, first, step, sums)


@compiled
def collect(k: int, units: int, sums: Any, gradient: Any, angles: Any, layout: Any,
            step: float) -> None:  # fmt: skip
    """Add up, in a fixed order, what the tiles or panels of sweep k gave, and clear it."""
    layers = layout[LAYERS]
    factor = 4.0 if layout[MIRRORED] else 2.0
    for at in range(0, units * SUM, SUM):
        if k < layers:
            gradient[layers + k] += factor * sums[at + BETA]
            weight = angles[(k + 1) * ANGLE + SCALE] ** 2
            gradient[k] += factor * step * weight * sums[at + GAMMA]
        if k > 0:
            gradient[layers + k - 1] += factor * sums[at + BETA_BEFORE]
        sums[at + GAMMA] = 0.0


@compiled
def total_energy(units: int, sums: Any, angles: Any, layout: Any, first: float,
                 step: float) -> float:  # fmt: skip
    """Add up the energy, in a fixed order."""
    out = 0.0
    for at in range(0, units * SUM, SUM):
        out += first * sums[at + NORM] + step * sums[at + ENERGY]
    scale = angles[layout[LAYERS] * ANGLE + SCALE]
    return out * scale * scale * (2.0 if layout[MIRRORED] else 1.0)


@compiled
def evaluate(want: int, parameters: Any, gradient: Any, state: Any, adjoint: Any, panel: Any,
             other: Any, uniform: Any, cost: Any, table: Any, back_table: Any, angles: Any,
             sums: Any, layout: Any, first: float, step: float) -> float:  # fmt: skip
    """Return the energy; fill in the gradient if it is wanted."""
    sums[:] = 0.0
    gradient[:] = 0.0
    layers = layout[LAYERS]
    units = (1 << layout[HIGH], 1 << (layout[BITS] - 1 - layout[WIDTH_BITS]))
    start = layers - layers
    s, p, u, c = address(state), address(panel), address(uniform), address(cost)
    a, o, g = address(adjoint), address(other), address(gradient)
    t, b, q = address(table), address(back_table), address(angles)
    z, y = address(sums), address(layout)
    prepare(address(parameters), q, t, b, y, first, step, want)
    for k in range(layers if want else layers + 1):
        forward(k, start, units[k & 1], s, p, u, c, t, q, y, z)
    if want:
        for k in range(layers, -1, -1):
            backward(k, start, units[k & 1], s, a, p, o, c, b, q, y, first, step, z)
            collect(k, units[k & 1], z, g, q, y, step)
    return total_energy(units[layers & 1], z, q, y, first, step)
