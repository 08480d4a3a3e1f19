"""The kernels that Python calls, by the types of their arguments.

Where their machine code is on disk, nothing here imports numba, whose import takes longer than a
small search. `kernel_cache` describes where the code is kept; if there is no place for it, each
process compiles for itself.
"""

from __future__ import annotations

import ctypes
from importlib import import_module
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from .kernel_cache import load_or_make
from .machine_code import NativeFunction

if TYPE_CHECKING:
    from collections.abc import Callable

_DOUBLE = np.dtype(np.float64)
_lock = RLock()


class EntryPoint:
    """One kernel, compiled for each type of number that it is used with.

    Parameters
    ----------
    module
        Where it is, in this package.
    name
        Its name there.
    arguments
        The type of each argument: ``i`` int64, ``d`` float64; ``I`` and ``D`` the address of such
        numbers, ``E`` of the elements of a state, ``C`` of costs. Spaces are ignored.
    result
        ``d``, or nothing.
    """

    def __init__(self, module: str, name: str, arguments: str, result: str = "") -> None:
        self._module = module
        self._name = name
        self._arguments = arguments.replace(" ", "")
        self._result = result
        self._loaded: dict[tuple[np.dtype[Any], np.dtype[Any]], NativeFunction] = {}

    def of(
        self, element: np.dtype[Any] = _DOUBLE, cost: np.dtype[Any] = _DOUBLE
    ) -> Callable[..., float]:
        """Return the kernel for a type of the elements of a state, and of costs.

        The function takes whole numbers, floats and addresses, as `address_of` returns them.
        """
        found = self._loaded.get((element, cost))
        if found is None:
            with _lock:
                found = self._loaded.get((element, cost)) or self._load(element, cost)
                self._loaded[element, cost] = found
        return found

    def _load(self, element: np.dtype[Any], cost: np.dtype[Any]) -> NativeFunction:
        types = {"I": "int64", "D": "float64", "E": element.name, "C": cost.name}

        def make() -> tuple[str, bytes]:
            from .compiling import object_file

            kernel = getattr(import_module(f".{self._module}", __package__), self._name)
            arguments = [(types[each.upper()], each.isupper()) for each in self._arguments]
            return object_file(kernel, arguments, "float64" if self._result else None)

        file = "-".join([f"{self._module}.{self._name}", element.name, cost.name])
        in_c = {"i": ctypes.c_int64, "d": ctypes.c_double}
        letters = [in_c.get(letter, ctypes.c_void_p) for letter in self._arguments]
        return NativeFunction(*load_or_make(file, make), letters)


def address_of(array: np.ndarray[Any, Any]) -> int:
    """Return the address of the first element of a contiguous array, which has to be kept."""
    return int(array.__array_interface__["data"][0])


evaluate = EntryPoint("evaluate", "evaluate", "i DD EEEEEE C EE DDI dd", "d")
begin = EntryPoint("evaluate", "begin", "i DD EE DDI dd")
forward = EntryPoint("kernels", "forward", "iii EEEE C E DID")
backward = EntryPoint("gradient_kernels", "backward", "iii EEEEEE C EE DI dd D")
collect = EntryPoint("gradient_kernels", "collect", "ii DDDI d")
total_energy = EntryPoint("evaluate", "total_energy", "i DDI dd", "d")
run = EntryPoint("circuit_kernels", "run", "D ii I i DD")
run_back = EntryPoint("circuit_kernels", "run_back", "DD ii I i DDD")
apply_observable = EntryPoint("circuit_kernels", "apply_observable", "DD ii II i IDD D i DD", "d")
