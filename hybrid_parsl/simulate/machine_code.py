"""Load machine code of kernels into this process, without numba."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from llvmlite import binding

if TYPE_CHECKING:
    from collections.abc import Sequence


class NativeFunction:
    """A function in an object file, in numba's calling convention; calls release the GIL.

    Parameters
    ----------
    symbol
        Its name there.
    code
        The object file, which asks of the process for nothing but the C library.
    arguments
        The type of each argument: ``c_int64``, ``c_double`` or, for an address, ``c_void_p``.
    """

    def __init__(self, symbol: str, code: bytes, arguments: Sequence[type[Any]]) -> None:
        self._engine = _engine()  # holds the code
        self._engine.add_object_file(binding.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, *arguments)
        self._function = kind(self._engine.get_function_address(symbol))

    def __call__(self, *arguments: float) -> float:
        """Return what the function returns, 0.0 if that is nothing."""
        result, error = ctypes.c_double(), ctypes.c_void_p()
        if self._function(ctypes.addressof(result), ctypes.addressof(error), *arguments):
            message = "a kernel has failed"
            raise RuntimeError(message)
        return result.value


def _engine() -> Any:
    """Return what loads one object file, set up as numba does."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target = binding.Target.from_triple(binding.get_process_triple())
    machine = target.create_target_machine(
        cpu=binding.get_host_cpu_name(), reloc=_RELOCATION.get(target.name, "default"),
        codemodel="jitdefault", jit=True,
    )  # fmt: skip
    return binding.create_mcjit_compiler(
        binding.parse_assembly(""), machine, use_lmm=target.name == "aarch64"
    )


_RELOCATION = {"x86": "static", "x86-64": "static", "ppc64le": "pic"}
