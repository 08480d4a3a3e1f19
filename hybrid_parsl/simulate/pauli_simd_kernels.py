"""Passes over a state vector: Pauli rotations, forward and in the adjoint sweep.

The rotation exp(-i theta/2 P) of a Pauli string P with X part `x` and Z part `z` (both masks of
qubits, a Y counted in both) takes a state psi to

    cos(theta/2) psi[u] + q sin(theta/2) (-1)**parity(z & u) psi[u ^ x],   q = -i (-i)**n_y,

so that it is real if the number of Y is odd, and does not mix real and imaginary parts of psi
then. Real parts lie in the first half of an array, imaginary parts `part` numbers after them. A
pass works on vectors of the processor: vector v and its partner v ^ (x / lanes), whose lanes
are exchanged by the lowest bits of x.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types

from .simd import Vectors, emitted

LANE_BITS = 2
POINTER = None
INT = types.int64
REAL = types.float64
_SIGN = 63  # the bit of a double that holds its sign


class _Rotation:
    """Emits one rotation pass.

    Parameters
    ----------
    v
        Emits operations on vectors.
    flip
        The lowest bits of x, which exchange lanes.
    is_real
        Whether the number of Y is odd.
    """

    def __init__(self, v: Vectors, flip: int, *, is_real: bool) -> None:
        self.v, self.flip, self.is_real = v, flip, is_real

    def load(self, state: Any, start: Any, part: Any) -> tuple[Any, Any]:
        """Return the real and the imaginary part of a vector of amplitudes."""
        real = self.v.load(state[0], start)
        return real, self.v.load(state[0], self.v.builder.add(start, part))

    def store(self, pair: tuple[Any, Any], state: Any, start: Any, part: Any) -> None:
        """Store the real and the imaginary part of a vector of amplitudes."""
        self.v.store(pair[0], state[0], start)
        self.v.store(pair[1], state[0], self.v.builder.add(start, part))

    def turned(self, pair: tuple[Any, Any], partner: tuple[Any, Any], c: Any, t: Any) -> Any:
        """Return ``c pair + q t partner``, with the sign of q in t."""
        v, b = self.v, self.v.builder
        real, imaginary = (v.flip(part, self.flip) if self.flip else part for part in partner)
        if self.is_real:
            return tuple(
                v.muladd(t, other, b.fmul(c, own))
                for own, other in zip(pair, (real, imaginary), strict=True)
            )
        return (
            v.muladd(b.fneg(t), imaginary, b.fmul(c, pair[0])),
            v.muladd(t, real, b.fmul(c, pair[1])),
        )

    def overlap(self, adjoint: Any, partner: Any, sign: Any, slot: Any) -> None:
        """Add Im(conj(adjoint) P state) to a slot; `sign` is that of q and of the parity."""
        v, b = self.v, self.v.builder
        real, imaginary = (v.flip(part, self.flip) if self.flip else part for part in partner)
        if self.is_real:
            product = v.muladd(adjoint[0], real, b.fmul(adjoint[1], imaginary))
        else:
            product = b.fsub(b.fmul(adjoint[1], real), b.fmul(adjoint[0], imaginary))
        v.add_product(slot, product, sign)


def _with_parity(v: Vectors, vector: Any, mask: Any, number: Any) -> Any:
    """Return the vector, negated if `mask & number` has an odd number of ones."""
    b = v.builder
    integers = ir.VectorType(ir.IntType(64), v.lanes)
    ones = b.ctpop(b.and_(mask, number))
    sign = b.shl(ones, v.index(_SIGN))
    return b.bitcast(b.xor(b.bitcast(vector, integers), v.broadcast(sign, v.lanes)), v.type)


def _lane_signs(v: Vectors, low: Any) -> Any:
    """Return the sign (-1)**parity(low & lane) in each lane."""
    out = v.constant([1.0] * v.lanes)
    for bit in range(LANE_BITS):
        negated = v.constant([-1.0 if lane >> bit & 1 else 1.0 for lane in range(v.lanes)])
        has = v.builder.trunc(v.builder.lshr(low, v.index(bit)), ir.IntType(1))
        factor = v.builder.select(has, negated, v.constant([1.0] * v.lanes))
        out = v.builder.fmul(out, factor)
    return out


def _pass(*, back: bool) -> Any:
    """Return the pass for all kinds of Pauli strings; `back` also collects the derivative."""

    def body(v: Vectors, state: Any, adjoint: Any, part: Any, count: Any, x: Any, z: Any,
             odd: Any, cosine: Any, sine: Any, sign: Any) -> Any:  # fmt: skip
        b = v.builder
        lanes = _lane_signs(v, z)
        strength, signs = (b.fmul(lanes, v.splat(each)) for each in (sine, sign))
        partner, high = (b.lshr(mask, v.index(LANE_BITS)) for mask in (x, z))
        alternation = _with_parity(v, v.constant([1.0] * v.lanes), partner, high)
        sweep = _Sweep(v, state, adjoint if back else None, part, high)
        flip = b.and_(x, v.index(v.lanes - 1))
        for is_real in (False, True):
            for bits in range(v.lanes):
                is_this = b.and_(
                    b.icmp_signed("==", flip, v.index(bits)),
                    b.icmp_signed("==", odd, v.index(int(is_real))),
                )
                rotation = _Rotation(v, bits, is_real=is_real)
                turn = v.splat(cosine), strength, signs, alternation
                with b.if_then(is_this):
                    has_partner = b.icmp_signed("!=", partner, v.index(0))
                    with b.if_else(has_partner) as (then, otherwise):
                        with then:
                            sweep.over_pairs(rotation, turn, partner, count)
                        with otherwise:
                            sweep.inside_vectors(rotation, turn, count)
        return v.total([sweep.slot])

    body.__qualname__ = f"rotate_{back}"
    kinds = (POINTER, POINTER, INT, INT, INT, INT, INT, REAL, REAL, REAL)
    return emitted(body, kinds, types.float64)


class _Sweep:
    """Emits the loop of a pass over the vectors of a state, and of its adjoint if there is one."""

    def __init__(self, v: Vectors, state: Any, adjoint: Any, part: Any, high: Any) -> None:
        self.v, self.state, self.adjoint, self.part, self.high = v, state, adjoint, part, high
        self.slot = v.accumulator()

    def over_pairs(self, rotation: _Rotation, turn: Any, partner: Any, count: Any) -> None:
        """Rotate each vector together with the one whose number differs by `partner`."""
        v, b = self.v, self.v.builder
        leading = b.sub(v.index(63), b.ctlz(partner, ir.Constant(ir.IntType(1), 0)))
        top = b.shl(v.index(1), leading)
        with v.steps(count, b.shl(top, v.index(1))) as block, v.steps(top, 1) as inside:
            number = b.add(block, inside)
            self._rotate(rotation, turn, number, b.xor(number, partner))

    def inside_vectors(self, rotation: _Rotation, turn: Any, count: Any) -> None:
        """Rotate the lanes of each vector among themselves."""
        with self.v.steps(count, 1) as number:
            self._rotate(rotation, turn, number, None)

    def _rotate(self, rotation: _Rotation, turn: Any, number: Any, partner: Any) -> None:
        """Rotate one vector, or a pair of vectors."""
        v, b, part = self.v, self.v.builder, self.part
        c, strength, signs, alternation = turn
        numbers = [number] if partner is None else [number, partner]
        places = [b.shl(each, v.index(LANE_BITS)) for each in numbers]
        factors = [_with_parity(v, strength, self.high, number)]
        if partner is not None:
            factors.append(b.fmul(factors[0], alternation))
        old = [rotation.load(self.state, place, part) for place in places]
        if self.adjoint is not None:
            mates = [rotation.load(self.adjoint, place, part) for place in places]
            weights = [_with_parity(v, signs, self.high, number)]
            if partner is not None:
                weights.append(b.fmul(weights[0], alternation))
            for mate, other, weight in zip(mates, reversed(old), weights, strict=True):
                rotation.overlap(mate, other, weight, self.slot)
            for mate, other, t, place in zip(mates, reversed(mates), factors, places, strict=True):
                rotation.store(rotation.turned(mate, other, c, t), self.adjoint, place, part)
        for own, other, t, place in zip(old, reversed(old), factors, places, strict=True):
            rotation.store(rotation.turned(own, other, c, t), self.state, place, part)


rotate_state, rotate_both = _pass(back=False), _pass(back=True)
