"""How the kernels are compiled: without the GIL, and kept on disk where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit

SOURCES = (
    "compiling.py",
    "evaluate.py",
    "gradient_kernels.py",
    "gradient_passes.py",
    "kernels.py",
    "passes.py",
    "simd.py",
    "team.py",
)
_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile a function with numba on its first call.

    The machine code is kept beside the source or, if that folder is read-only, in the
    user's cache; if there is no place at all, each process compiles for itself. It is made
    anew when any file of `SOURCES` has changed; numba by itself would only look at the
    file of the function, not at those of the functions that it calls.

    Parameters
    ----------
    function
        Written in the part of Python that numba knows.

    Returns
    -------
    callable
        The compiled function.
    """
    try:
        dispatcher = njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # "cannot cache function: no locator available"
        return cast("_Function", njit(nogil=True, error_model="numpy")(function))
    dispatcher._cache._cache_file._source_stamp = fingerprint()  # noqa: SLF001
    return cast("_Function", dispatcher)


@cache
def fingerprint(folder: Path = Path(__file__).parent) -> str:
    """Return a hash of the source files of the kernels in a folder."""
    digest = sha256()
    for name in SOURCES:
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()
