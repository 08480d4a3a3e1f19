"""The memory of a state, and the calls of the kernels on it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .entry_points import address_of, evaluate
from .kernel_arguments import ANGLE, LAYERS, SAVED, SUM, WANT_ENERGY, WANT_GRADIENT, WANT_STATE

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .diagonal import Levels
    from .layout import Layout
    from .team import Team


_PAGE = 4096
_APART = 2048  # so that a state and its adjoint use different sets of the cache


class Buffers:
    """Everything that the kernels read and write.

    Parameters
    ----------
    cost
        Of the basis states that are kept.
    levels
        The levels of the cost, if it has few.
    layout
        The shape of the state.
    layers
        Number of layers p.
    dtype
        Type of the real and imaginary parts.
    threads
        How many threads work on the state, if it is not so small that one does.
    """

    def __init__(
        self,
        cost: NDArray[np.float64],
        levels: Levels | None,
        layout: Layout,
        layers: int,
        dtype: type[np.floating],
        threads: int,
    ) -> None:
        if levels and levels.count * 4 > max(layout.amplitudes, 256):
            levels = None  # a table would be longer than it is used
        self._layout = layout
        self._dtype = dtype
        self._cost = np.ascontiguousarray(levels.number if levels else cost)
        self._spacing = (levels.first, levels.step) if levels else (0.0, 1.0)
        padded = -(-levels.count // 8) * 8 if levels else 0
        self.state = _touched(layout.state_size, dtype)
        self._panel = self._new_panel(self.state)
        self._threads = 1 if layout.in_place else threads
        self._team: Team | None = None
        self._uniform = _uniform(min(layout.bits, 8), dtype)
        self._adjoint = self._other = self._back_table = np.zeros(2, dtype)
        self._table = np.zeros(2 * padded * (layers + 1) or 2, dtype)
        self._angles = np.zeros((layers + 2) * ANGLE)
        self._sums = np.zeros(max(layout.tiles, layout.panels) * SUM)
        self._parameters = np.zeros(2 * (layers + 1))
        self.gradient = np.zeros(2 * layers)
        numbers = [
            layout.n_qubits, layers, layout.mirrored, layout.bits, layout.high,
            layout.width_bits, padded, len(self._uniform) // 8, 0, layout.pad,
        ]  # fmt: skip
        self._saved = self._adjoint
        self._numbers = np.array([numbers] * 3, np.int64)  # one row per value of `want`
        self._numbers[WANT_STATE, LAYERS] += 1
        self._arguments = self._new_arguments()

    @property
    def has_adjoint(self) -> bool:
        """Whether gradients can be computed."""
        return len(self._adjoint) == len(self.state)

    def add_adjoint(self, saved: int) -> None:
        """Allocate what gradients need, and room to save the state after `saved` layers."""
        self._adjoint = _touched(len(self.state), self._dtype, _APART)
        self._other = self._new_panel(self._adjoint, _APART)
        self._back_table = np.zeros_like(self._table)
        self._saved = _touched(saved * len(self.state) or 2, self._dtype)
        self._numbers[WANT_GRADIENT, SAVED] = saved
        self._arguments = self._new_arguments()

    def amplitudes(self) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Return the real and the imaginary parts of the state that is kept."""
        rows = self.state.reshape(2, self._layout.tiles, -1)[:, :, : 2**self._layout.bits]
        return rows[0].reshape(-1), rows[1].reshape(-1)

    def _new_panel(self, state: NDArray[np.floating], shift: int = 0) -> NDArray[np.floating]:
        if self._layout.in_place:
            return state
        return _touched(self._layout.scratch_size, self._dtype, shift)

    def run(self, want: int, parameters: NDArray[np.float64]) -> float:
        """Evolve the state.

        Parameters
        ----------
        want
            0: the energy; 1: also the gradient, left in ``gradient``; 2: the state, left in
            ``state``, with one more layer than the others.
        parameters
            gamma of each layer, then beta of each layer.

        Returns
        -------
        float
            The energy, unless `want` is 2.
        """
        self._parameters[: len(parameters)] = parameters
        arguments = self._arguments[want]
        if self._threads == 1:
            return self._evaluate(*arguments)
        if self._team is None:
            from .team import Team

            self._team = Team(self._threads, self._layout, self.state.dtype, self._cost.dtype)
        self._team.make_scratch(self._panel, self._other)
        return self._team.run(int(self._numbers[want, LAYERS]), *arguments)

    @cached_property
    def _evaluate(self) -> Callable[..., float]:
        return evaluate.of(self.state.dtype, self._cost.dtype)

    def _new_arguments(self) -> list[tuple[Any, ...]]:
        """Return the arguments of `evaluate` for each value of `want`."""
        arrays = (
            self._parameters, self.gradient, self.state, self._adjoint, self._panel, self._other,
            self._uniform, self._saved, self._cost, self._table, self._back_table, self._angles,
            self._sums,
        )  # fmt: skip
        addresses = [address_of(array) for array in arrays]
        return [
            (want, *addresses, address_of(self._numbers[want]), *self._spacing)
            for want in (WANT_ENERGY, WANT_GRADIENT, WANT_STATE)
        ]


def _touched(count: int, dtype: type[np.floating], shift: int = 0) -> NDArray[np.floating]:
    """Return zeros that start `shift` bytes into a page, all given by the system already."""
    size = np.dtype(dtype).itemsize
    out = np.empty(count + 2 * _PAGE // size, dtype)
    out.fill(0.0)
    start = (-out.ctypes.data % _PAGE + shift) // size
    return out[start : start + count]


def _uniform(bits: int, dtype: type[np.floating]) -> NDArray[np.floating]:
    """Return i**(ones(x) + q) for x below 2**bits and q = 0 ... 3: real, then imaginary."""
    ones = np.array([x.bit_count() for x in range(2**bits)])
    parts = [np.array(values)[(ones + q) % 4] for values in _POWERS_OF_I for q in range(4)]
    return np.concatenate(parts).astype(dtype)


_POWERS_OF_I = ([1, 0, -1, 0], [0, 1, 0, -1])
