"""Passes over a state and its adjoint together, which also add up the derivatives.

Both are rotated by the same angles, and on the way each pass adds up the derivative of
<adjoint|state> by that angle: the sum of adjoint_high state_low - adjoint_low state_high
over all the pairs that it rotates. See Jones and Gacon, arXiv:2009.02823, algorithm 1.
"""

from __future__ import annotations

from typing import Any

from numba.core import types

from .passes import (
    POINTER,
    INT,
    REAL,
    cosine_sine,
    mirror_signs,
    rotate_group,
    rotate_pair,
    signed,
    turn_back,
)
from .simd import Vectors, emitted

LOW_BITS = 4


def _derivative(v: Vectors, psi: list[Any], adjoint: list[Any], slots: list[Any]) -> None:
    """Add the derivatives over the bits of the number of 2, 4 or 8 vectors to the slots."""
    b = v.builder
    if len(psi) == 2:
        v.add_product(slots[0], adjoint[1], psi[0])
        v.add_product(slots[1], b.fneg(adjoint[0]), psi[1])
        return
    for four in range(0, len(psi), 4):
        p, a = psi[four : four + 4], adjoint[four : four + 4]
        v.add_product(slots[0], b.fadd(a[1], a[2]), b.fsub(p[0], p[3]))
        v.add_product(slots[1], b.fsub(a[3], a[0]), b.fadd(p[1], p[2]))
    for low in range(4, len(psi)):
        v.add_product(slots[0], adjoint[low], psi[low - 4])
        v.add_product(slots[1], b.fneg(adjoint[low - 4]), psi[low])


def _rows(bits: int) -> Any:
    def body(v: Vectors, psi: Any, adjoint: Any, s: Any, s_step: Any, new_psi: Any,
             new_adjoint: Any, d: Any, d_step: Any, count: Any, tangent: Any) -> Any:  # fmt: skip
        b, t = v.builder, v.splat(tangent)
        slots = [v.accumulator(), v.accumulator()]
        rows = [v.index(row) for row in range(2**bits)]
        reads = [b.add(s, b.mul(row, s_step)) for row in rows]
        writes = [b.add(d, b.mul(row, d_step)) for row in rows]
        with v.steps(count, v.lanes) as column:
            groups = [
                [v.load(array[0], b.add(row, column)) for row in reads]
                for array in (psi, adjoint)
            ]
            _derivative(v, *groups, slots)
            for group, array in zip(groups, (new_psi, new_adjoint), strict=True):
                for vector, row in zip(rotate_group(v, group, t), writes, strict=True):
                    v.store(vector, array[0], b.add(row, column))
        return v.total(slots)

    body.__qualname__ = f"pair_rows_{bits}"
    kinds = (POINTER, POINTER, INT, INT, POINTER, POINTER, INT, INT, INT, REAL)
    return emitted(body, kinds, REAL)


pair_rows_1, pair_rows_2, pair_rows_3 = (_rows(bits) for bits in (1, 2, 3))


def _low(v: Vectors, psi: Any, adjoint: Any, start: Any, count: Any, tangent: Any,
         shrink: Any) -> Any:  # fmt: skip
    b, t = v.builder, v.splat(tangent)
    bits = v.lanes.bit_length() - 1
    lane_slots = [v.accumulator() for _ in range(bits)]
    slots = [v.accumulator(), v.accumulator()]
    with v.steps(count, 2**LOW_BITS) as offset:
        base = b.add(start, offset)
        places = [b.add(base, v.index(k)) for k in range(0, 2**LOW_BITS, v.lanes)]
        groups = [[v.load(array[0], place) for place in places] for array in (psi, adjoint)]
        for k in range(len(places)):
            _rotate_lanes(v, groups, k, t, lane_slots)
        _derivative(v, *groups, slots)
        for group, array in zip(groups, (psi, adjoint), strict=True):
            for vector, place in zip(rotate_group(v, group, t), places, strict=True):
                v.store(vector, array[0], place)
    out = v.total(slots)
    for slot in reversed(lane_slots):  # each bit before this one left both too large
        out = b.fadd(b.fmul(out, shrink), v.total([slot]))
    return out


