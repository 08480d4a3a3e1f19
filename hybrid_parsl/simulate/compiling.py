"""How the kernels are compiled: without the GIL, and kept on disk where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

_Function = TypeVar("_Function", bound=Callable[..., Any])
_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"reassoc", "contract", "nsz"},
}


def compiled(function: _Function) -> _Function:
    """Compile a function with numba on its first call.

    The machine code is kept beside the source or, if that folder is read-only, in the
    user's cache; if there is no place at all, each process compiles for itself.
    """
    try:
        return cast("_Function", njit(cache=True, **_OPTIONS)(function))
    except RuntimeError:  # "cannot cache function: no locator available"
        return cast("_Function", njit(**_OPTIONS)(function))
