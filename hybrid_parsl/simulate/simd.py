"""Vectors of the processor, written straight into the code that numba compiles.

Numba's own loops leave it to LLVM to find vectors in scalar code, which it does not manage
for the butterflies of a mixer. Here each operation on a vector of 32 bytes is one line that
emits LLVM's instruction, so that a pass over a state does what is written, on any processor
(LLVM splits the vectors where the registers are shorter).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

VECTOR_BYTES = 32
_INDEX = ir.IntType(64)
_DOUBLE = ir.DoubleType()
# Coefficients of sin and cos on [-pi/4, pi/4]: fdlibm's k_sin.c and k_cos.c (Sun, 1993).
_SINE = (
    1.58969099521155010221e-10,
    -2.50507602534068634195e-08,
    2.75573137070700676789e-06,
    -1.98412698298579493134e-04,
    8.33333333332248946124e-03,
    -1.66666666666666324348e-01,
)
_COSINE = (
    -1.13596475577881948265e-11,
    2.08757232129817482790e-09,
    -2.75573143513906633035e-07,
    2.48015872894767294178e-05,
    -1.38888888888741095749e-03,
    4.16666666666666019037e-02,
)
_HALF_PI = 1.5707963267948966
_ROUNDER = 6755399441055744.0  # 1.5 * 2**52: adding it leaves an integer in the low bits


class Vectors:
    """Emits operations on vectors of one floating-point type.

    Parameters
    ----------
    context, builder
        What numba hands to the body of an intrinsic.
    array
        Numba's type of the array whose elements the vectors hold.
    """

    def __init__(self, context: Any, builder: Any, array: types.Array) -> None:
        self._context = context
        self.builder = builder
        self.element = ir.FloatType() if array.dtype == types.float32 else _DOUBLE
        self.lanes = VECTOR_BYTES // (4 if array.dtype == types.float32 else 8)
        self.type = ir.VectorType(self.element, self.lanes)

    def pointer(self, array: types.Array, value: Any) -> Any:
        """Return the address of the first element of a numba array."""
        return self._context.make_array(array)(self._context, self.builder, value).data

    def load(self, pointer: Any, index: Any, kind: Any = None) -> Any:
        """Load the vector that starts at an index; `kind` is another type to load."""
        kind = kind or self.type
        scalar = kind.element if isinstance(kind, ir.VectorType) else kind
        address = self.builder.gep(pointer, [index])
        align = 2 if scalar == ir.IntType(16) else scalar_bytes(scalar)
        cast = self.builder.bitcast(address, ir.PointerType(kind))
        return self.builder.load(cast, align=align, typ=kind)

    def store(self, vector: Any, pointer: Any, index: Any) -> None:
        """Store a vector at an index."""
        address = self.builder.gep(pointer, [index])
        cast = self.builder.bitcast(address, ir.PointerType(vector.type))
        self.builder.store(vector, cast, align=scalar_bytes(vector.type.element))

    def constant(self, values: Sequence[float], element: Any = None) -> Any:
        """Return a constant vector."""
        element = element or self.element
        return ir.Constant(ir.VectorType(element, len(values)), list(values))

    def splat(self, value: Any) -> Any:
        """Return a vector with a double in each lane, rounded to the element type."""
        if value.type != self.element:
            value = self.builder.fptrunc(value, self.element)
        return self._splat(value, self.lanes)

    def _splat(self, value: Any, lanes: int) -> Any:
        one = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
        first = self.builder.insert_element(one, value, ir.Constant(ir.IntType(32), 0))
        return self.shuffle(first, first, [0] * lanes)

    def shuffle(self, first: Any, second: Any, lanes: Sequence[int]) -> Any:
        """Return the given lanes of two vectors laid side by side."""
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), list(lanes))
        return self.builder.shuffle_vector(first, second, mask)

    def flip(self, vector: Any, bits: int) -> Any:
        """Return the vector with lane k taken from lane k ^ bits."""
        return self.shuffle(vector, vector, [lane ^ bits for lane in range(self.lanes)])

    def muladd(self, a: Any, b: Any, c: Any) -> Any:
        """Return a * b + c, fused where the processor can."""
        return self._call("llvm.fmuladd", a, b, c)

    def _call(self, name: str, *arguments: Any) -> Any:
        kind = arguments[0].type
        suffix = "f64" if kind.element == _DOUBLE else "f32"
        function = cgutils.get_or_insert_function(
            self.builder.module,
            ir.FunctionType(kind, [kind] * len(arguments)),
            f"{name}.v{kind.count}{suffix}",
        )
        return self.builder.call(function, arguments)

    def widen(self, vector: Any) -> Any:
        """Return the vector in double precision."""
        if self.element == _DOUBLE:
            return vector
        return self.builder.fpext(vector, ir.VectorType(_DOUBLE, self.lanes))

    def narrow(self, vector: Any) -> Any:
        """Return a vector of doubles in the element type."""
        return vector if self.element == _DOUBLE else self.builder.fptrunc(vector, self.type)

    def sum(self, vector: Any) -> Any:
        """Return the sum of the lanes of a vector, in double precision."""
        vector = self.widen(vector)
        lanes = self.lanes
        while lanes > 1:
            lanes //= 2
            low = self.shuffle(vector, vector, range(lanes))
            high = self.shuffle(vector, vector, range(lanes, 2 * lanes))
            vector = self.builder.fadd(low, high)
        return self.builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))

    def sine_cosine(self, quarter_turns: Any) -> tuple[Any, Any]:
        """Return sin and cos of a vector of doubles that counts quarter turns."""
        b = self.builder
        wide = ir.VectorType(_DOUBLE, self.lanes)
        fixed = lambda number: ir.Constant(wide, [number] * self.lanes)  # noqa: E731
        whole = self._call("llvm.rint", quarter_turns)
        angle = b.fmul(b.fsub(quarter_turns, whole), fixed(_HALF_PI))
        square = b.fmul(angle, angle)
        sine, cosine = fixed(_SINE[0]), fixed(_COSINE[0])
        for odd, even in zip(_SINE[1:], _COSINE[1:], strict=True):
            sine = self.muladd(sine, square, fixed(odd))
            cosine = self.muladd(cosine, square, fixed(even))
        sine = self.muladd(b.fmul(angle, square), sine, angle)
        cosine = self.muladd(
            b.fmul(square, square), cosine, self.muladd(square, fixed(-0.5), fixed(1.0))
        )
        integers = ir.VectorType(_INDEX, self.lanes)
        count = b.bitcast(b.fadd(whole, fixed(_ROUNDER)), integers)
        bit = lambda value, n: b.icmp_unsigned(  # noqa: E731
            "!=",
            b.and_(value, ir.Constant(integers, [n] * self.lanes)),
            ir.Constant(integers, [0] * self.lanes),
        )
        swapped = bit(count, 1)
        new_sine = b.select(swapped, cosine, sine)
        new_cosine = b.select(swapped, sine, cosine)
        next_count = b.add(count, ir.Constant(integers, [1] * self.lanes))
        new_sine = b.select(bit(count, 2), b.fneg(new_sine), new_sine)
        new_cosine = b.select(bit(next_count, 2), b.fneg(new_cosine), new_cosine)
        return new_sine, new_cosine

    def index(self, number: int) -> Any:
        """Return a constant index."""
        return ir.Constant(_INDEX, number)

    @contextmanager
    def steps(self, count: Any, step: int) -> Iterator[Any]:
        """Emit a loop over 0, step, 2 step ... below `count`; gives the index."""
        with cgutils.for_range_slice(
            self.builder, self.index(0), count, self.index(step), intp=_INDEX
        ) as (index, _):
            yield index

    def accumulator(self, lanes: int | None = None) -> Any:
        """Return a slot for a vector of doubles that starts at zero."""
        kind = ir.VectorType(_DOUBLE, lanes or self.lanes)
        slot = cgutils.alloca_once(self.builder, kind)
        self.builder.store(ir.Constant(kind, [0.0] * kind.count), slot)
        return slot


def scalar_bytes(element: Any) -> int:
    """Return the size of an LLVM scalar in bytes."""
    if isinstance(element, ir.IntType):
        return int(element.width) // 8
    return 4 if isinstance(element, ir.FloatType) else 8


def emitted(
    body: Callable[..., Any], arguments: Sequence[types.Type | None], result: types.Type
) -> Any:
    """Make a function for numba code from one that emits LLVM code.

    Parameters
    ----------
    body
        Called as ``body(vectors, *values)``; an array arrives as ``(pointer, its type)``.
    arguments
        The numba type of each argument; None stands for an array.
    result
        The numba type of what the function returns.
    """

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        first = next(kind for kind in signature.args if isinstance(kind, types.Array))
        vectors = Vectors(context, builder, first)
        given = [
            (vectors.pointer(kind, value), kind) if isinstance(kind, types.Array) else value
            for kind, value in zip(signature.args, values, strict=True)
        ]
        out = body(vectors, *given)
        return context.get_dummy_value() if out is None else out

    return _numbered(len(arguments), arguments, result, emit)


def _numbered(count: int, fixed: Sequence[types.Type | None], result: Any, emit: Any) -> Any:
    """Return an intrinsic with `count` arguments (numba reads their number off the code)."""
    names = ", ".join(f"a{k}" for k in range(count))
    scope: dict[str, Any] = {"fixed": fixed, "result": result, "emit": emit}
    exec(  # noqa: S102 - a constant text but for the number of arguments
        f"def typing(context, {names}):\n"
        f"    kinds = [g if f is None else f for f, g in zip(fixed, [{names}])]\n"
        "    return result(*kinds), emit\n",
        scope,
    )
    return intrinsic(scope["typing"])
