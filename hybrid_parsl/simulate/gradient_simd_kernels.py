"""Passes over a state and its adjoint, which add up derivatives.

The derivative of <adjoint|state> by the angle of a rotation is the sum, over all pairs that
it rotates, of adjoint_high state_low - adjoint_low state_high: see Jones and Gacon,
arXiv:2009.02823, algorithm 1, with the real mixing of `layout`.
"""

from __future__ import annotations

from typing import Any

from numba.core import types

from .simd import Vectors, emitted
from .simd_kernels import INT, POINTER, REAL, cosine_sine, mirror_signs, signed, turned_back


def _derive_group(v: Vectors, psi: list[Any], adjoint: list[Any], slots: list[Any]) -> None:
    """Add the derivatives over the bits of the number of 2, 4 or 8 vectors to the slots.

    Two bits at a time take fewer operations than one by one: with G the generator of a bit,
    a (G_0 + G_1) p = (a_1 + a_2) (p_0 - p_3) + (a_3 - a_0) (p_1 + p_2).
    """
    b = v.builder
    products = []
    if len(psi) == 2:  # noqa: PLR2004
        products += [(adjoint[1], psi[0]), (b.fneg(adjoint[0]), psi[1])]
    for four in range(0, len(psi) & ~3, 4):
        p, a = psi[four : four + 4], adjoint[four : four + 4]
        products.append((b.fadd(a[1], a[2]), b.fsub(p[0], p[3])))
        products.append((b.fsub(a[3], a[0]), b.fadd(p[1], p[2])))
    for high in range(4, len(psi)):
        products.append((adjoint[high], psi[high - 4]))
        products.append((b.fneg(adjoint[high - 4]), psi[high]))
    for number, (one, other) in enumerate(products):
        v.add_product(slots[number % len(slots)], one, other)


def _rows(bits: int) -> Any:
    def body(v: Vectors, psi: Any, s: Any, adjoint: Any, a: Any, step: Any, size: Any) -> Any:
        b = v.builder
        slots = [v.accumulator() for _ in range(4)]  # as adding takes several cycles
        offsets = [b.mul(step, v.index(row)) for row in range(2**bits)]
        with v.steps(size, b.mul(step, v.index(2**bits))) as block:
            starts = [b.add(start, block) for start in (s, a)]
            with v.steps(step, v.lanes) as column:
                groups = [
                    [v.load(array[0], b.add(b.add(start, offset), column)) for offset in offsets]
                    for array, start in zip((psi, adjoint), starts, strict=True)
                ]
                _derive_group(v, groups[0], groups[1], slots)
        return v.total(slots)

    body.__qualname__ = f"derive_rows_{bits}"
    return emitted(body, (POINTER, INT, POINTER, INT, INT, INT), REAL)


derive_rows_1, derive_rows_2, derive_rows_3 = (_rows(bits) for bits in (1, 2, 3))


def _low(v: Vectors, psi: Any, s: Any, adjoint: Any, a: Any, count: Any) -> Any:
    b = v.builder
    bits = v.lanes.bit_length() - 1
    lane_slots = [[v.accumulator(), v.accumulator()] for _ in range(bits)]
    slots = [v.accumulator() for _ in range(4)]
    with v.steps(count, 32) as offset:
        groups = [
            [
                v.load(array[0], b.add(b.add(start, offset), v.index(k)))
                for k in range(0, 32, v.lanes)
            ]
            for array, start in ((psi, s), (adjoint, a))
        ]
        for k, (state, other) in enumerate(zip(*groups, strict=True)):
            for bit in range(bits):
                v.add_product(lane_slots[bit][k % 2], other, v.flip(state, 1 << bit))
        _derive_group(v, groups[0], groups[1], slots)
    out = v.total(slots)
    for bit in range(bits):
        signs = v.constant([1.0 if lane >> bit & 1 else -1.0 for lane in range(v.lanes)])
        first, second = [b.load(slot, typ=v.type) for slot in lane_slots[bit]]
        out = b.fadd(out, v.sum(b.fmul(b.fadd(first, second), signs)))
    return out


