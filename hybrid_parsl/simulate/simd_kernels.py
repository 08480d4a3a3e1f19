"""Passes over an array of real amplitudes: butterflies, the mirror and the phases.

A pass rotates pairs of numbers (a, b) to (a - t b, b + t a), which is a rotation by
arctan t but for a factor that the caller accounts for. See `layout` for why mixing is real.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types

from .simd import Vectors, emitted

LOW_BITS = 5
POINTER = None
INT = types.int64
REAL = types.float64


def rotate_pair(v: Vectors, low: Any, high: Any, t: Any) -> tuple[Any, Any]:
    """Return the vectors (low - t high, high + t low)."""
    return v.muladd(v.builder.fneg(t), high, low), v.muladd(t, low, high)


def rotate_group(v: Vectors, group: list[Any], t: Any) -> list[Any]:
    """Rotate a list of 2**k vectors over each of the k bits of their number."""
    distance = 1
    while distance < len(group):
        for low in range(len(group)):
            if not low & distance:
                high = low + distance
                group[low], group[high] = rotate_pair(v, group[low], group[high], t)
        distance *= 2
    return group


def rotate_lanes(v: Vectors, vector: Any, t: Any) -> Any:
    """Rotate a vector over each bit of the number of its lane."""
    bit = 1
    while bit < v.lanes:
        signs = v.constant([1.0 if lane & bit else -1.0 for lane in range(v.lanes)])
        vector = v.muladd(v.builder.fmul(t, signs), v.flip(vector, bit), vector)
        bit *= 2
    return vector


def _rows(bits: int) -> Any:
    def body(v: Vectors, src: Any, s: Any, s_step: Any, dst: Any, d: Any, d_step: Any,
             count: Any, tangent: Any) -> None:  # fmt: skip
        b, t = v.builder, v.splat(tangent)
        rows = [v.index(row) for row in range(2**bits)]
        reads = [b.add(s, b.mul(row, s_step)) for row in rows]
        writes = [b.add(d, b.mul(row, d_step)) for row in rows]
        with v.steps(count, v.lanes) as column:
            group = [v.load(src[0], b.add(row, column)) for row in reads]
            for vector, row in zip(rotate_group(v, group, t), writes, strict=True):
                v.store(vector, dst[0], b.add(row, column))

    kinds = (POINTER, INT, INT, POINTER, INT, INT, INT, REAL)
    body.__qualname__ = f"rotate_rows_{bits}"
    return emitted(body, kinds, types.void)


rotate_rows_1, rotate_rows_2, rotate_rows_3, rotate_rows_4 = (_rows(k) for k in (1, 2, 3, 4))


def _low(v: Vectors, array: Any, start: Any, count: Any, tangent: Any) -> None:
    b, t = v.builder, v.splat(tangent)
    with v.steps(count, 32) as offset:
        base = b.add(start, offset)
        places = [b.add(base, v.index(k)) for k in range(0, 32, v.lanes)]
        group = [rotate_lanes(v, v.load(array[0], place), t) for place in places]
        for vector, place in zip(rotate_group(v, group, t), places, strict=True):
            v.store(vector, array[0], place)


rotate_low = emitted(_low, (POINTER, INT, INT, REAL), types.void)


def mirror_signs(v: Vectors) -> Any:
    """Return (-1)**(number of ones in the lane's number) for each lane."""
    return v.constant([(-1.0) ** lane.bit_count() for lane in range(v.lanes)])


def signed(v: Vectors, tangent: Any, index: Any) -> Any:
    """Return the tangent, negated if the index has an odd number of ones."""
    b = v.builder
    odd = b.trunc(b.ctpop(index), ir.IntType(1))
    return b.select(odd, b.fneg(tangent), tangent)


def _mirror(v: Vectors, array: Any, f: Any, g: Any, count: Any, tangent: Any) -> None:
    b, last = v.builder, v.lanes - 1
    end = b.add(g, b.sub(count, v.index(v.lanes)))
    with v.steps(count, v.lanes) as column:
        t = b.fmul(v.splat(signed(v, tangent, column)), mirror_signs(v))
        here, there = b.add(f, column), b.sub(end, column)
        low, high = v.load(array[0], here), v.flip(v.load(array[0], there), last)
        low, high = rotate_pair(v, low, high, b.fneg(t))
        v.store(low, array[0], here)
        v.store(v.flip(high, last), array[0], there)


rotate_mirror = emitted(_mirror, (POINTER, INT, INT, INT, REAL), types.void)


def _copy(*, past_caches: bool) -> Any:
    def body(v: Vectors, src: Any, s: Any, dst: Any, d: Any, count: Any) -> None:
        store = v.stream if past_caches else v.store
        with v.steps(count, v.lanes) as column:
            store(v.load(src[0], v.builder.add(s, column)), dst[0], v.builder.add(d, column))

    body.__qualname__ = f"copy_{past_caches}"
    return emitted(body, (POINTER, INT, POINTER, INT, INT), types.void)


copy, copy_past_caches = _copy(past_caches=False), _copy(past_caches=True)


def cosine_sine(v: Vectors, cost: Any, x: Any, table: Any, at: Any, rate: Any, scale: Any) -> Any:
    """Return scale cos and scale sin of the phases of one vector of basis states.

    Costs that are uint16 are looked up in the table; others are multiplied by `rate`, in
    quarter turns.
    """
    b = v.builder
    if cost[1] == types.uint16:
        return _look_up(v, cost[0], x, table[0], at)
    wide = v.load(cost[0], x, ir.VectorType(ir.DoubleType(), v.lanes))
    sine, cosine = v.sine_cosine(b.fmul(wide, v.broadcast(rate, v.lanes)))
    return tuple(v.narrow(b.fmul(part, v.broadcast(scale, v.lanes))) for part in (cosine, sine))


def _look_up(v: Vectors, cost: Any, x: Any, table: Any, at: Any) -> Any:
    b = v.builder
    pairs = []
    for lane in range(v.lanes):
        level = v.load(cost, b.add(x, v.index(lane)), ir.IntType(16))
        place = b.add(at, b.shl(b.zext(level, ir.IntType(64)), v.index(1)))
        pairs.append(v.load(table, place, ir.VectorType(v.element, 2)))
    while len(pairs) > 2:  # noqa: PLR2004  # lanes k and k + half side by side, so that unpacking is one step
        step = len(pairs) // 2
        pairs = [v.join(pairs[k], pairs[k + step]) for k in range(step)]
    first, second = pairs
    order = {4: [0, 4, 2, 6], 8: [0, 8, 4, 12, 2, 10, 6, 14]}[v.lanes]
    return (
        v.shuffle(first, second, order),
        v.shuffle(first, second, [lane + 1 for lane in order]),
    )


def _phase(v: Vectors, src: Any, s: Any, s_part: Any, dst: Any, d: Any, d_part: Any, count: Any,
           cost: Any, x: Any, table: Any, at: Any, rate: Any, scale: Any) -> None:  # fmt: skip
    b = v.builder
    with v.steps(count, v.lanes) as column:
        cosine, sine = cosine_sine(v, cost, b.add(x, column), table, at, rate, scale)
        here, there = b.add(s, column), b.add(d, column)
        real, imaginary = v.load(src[0], here), v.load(src[0], b.add(here, s_part))
        new_real, new_imaginary = turned_back(v, real, imaginary, cosine, sine)
        v.store(new_real, dst[0], there)
        v.store(new_imaginary, dst[0], b.add(there, d_part))


def turned_back(v: Vectors, real: Any, imaginary: Any, cosine: Any, sine: Any) -> tuple[Any, Any]:
    """Return complex numbers times cosine - i sine."""
    b = v.builder
    return (
        v.muladd(sine, imaginary, b.fmul(cosine, real)),
        v.muladd(b.fneg(sine), real, b.fmul(cosine, imaginary)),
    )


apply_phase = emitted(
    _phase,
    (POINTER, INT, INT, POINTER, INT, INT, INT, POINTER, INT, POINTER, INT, REAL, REAL),
    types.void,
)


def _weigh(v: Vectors, psi: Any, start: Any, part: Any, cost: Any, x: Any, count: Any,
           sums: Any, place: Any) -> None:  # fmt: skip
    b = v.builder
    slots = [[v.accumulator(wide=True) for _ in range(2)] for _ in range(2)]
    with v.steps(count, 2 * v.lanes) as pair:
        for k in range(2):
            column = b.add(pair, v.index(k * v.lanes))
            here = b.add(start, column)
            real = v.widen(v.load(psi[0], here))
            imaginary = v.widen(v.load(psi[0], b.add(here, part)))
            weight = v.muladd(real, real, b.fmul(imaginary, imaginary))
            v.add_product(slots[0][k], weight, v.fixed(1.0))
            v.add_product(slots[1][k], weight, v.levels(cost, b.add(x, column)))
    for k, pairs in enumerate(slots):
        address = b.gep(sums[0], [b.add(place, v.index(k))])
        b.store(b.fadd(b.load(address, typ=ir.DoubleType()), v.total(pairs)), address)


weigh = emitted(_weigh, (POINTER, INT, INT, POINTER, INT, INT, POINTER, INT), types.void)


def _fill_table(v: Vectors, table: Any, at: Any, levels: Any, first: Any, step: Any,
                scale: Any) -> None:  # fmt: skip
    b = v.builder
    wide = ir.VectorType(ir.DoubleType(), v.lanes)
    lanes = ir.Constant(wide, [float(k) for k in range(v.lanes)])
    with v.steps(levels, v.lanes) as level:
        number = b.fadd(v.broadcast(b.sitofp(level, ir.DoubleType()), v.lanes), lanes)
        turns = v.muladd(number, v.broadcast(step, v.lanes), v.broadcast(first, v.lanes))
        sine, cosine = v.sine_cosine(turns)
        parts = [v.narrow(b.fmul(part, v.broadcast(scale, v.lanes))) for part in (cosine, sine)]
        place = b.add(at, b.shl(level, v.index(1)))
        for half in range(2):
            order = [
                k + (v.lanes if odd else 0)
                for k in range(half * v.lanes // 2, (half + 1) * v.lanes // 2)
                for odd in (0, 1)
            ]
            there = b.add(place, v.index(half * v.lanes))
            v.store(v.shuffle(parts[0], parts[1], order), table[0], there)


fill_table = emitted(_fill_table, (POINTER, INT, INT, REAL, REAL, REAL), types.void)
