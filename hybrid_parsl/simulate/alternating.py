"""The state of alternating layers (QAOA): its energy, gradient and probabilities.

|psi> = prod_{l=1..p} exp(-i beta_l B) exp(-i gamma_l C) |+>^n, with B = sum_j X_j and C a
diagonal cost, is what the quantum approximate optimization algorithm prepares: Farhi,
Goldstone and Gutmann, arXiv:1411.4028, equation 7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .diagonal import (
    checked_cost,
    find_levels,
    is_mirrored,
    ising_diagonal,
    needful_unit,
    needless_offset,
)
from .free_memory import check_memory
from .layout import (
    Layout,
    Precision,
    adjoint_bytes,
    choose_layout,
    count_ones,
    layers_to_save,
    real_type,
    required_bytes,
    state_bytes,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .buffers import Buffers

__all__ = ["AlternatingState", "ising_diagonal", "required_bytes"]

_ENERGY, _GRADIENT, _STATE = range(3)


class AlternatingState:
    """Simulates alternating layers of phases and mixing for one cost.

    If the cost does not change when all qubits are flipped, only half of the state is kept.
    If it takes few, equally spaced values (as the number of cut edges does), phases are
    looked up in tables. Both are found out here and change nothing but the speed. Buffers
    are allocated once and used again by each call, so an object must not be called from
    two threads at a time; calls release the GIL, so different objects may.

    The same angles give the same bits on each call, in each process, with any number of
    `threads`, on machines with the same type of processor.

    Parameters
    ----------
    cost
        C, one value for each basis state, shape (2**n,); qubit j is bit j of the index, as in
        Qiskit. It is not copied if it is contiguous float64, and must not be changed.
    layers
        p, 1 or more.
    precision
        ``"double"`` (complex128) or ``"single"`` (complex64: half of the memory, about 6
        digits of the energy).
    threads
        How many threads work on the state. States below 16 qubits use one.

    Raises
    ------
    ValueError
        If the cost has a wrong shape or is not finite, or another argument is not valid.
    InsufficientMemoryError
        If the state does not fit in the free memory.

    Examples
    --------
    >>> cost = ising_diagonal(2, [0, 0], [(0, 1)], [-0.5], 0.5)  # cut edges of one edge
    >>> state = AlternatingState(cost, layers=1)
    >>> round(state.energy([-np.pi / 2, np.pi / 8]), 6)
    1.0
    """

    def __init__(
        self,
        cost: NDArray[np.float64],
        layers: int,
        *,
        precision: Precision = "double",
        threads: int = 1,
    ) -> None:
        checked = checked_cost(cost)
        _check_whole("layers", layers)
        _check_whole("threads", threads)
        self._dtype = dtype = real_type(precision)
        self._n_qubits = len(checked).bit_length() - 1
        self._layers = layers
        mirrored = is_mirrored(checked)
        self._offset = needless_offset(checked)
        self._unit = needful_unit(checked)
        if self._offset or self._unit != 1.0:
            self._check_memory(8 * len(checked), "a cost without its offset, divided by its scale")
            checked = (checked - self._offset) / self._unit
        self._layout = choose_layout(self._n_qubits, mirrored=mirrored)
        self._check_memory(state_bytes(self._layout, dtype), f"a state ({precision})")
        self._buffers = _buffers(checked, self._layout, layers, dtype, threads)

    @property
    def n_qubits(self) -> int:
        """Number of qubits n."""
        return self._n_qubits

    @property
    def n_parameters(self) -> int:
        """Number of parameters, 2 p."""
        return 2 * self._layers

    def energy(self, parameters: ArrayLike) -> float:
        """Return <psi|C|psi>.

        Parameters
        ----------
        parameters
            gamma_1 ... gamma_p, beta_1 ... beta_p, shape (2 p,); beta in radians, gamma in
            radians per unit of the cost.

        Returns
        -------
        float
            In the unit of the cost.

        Raises
        ------
        ValueError
            If the parameters have a wrong shape or are not finite.
        """
        inner = self._inner(self._checked(parameters))
        return self._buffers.run(_ENERGY, inner) * self._unit + self._offset

    def energy_and_gradient(self, parameters: ArrayLike) -> tuple[float, NDArray[np.float64]]:
        """Return <psi|C|psi> and its derivatives.

        By the adjoint method, exact up to rounding errors, at about three times the cost of
        the energy for any number of layers: Jones and Gacon, arXiv:2009.02823.

        Parameters
        ----------
        parameters
            As in `energy`.

        Returns
        -------
        energy
            In the unit of the cost.
        gradient
            Derivatives by each parameter, shape (2 p,).

        Raises
        ------
        ValueError
            If the parameters have a wrong shape or are not finite.
        InsufficientMemoryError
            If the adjoint state (allocated by the first call) does not fit in the memory.
        """
        checked = self._checked(parameters)
        if not self._buffers.has_adjoint:
            needed = adjoint_bytes(self._layout, self._dtype, self._layers)
            self._check_memory(needed, "a gradient")
            self._buffers.add_adjoint(layers_to_save(self._layout, self._layers))
        energy = self._buffers.run(_GRADIENT, self._inner(checked)) * self._unit + self._offset
        gradient = self._buffers.gradient * self._unit
        gradient[: self._layers] *= self._unit
        return energy, gradient

    def probabilities(self, parameters: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of each basis state.

        Parameters
        ----------
        parameters
            As in `energy`.

        Returns
        -------
        NDArray[float64]
            Shape (2**n,), adding up to 1.

        Raises
        ------
        ValueError
            If the parameters have a wrong shape or are not finite.
        InsufficientMemoryError
            If the probabilities do not fit in the free memory.
        """
        checked = self._checked(parameters)
        self._check_memory(16 * 2**self._n_qubits, "the probabilities")
        re, im = self._evolved(checked)
        weights = np.square(re, dtype=np.float64)
        weights += np.square(im, dtype=np.float64)
        if self._layout.mirrored:
            weights = np.concatenate([weights, weights[::-1]])
        total: NDArray[np.float64] = weights.reshape(2**self._layout.idle, -1).sum(axis=0)
        return total

    def statevector(self, parameters: ArrayLike) -> NDArray[np.complex128]:
        """Return the amplitudes of the state.

        Parameters
        ----------
        parameters
            As in `energy`.

        Returns
        -------
        NDArray[complex128]
            Shape (2**n,), with the global phase of the formula.

        Raises
        ------
        ValueError
            If the parameters have a wrong shape or are not finite.
        InsufficientMemoryError
            If the amplitudes do not fit in the free memory.
        """
        checked = self._checked(parameters)
        self._check_memory(64 * 2**self._n_qubits, "the amplitudes")
        re, im = self._evolved(checked)
        psi: NDArray[np.complex128] = re + 1j * im.astype(np.float64)
        psi *= np.array([1, -1j, -1, 1j])[count_ones(len(psi)) % 4]  # see layout
        if self._layout.mirrored:
            psi = np.concatenate([psi, psi[::-1]])
        psi = psi[: 2**self._n_qubits]
        psi *= self._phase_left_out(checked) * 2.0 ** (self._layout.idle / 2)
        return psi

    def _check_memory(self, required: int, what: str) -> None:
        """Raise InsufficientMemoryError if `required` bytes are not free."""
        check_memory(required, f"{what} of {self._n_qubits} qubits")

    def _evolved(
        self, parameters: NDArray[np.float64]
    ) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Run the layers, and one with no angle that puts the last factor in."""
        gammas, betas = self._inner(parameters).reshape(2, -1)
        self._buffers.run(_STATE, np.concatenate([gammas, [0.0], betas, [0.0]]))
        return self._buffers.amplitudes()

    def _phase_left_out(self, parameters: NDArray[np.float64]) -> complex:
        """Return the phase of betas modulo a period, of idle qubits and of the cost's offset."""
        betas = parameters[self._layers :]
        half_turns = np.rint(betas / (np.pi / 2)).astype(np.int64)
        if not self._layout.mirrored:
            half_turns = 2 * np.rint(betas / np.pi).astype(np.int64)
        power = int(half_turns.sum()) * self._layout.n_qubits % 4
        turned = self._layout.idle * betas.sum() - self._offset * parameters[: self._layers].sum()
        return complex((-1j) ** power * np.exp(1j * turned))

    def _inner(self, parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the parameters for the cost divided by its unit."""
        if self._unit == 1.0:
            return parameters
        inner = parameters.copy()
        inner[: self._layers] *= self._unit
        return inner

    def _checked(self, parameters: ArrayLike) -> NDArray[np.float64]:
        array = np.ascontiguousarray(parameters, dtype=np.float64)
        if array.shape != (2 * self._layers,):
            msg = f"parameters has shape {array.shape}; valid: ({2 * self._layers},)"
            raise ValueError(msg)
        if not np.isfinite(array).all():
            msg = f"parameters is {array}; valid: finite numbers"
            raise ValueError(msg)
        return array


def _buffers(
    cost: NDArray[np.float64],
    layout: Layout,
    layers: int,
    dtype: type[np.floating],
    threads: int,
) -> Buffers:
    from .buffers import Buffers

    tiled = np.tile(cost, 2**layout.idle) if layout.idle else cost
    kept = tiled[: layout.amplitudes]
    return Buffers(kept, find_levels(kept), layout, layers, dtype, threads)


def _check_whole(name: str, value: int) -> None:
    if value < 1 or value != int(value):
        msg = f"{name} is {value}; valid: a whole number, 1 or more"
        raise ValueError(msg)
