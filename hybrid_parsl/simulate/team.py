"""Several threads that work on one state: sweep by sweep, each on its share of it.

Each tile or panel gives its own sums, which are added up in the same order whatever the
number of threads, so that the result is the same to the last bit.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from .entry_points import address_of, backward, begin, collect, forward, total_energy
from .kernel_arguments import WANT_ENERGY, WANT_GRADIENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .layout import Layout


def _like(array: NDArray[Any]) -> NDArray[Any]:
    """Return a copy that starts as far into a cache line as the array does."""
    out = np.empty(array.size + 128, array.dtype)
    start = (array.ctypes.data - out.ctypes.data) % 64 // array.itemsize
    out[:] = 0
    return out[start : start + array.size]


class Team:
    """Threads with a scratch space each.

    Parameters
    ----------
    threads
        How many.
    layout
        The shape of the state.
    element, cost
        The types of the state's numbers and of the cost.
    """

    def __init__(
        self, threads: int, layout: Layout, element: np.dtype[Any], cost: np.dtype[Any]
    ) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="alternating")
        self._threads = threads
        self._units = (layout.tiles, layout.panels)
        self._types = element, cost
        self._scratch: list[tuple[NDArray[Any], NDArray[Any]]] = []

    def make_scratch(self, panel: NDArray[Any], other: NDArray[Any]) -> None:
        """Allocate for each thread a copy of the scratch arrays of a single thread."""
        if not self._scratch or len(self._scratch[0][1]) != len(other):
            self._scratch = [(_like(panel), _like(other)) for _ in range(self._threads)]

    def run(self, layers: int, want: int, parameters: int, gradient: int, state: int, adjoint: int,
            _panel: int, _other: int, uniform: int, saved: int, cost: int, table: int,
            back_table: int, angles: int, sums: int, layout: int, first: float,
            step: float) -> float:  # fmt: skip
        """Carry out `evaluate`; the arguments after `layers` are those of the kernel."""
        begin.of(*self._types)(want, parameters, gradient, table, back_table, angles, sums, layout,
                               first, step)  # fmt: skip
        do = forward.of(*self._types)

        def there(k: int, start: int, stop: int, share: int) -> None:
            panel, _ = map(address_of, self._scratch[share])
            do(k, start, stop, state, panel, uniform, saved, cost, table, angles, layout, sums)

        def back(k: int, start: int, stop: int, share: int) -> None:
            panel, other = map(address_of, self._scratch[share])
            undo = backward.of(*self._types)
            undo(k, start, stop, state, adjoint, panel, other, uniform, saved, cost, table,
                 back_table, angles, layout, first, step, sums)  # fmt: skip

        for k in range(layers + 1 if want == WANT_ENERGY else layers):
            self._divide(k, there)
        if want == WANT_GRADIENT:
            for k in range(layers, -1, -1):
                self._divide(k, back)
                collect.of()(k, self._units[k & 1], sums, gradient, angles, layout, step)
        return total_energy.of()(self._units[layers & 1], sums, angles, layout, first, step)

    def _divide(self, k: int, work: Callable[[int, int, int, int], None]) -> None:
        """Let each thread do its share of a sweep, and wait for all."""
        units = self._units[k & 1]
        edges = [units * share // self._threads for share in range(self._threads + 1)]
        shares = [
            self._pool.submit(work, k, edges[share], edges[share + 1], share)
            for share in range(self._threads)
        ]
        for share in shares:
            share.result()
