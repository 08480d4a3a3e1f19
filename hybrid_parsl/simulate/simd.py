"""Vectors of the processor, written straight into the code that numba compiles.

Numba's own loops leave it to LLVM to find vectors in scalar code, which it does not manage
for the butterflies of a mixer. Here each operation on a vector of 32 bytes is one line that
emits LLVM's instruction, so that a pass over a state does what is written, on any processor
(LLVM splits the vectors where the registers are shorter).
"""

from __future__ import annotations

from contextlib import contextmanager
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

VECTOR_BYTES = 32
_TYPES: Any = types  # which numba fills in as it goes
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
    builder
        What adds instructions to a function.
    element
        Numba's type of the elements.
    """

    def __init__(self, builder: Any, element: types.Type) -> None:
        self.builder = builder
        self.element = ir.FloatType() if element == types.float32 else _DOUBLE
        self.lanes = VECTOR_BYTES // (4 if element == types.float32 else 8)
        self.type = ir.VectorType(self.element, self.lanes)
        self.wide = ir.VectorType(_DOUBLE, self.lanes)

    def load(self, pointer: Any, index: Any, kind: Any = None) -> Any:
        """Load the vector that starts at an index; `kind` is another type to load."""
        kind = kind or self.type
        scalar = kind.element if isinstance(kind, ir.VectorType) else kind
        address = self.builder.gep(pointer, [index])
        align = scalar_bytes(scalar)
        cast = self.builder.bitcast(address, ir.PointerType(kind))
        return self.builder.load(cast, align=align, typ=kind)

    def store(self, vector: Any, pointer: Any, index: Any) -> None:
        """Store a vector at an index."""
        address = self.builder.gep(pointer, [index])
        cast = self.builder.bitcast(address, ir.PointerType(vector.type))
        self.builder.store(vector, cast, align=scalar_bytes(vector.type.element))

    def stream(self, vector: Any, pointer: Any, index: Any) -> None:
        """Store a vector at an index that is a multiple of 32 bytes, past the caches."""
        address = self.builder.gep(pointer, [index])
        cast = self.builder.bitcast(address, ir.PointerType(vector.type))
        store = self.builder.store(vector, cast, align=VECTOR_BYTES)
        one = self.builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)])
        store.set_metadata("nontemporal", one)

    def constant(self, values: Sequence[float], element: Any = None) -> Any:
        """Return a constant vector."""
        element = element or self.element
        return ir.Constant(ir.VectorType(element, len(values)), list(values))

    def splat(self, value: Any) -> Any:
        """Return a vector with a double in each lane, rounded to the element type."""
        if value.type != self.element:
            value = self.builder.fptrunc(value, self.element)
        return self.broadcast(value, self.lanes)

    def join(self, first: Any, second: Any) -> Any:
        """Return two vectors laid side by side as one."""
        return self.shuffle(first, second, range(2 * first.type.count))

    def broadcast(self, value: Any, lanes: int) -> Any:
        """Return a vector with the same number in each lane."""
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
        return vector if vector.type == self.wide else self.builder.fpext(vector, self.wide)

    def fixed(self, number: float) -> Any:
        """Return a vector of doubles with the same constant in each lane."""
        return ir.Constant(self.wide, [number] * self.lanes)

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
        fixed = self.fixed
        integers = ir.VectorType(_INDEX, self.lanes)

        def has(value: Any, bit: int) -> Any:
            masks, zeros = ([number] * self.lanes for number in (bit, 0))
            masked = b.and_(value, ir.Constant(integers, masks))
            return b.icmp_unsigned("!=", masked, ir.Constant(integers, zeros))

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
        count = b.bitcast(b.fadd(whole, fixed(_ROUNDER)), integers)
        swapped = has(count, 1)
        new_sine = b.select(swapped, cosine, sine)
        new_cosine = b.select(swapped, sine, cosine)
        next_count = b.add(count, ir.Constant(integers, [1] * self.lanes))
        new_sine = b.select(has(count, 2), b.fneg(new_sine), new_sine)
        new_cosine = b.select(has(next_count, 2), b.fneg(new_cosine), new_cosine)
        return new_sine, new_cosine

    def index(self, number: int) -> Any:
        """Return a constant index."""
        return ir.Constant(_INDEX, number)

    @contextmanager
    def steps(self, count: Any, step: Any) -> Iterator[Any]:
        """Emit a loop over 0, step, 2 step ... below `count`; gives the index."""
        step = self.index(step) if isinstance(step, int) else step
        with cgutils.for_range_slice(self.builder, self.index(0), count, step, intp=_INDEX) as (
            index,
            _,
        ):
            yield index

    def accumulator(self, *, wide: bool = False) -> Any:
        """Return a slot for a vector, of doubles if `wide`, that starts at zero."""
        kind = self.wide if wide else self.type
        slot = cgutils.alloca_once(self.builder, kind)
        self.builder.store(ir.Constant(kind, [0.0] * self.lanes), slot)
        return slot

    def add_product(self, slot: Any, a: Any, b: Any) -> None:
        """Add a * b to a slot."""
        total = self.builder.load(slot, typ=a.type)
        self.builder.store(self.muladd(a, b, total), slot)

    def total(self, slots: Sequence[Any]) -> Any:
        """Return the sum of all lanes of the slots, as a double."""
        first, *others = (
            self.sum(self.builder.load(slot, typ=slot.allocated_type)) for slot in slots
        )
        for other in others:
            first = self.builder.fadd(first, other)
        return first

    def levels(self, cost: Any, index: Any) -> Any:
        """Return, in doubles, the costs of a vector of basis states or their levels."""
        if cost[1] == types.uint16:
            whole = self.load(cost[0], index, ir.VectorType(ir.IntType(16), self.lanes))
            return self.builder.uitofp(whole, self.wide)
        return self.load(cost[0], index, self.wide)


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
        Called as ``body(vectors, *values)``; a pointer arrives as ``(pointer, element type)``,
        and the first one says what the vectors hold.
    arguments
        The numba type of each argument; None stands for a pointer.
    result
        The numba type of what the function returns.
    """

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        function = _function(context, builder.module, body, signature, values)
        out = builder.call(function, values)
        return context.get_dummy_value() if signature.return_type == types.void else out

    def typing(_context: Any, *given: types.Type) -> Any:
        kinds = [g if f is None else f for f, g in zip(arguments, given, strict=True)]
        return result(*kinds), emit

    names = ["context", *(f"argument_{k}" for k in range(len(arguments)))]
    typing.__signature__ = Signature(  # type: ignore[attr-defined]
        [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    )
    return intrinsic(typing)


def _function(context: Any, module: Any, body: Any, signature: Any, values: Any) -> Any:
    """Return the LLVM function of a pass, made on its first use in a module."""
    pointers = [kind for kind in signature.args if isinstance(kind, _TYPES.CPointer)]
    name = ".".join([body.__module__, body.__qualname__, *(str(p.dtype) for p in pointers)])
    if name in module.globals:
        return module.globals[name]
    out = signature.return_type
    result = ir.VoidType() if out == types.void else context.get_value_type(out)
    function = ir.Function(module, ir.FunctionType(result, [v.type for v in values]), name)
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    function.attributes.add("nounwind")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    arguments = [
        (value, kind.dtype) if isinstance(kind, _TYPES.CPointer) else value
        for kind, value in zip(signature.args, function.args, strict=True)
    ]
    value = body(Vectors(builder, pointers[0].dtype), *arguments)
    builder.ret_void() if value is None else builder.ret(value)
    return function