derive_low = emitted(_low, (POINTER, INT, POINTER, INT, INT), REAL)


def _mirror(v: Vectors, psi: Any, s: Any, s_back: Any, adjoint: Any, a: Any, a_back: Any,
            count: Any, sign: Any) -> Any:  # fmt: skip
    b, last = v.builder, v.lanes - 1
    slots = [v.accumulator(), v.accumulator()]
    with v.steps(count, 2 * v.lanes) as pair:
        for k, slot in enumerate(slots):
            column = b.add(pair, v.index(k * v.lanes))
            back = b.sub(b.sub(count, v.index(v.lanes)), column)
            near = [v.load(x[0], b.add(at, column)) for x, at in ((psi, s), (adjoint, a))]
            far = [
                v.flip(v.load(x[0], b.add(at, back)), last)
                for x, at in ((psi, s_back), (adjoint, a_back))
            ]
            cross = v.muladd(near[1], far[0], b.fneg(b.fmul(far[1], near[0])))
            v.add_product(slot, v.splat(signed(v, sign, column)), cross)
    both = b.fadd(*[b.load(slot, typ=v.type) for slot in slots])
    return v.sum(b.fmul(both, mirror_signs(v)))


derive_mirror = emitted(_mirror, (POINTER, INT, INT, POINTER, INT, INT, INT, REAL), REAL)


def _phase(v: Vectors, psi: Any, s: Any, s_part: Any, new: Any, d: Any, d_part: Any,
           adjoint: Any, a: Any, a_part: Any, count: Any, cost: Any, x: Any, table: Any, at: Any,
           rate: Any, scale: Any) -> Any:  # fmt: skip
    b = v.builder
    slot = v.accumulator(wide=True)
    with v.steps(count, v.lanes) as column:
        state = b.add(x, column)
        cosine, sine = cosine_sine(v, cost, state, table, at, rate, scale)
        places = [
            [b.add(start, column), b.add(b.add(start, part), column)]
            for start, part in ((s, s_part), (a, a_part), (d, d_part))
        ]
        p = [v.load(psi[0], place) for place in places[0]]
        q = [v.load(adjoint[0], place) for place in places[1]]
        cross = v.muladd(q[0], p[1], b.fneg(b.fmul(q[1], p[0])))
        v.add_product(slot, v.levels(cost, state), v.widen(cross))
        for pair, array, two in ((p, new, places[2]), (q, adjoint, places[1])):
            turned = turned_back(v, pair[0], pair[1], cosine, sine)
            for vector, place in zip(turned, two, strict=True):
                v.store(vector, array[0], place)
    return v.total([slot])


turn_back = emitted(
    _phase,
    (
        POINTER,
        INT,
        INT,
        POINTER,
        INT,
        INT,
        POINTER,
        INT,
        INT,
        INT,
        POINTER,
        INT,
        POINTER,
        INT,
        REAL,
        REAL,
    ),
    REAL,
)


def _start(v: Vectors, psi: Any, s: Any, s_part: Any, adjoint: Any, a: Any, a_part: Any,
           cost: Any, x: Any, count: Any, first: Any, step: Any) -> None:  # fmt: skip
    b = v.builder
    first, step = v.broadcast(first, v.lanes), v.broadcast(step, v.lanes)
    with v.steps(count, v.lanes) as column:
        factor = v.narrow(v.muladd(step, v.levels(cost, b.add(x, column)), first))
        near, far = b.add(s, column), b.add(a, column)
        for place, target in ((near, far), (b.add(near, s_part), b.add(far, a_part))):
            v.store(b.fmul(v.load(psi[0], place), factor), adjoint[0], target)


start_adjoint = emitted(
    _start, (POINTER, INT, INT, POINTER, INT, INT, POINTER, INT, INT, REAL, REAL), types.void
)
