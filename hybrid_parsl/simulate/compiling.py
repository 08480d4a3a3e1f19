"""How the kernels are compiled: by numba, to machine code that needs neither it nor Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from numba import njit, types
from numba.core.compiler import Flags, compile_extra
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

if TYPE_CHECKING:
    from collections.abc import Callable

_Function = TypeVar("_Function", bound="Callable[..., Any]")
_OPTIONS = {"nogil": True, "error_model": "numpy", "boundscheck": None}
_FOR_C = {"nopython": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True, "_nrt": False}


def compiled(function: _Function) -> _Function:
    """Compile a function with numba, as a part of the kernels that call it.

    Parameters
    ----------
    function
        Written in the part of Python that numba knows, without arrays of its own.

    Returns
    -------
    callable
        The compiled function.
    """
    return cast("_Function", njit(**_OPTIONS)(function))


def object_file(
    kernel: Any, arguments: list[tuple[str, bool]], result: str | None
) -> tuple[str, bytes]:
    """Compile a kernel and all that it calls to one object file.

    Parameters
    ----------
    kernel
        What `compiled` returned.
    arguments
        The name of the type of each argument, as ``"float64"``, and whether it is a pointer.
    result
        The name of the type of the result, None for a kernel that returns nothing.

    Returns
    -------
    symbol
        Of the function in the object file. In numba's calling convention, it takes two more
        arguments first: where to put the result, and where to put what explains an error.
    code
        The object file.
    """
    scalars = [(getattr(types, name), is_pointer) for name, is_pointer in arguments]
    kinds = tuple(types.CPointer(kind) if is_pointer else kind for kind, is_pointer in scalars)
    flags = Flags()
    cpu_target.options.parse_as_flags(flags, _OPTIONS | _FOR_C)
    returned = types.none if result is None else getattr(types, result)
    with global_compiler_lock:
        made = compile_extra(
            cpu_target.typing_context, cpu_target.target_context, kernel.py_func, kinds, returned,
            flags, {},
        )  # fmt: skip
        (code, _) = made.library.serialize_using_object_code()[2]
    return made.fndesc.llvm_func_name, code