def _rotate_lanes(v: Vectors, groups: list[list[Any]], k: int, t: Any, slots: list[Any]) -> None:
    for number, slot in enumerate(slots):
        bit = 1 << number
        signs = v.constant([1.0 if lane & bit else -1.0 for lane in range(v.lanes)])
        turn = v.builder.fmul(t, signs)
        psi, adjoint = (group[k] for group in groups)
        flipped = v.flip(psi, bit)
        v.add_product(slot, v.builder.fmul(adjoint, signs), flipped)
        groups[0][k] = v.muladd(turn, flipped, psi)
        groups[1][k] = v.muladd(turn, v.flip(adjoint, bit), adjoint)


pair_low = emitted(_low, (POINTER, POINTER, INT, INT, REAL, REAL), REAL)


def _mirror(v: Vectors, psi: Any, adjoint: Any, f: Any, g: Any, count: Any, tangent: Any,
            sign: Any) -> Any:  # fmt: skip
    b, last = v.builder, v.lanes - 1
    end = b.add(g, b.sub(count, v.index(v.lanes)))
    slot = v.accumulator()
    with v.steps(count, v.lanes) as column:
        signs = b.fmul(v.splat(signed(v, sign, column)), mirror_signs(v))
        t = b.fneg(b.fmul(v.splat(tangent), signs))
        here, there = b.add(f, column), b.sub(end, column)
        front = [v.load(array[0], here) for array in (psi, adjoint)]
        back = [v.flip(v.load(array[0], there), last) for array in (psi, adjoint)]
        cross = v.muladd(front[1], back[0], b.fneg(b.fmul(back[1], front[0])))
        v.add_product(slot, signs, cross)
        for k, array in enumerate((psi, adjoint)):
            low, high = rotate_pair(v, front[k], back[k], t)
            v.store(low, array[0], here)
            v.store(v.flip(high, last), array[0], there)
    return v.total([slot])


pair_mirror = emitted(
    _mirror, (POINTER, POINTER, INT, INT, INT, REAL, REAL), REAL
)


def _phase(v: Vectors, psi: Any, adjoint: Any, start: Any, part: Any, count: Any, cost: Any,
           x: Any, table: Any, at: Any, rate: Any, scale: Any) -> Any:  # fmt: skip
    b = v.builder
    slot = v.accumulator(wide=True)
    with v.steps(count, v.lanes) as column:
        here, state = b.add(start, column), b.add(x, column)
        there = b.add(here, part)
        cosine, sine = cosine_sine(v, cost, state, table, at, rate, scale)
        p, a = ([v.load(array[0], place) for place in (here, there)] for array in (psi, adjoint))
        cross = v.muladd(a[0], p[1], b.fneg(b.fmul(a[1], p[0])))
        v.add_product(slot, v.levels(cost, state), v.widen(cross))
        for pair, array in ((p, psi), (a, adjoint)):
            new = turn_back(v, *pair, cosine, sine)
            v.store(new[0], array[0], here)
            v.store(new[1], array[0], there)
    return v.total([slot])


pair_phase = emitted(
    _phase,
    (POINTER, POINTER, INT, INT, INT, POINTER, INT, POINTER, INT, REAL, REAL),
    REAL,
)


def _start(v: Vectors, psi: Any, adjoint: Any, start: Any, part: Any, cost: Any, x: Any,
           count: Any, first: Any, step: Any) -> None:  # fmt: skip
    b = v.builder
    first, step = v.broadcast(first, v.lanes), v.broadcast(step, v.lanes)
    with v.steps(count, v.lanes) as column:
        here = b.add(start, column)
        factor = v.narrow(v.muladd(step, v.levels(cost, b.add(x, column)), first))
        for place in (here, b.add(here, part)):
            v.store(b.fmul(v.load(psi[0], place), factor), adjoint[0], place)


start_adjoint = emitted(
    _start, (POINTER, POINTER, INT, INT, POINTER, INT, INT, REAL, REAL), types.void
)
