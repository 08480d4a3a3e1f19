"""Several threads that work on one state: sweep by sweep, each on its share of it.

Each tile or panel gives its own sums, which are added up in the same order whatever the
number of threads, so that the result is the same to the last bit.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from .compiling import compiled
from .evaluate import begin, total_energy
from .gradient_kernels import backward, collect
from .kernels import LAYERS, WANT_ENERGY, WANT_GRADIENT, forward
from .simd import address

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .layout import Layout


@compiled
def forward_share(k: int, start: int, stop: int, state: Any, panel: Any, uniform: Any, saved: Any,
                  cost: Any, table: Any, angles: Any, layout: Any, sums: Any) -> None:  # fmt: skip
    """Do sweep k on some tiles or panels."""
    forward(k, start, stop, address(state), address(panel), address(uniform), address(saved),
            address(cost), address(table), address(angles), address(layout),
            address(sums))  # fmt: skip


@compiled
def backward_share(k: int, start: int, stop: int, state: Any, adjoint: Any, panel: Any, other: Any,
                   uniform: Any, saved: Any, cost: Any, table: Any, back_table: Any, angles: Any,
                   layout: Any, first: float, step: float, sums: Any) -> None:  # fmt: skip
    """Take back sweep k on some tiles or panels."""
    backward(k, start, stop, address(state), address(adjoint), address(panel), address(other),
             address(uniform), address(saved), address(cost), address(table), address(back_table),
             address(angles), address(layout), first, step, address(sums))  # fmt: skip


@compiled
def collect_shares(k: int, units: int, sums: Any, gradient: Any, angles: Any, layout: Any,
                   step: float) -> None:  # fmt: skip
    """Add up what sweep k gave."""
    collect(k, units, address(sums), address(gradient), address(angles), address(layout), step)


@compiled
def end(units: int, sums: Any, angles: Any, layout: Any, first: float, step: float) -> float:
    """Return the energy."""
    return total_energy(units, address(sums), address(angles), address(layout), first, step)


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
    """

    def __init__(self, threads: int, layout: Layout) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="alternating")
        self._threads = threads
        self._units = (layout.tiles, layout.panels)
        self._scratch: list[tuple[NDArray[Any], NDArray[Any]]] = []

    def run(self, want: int, parameters: Any, gradient: Any, state: Any, adjoint: Any, panel: Any,
            other: Any, uniform: Any, saved: Any, cost: Any, table: Any, back_table: Any,
            angles: Any, sums: Any, layout: Any, first: float, step: float) -> float:  # fmt: skip
        """Do what `evaluate.evaluate` does; the arguments are the same."""
        if not self._scratch or len(self._scratch[0][1]) != len(other):
            self._scratch = [(_like(panel), _like(other)) for _ in range(self._threads)]
        begin(want, parameters, gradient, table, back_table, angles, sums, layout, first, step)
        layers = int(layout[LAYERS])

        def there(k: int, start: int, stop: int, share: int) -> None:
            forward_share(k, start, stop, state, self._scratch[share][0], uniform, saved, cost,
                          table, angles, layout, sums)  # fmt: skip

        def back(k: int, start: int, stop: int, share: int) -> None:
            mine, its = self._scratch[share]
            backward_share(k, start, stop, state, adjoint, mine, its, uniform, saved, cost, table,
                           back_table, angles, layout, first, step, sums)  # fmt: skip

        for k in range(layers + 1 if want == WANT_ENERGY else layers):
            self._divide(k, there)
        if want == WANT_GRADIENT:
            for k in range(layers, -1, -1):
                self._divide(k, back)
                collect_shares(k, self._units[k & 1], sums, gradient, angles, layout, step)
        return float(end(self._units[layers & 1], sums, angles, layout, first, step))

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
