"""How the kernels are compiled: without the GIL, and kept on disk where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher

from .kernel_cache import KernelCache, only_compiler

_Function = TypeVar("_Function", bound=Callable[..., Any])
_OPTIONS = {"nopython": True, "nogil": True, "error_model": "numpy", "boundscheck": None}


class _Kernel(CPUDispatcher):  # type: ignore[misc]
    """A dispatcher of numba with our cache, and one compiling process per cache folder."""

    def enable_caching(self) -> None:
        """Keep the machine code on disk."""
        self._cache = KernelCache(self.py_func)

    def compile(self, sig: Any) -> Any:
        """Load or compile the code for some argument types."""
        with global_compiler_lock, only_compiler:
            return super().compile(sig)


def compiled(function: _Function) -> _Function:
    """Compile a function with numba on its first call.

    `kernel_cache` describes where the machine code is kept; if there is no place for it, each
    process compiles for itself.

    Parameters
    ----------
    function
        Written in the part of Python that numba knows.

    Returns
    -------
    callable
        The compiled function.
    """
    kernel = _Kernel(function, targetoptions=dict(_OPTIONS))
    kernel.enable_caching()
    return cast("_Function", kernel)
