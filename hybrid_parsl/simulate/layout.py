"""How a state lies in memory.

**Mixing is real.** With psi[x] = (-i)**ones(x) phi[x], the rotation exp(-i beta X) of a
qubit takes the pair (phi_0, phi_1) to (c phi_0 - s phi_1, s phi_0 + c phi_1), with c and s
the cosine and sine of beta: the real and imaginary parts of phi do not meet, and c can be
left out (put into the next phases) so that each number takes one multiply-add a qubit.
The kernels keep phi.

**Half is enough** if cost[x] == cost[~x]: then psi[x] == psi[~x], only the basis states
whose highest qubit is 0 are kept, and the X of that qubit pairs y with ~y, its mirror image
("mirrored"): phi[y] + s (-i)**n (-1)**ones(y) phi[~y]. That is real for even n and pairs
real with imaginary parts for odd n. Moreover beta counts modulo pi/2 only.

**Tiles and panels.** See `kernels`. A tile has 2**bits amplitudes. A panel is a group of
2**width_bits columns over all 2**high rows, with the mirror image of that group beside it,
copied to a scratch space as its rows lie so far apart that they fight for the same lines of
the cache; a small state is a panel as it is.

**Few qubits** are filled up with idle ones, up to seven: these stay in |+> and do not
change the energy, and the vectors of the processor have something to hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MIN_QUBITS = 7
_IN_PLACE_BITS = 15  # half a MiB
_FEW_QUBITS = 20  # four vectors are 64 MiB
_TILE_BITS = 14
_PANEL_BITS = 13  # log2 of the amplitudes of a panel and its mirror image, 128 KiB


Precision = Literal["double", "single"]


@dataclass(frozen=True)
class Layout:
    """The shape of the tables that hold a state.

    Parameters
    ----------
    n_qubits
        Qubits that are simulated, 7 or more.
    idle
        How many of them are idle, the highest ones.
    mirrored
        Whether only half of the state is kept.
    bits, high
        log2 of the columns and rows; bits + high is log2 of the amplitudes kept.
    width_bits
        log2 of the columns of a panel without its mirror image.
    pad
        Numbers left free after each row, so that rows do not all start in the same set of
        the cache.
    """

    n_qubits: int
    idle: int
    mirrored: bool
    bits: int
    high: int
    width_bits: int
    pad: int

    @property
    def amplitudes(self) -> int:
        """Number of amplitudes kept."""
        return 1 << (self.bits + self.high)

    @property
    def state_size(self) -> int:
        """Number of numbers that hold the state."""
        return 2 * self.tiles * ((1 << self.bits) + self.pad)

    @property
    def in_place(self) -> bool:
        """Whether the state is one panel, which needs no scratch space."""
        return self.width_bits == self.bits - 1

    @property
    def scratch_size(self) -> int:
        """Number of numbers that hold a panel and its mirror image, or a tile."""
        if self.in_place:
            return 0
        return 2 << max(self.width_bits + 1 + self.high, self.bits)

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return 1 << self.high

    @property
    def panels(self) -> int:
        """Number of panels, each with its mirror image."""
        return 1 << (self.bits - 1 - self.width_bits)


def choose_layout(n_qubits: int, *, mirrored: bool) -> Layout:
    """Return the layout that is fastest for a number of qubits.

    Parameters
    ----------
    n_qubits
        Number of qubits of the problem, 1 or more.
    mirrored
        Whether flipping all qubits leaves the cost as it is.

    Returns
    -------
    Layout
        Measured on an AMD EPYC with 512 KiB of second-level cache a core.
    """
    simulated = max(n_qubits, _MIN_QUBITS)
    total = simulated - mirrored
    if total <= _IN_PLACE_BITS:
        bits = max(5, total - (4 if total >= _IN_PLACE_BITS - 1 else 3))
        width_bits, pad = bits - 1, 0
    else:
        bits = _TILE_BITS
        width_bits = max(4, min(7, _PANEL_BITS - 1 - (total - bits)))
        pad = 40  # an odd number of cache lines
    return Layout(simulated, simulated - n_qubits, mirrored, bits, total - bits, width_bits, pad)


def layers_to_save(layout: Layout, layers: int) -> int:
    """Return after how many layers a gradient may keep the state.

    As many as leave it, with the state, its adjoint, the cost and the levels, within three
    complex128 (or, in single precision, complex64) vectors of all amplitudes; four for up
    to 20 qubits; all of them for a state so small that it is one panel.

    Parameters
    ----------
    layout
        The shape of the state.
    layers
        Number of layers p.

    Returns
    -------
    int
        0 to p - 1.
    """
    if layout.in_place:
        return layers - 1
    everything = 1 << layout.n_qubits
    vectors = 4 if layout.n_qubits <= _FEW_QUBITS else 3
    room = 2 * vectors * everything - everything - layout.amplitudes // 4 - 3 * layout.state_size
    return max(0, min(layers - 1, 1 + room // layout.state_size))


def required_bytes(
    n_qubits: int,
    *,
    precision: Precision = "double",
    mirrored: bool = False,
    layers: int = 1,
) -> int:
    """Return how much memory an `AlternatingState` takes, without the cost it is given.

    Parameters
    ----------
    n_qubits
        Number of qubits, 1 or more.
    precision
        As in `AlternatingState`.
    mirrored
        Whether flipping all qubits leaves the cost as it is.
    layers
        Number of layers p of which a gradient is wanted; 0 for energies only.

    Returns
    -------
    int
        Bytes; a few tables of less than a MiB are left out.
    """
    layout = choose_layout(n_qubits, mirrored=mirrored)
    dtype = real_type(precision)
    more = adjoint_bytes(layout, dtype, layers) if layers else 0
    return state_bytes(layout, dtype) + more


def state_bytes(layout: Layout, dtype: type[np.floating]) -> int:
    """Return how many bytes a state takes without its adjoint, but with its levels."""
    size = np.dtype(dtype).itemsize
    return size * (layout.state_size + layout.scratch_size) + 2 * layout.amplitudes


def adjoint_bytes(layout: Layout, dtype: type[np.floating], layers: int) -> int:
    """Return how many bytes gradients of `layers` layers take besides those of the state."""
    size = np.dtype(dtype).itemsize
    kept = 1 + layers_to_save(layout, layers)
    return size * (kept * layout.state_size + layout.scratch_size)


def real_type(precision: str) -> type[np.floating]:
    """Return the type of the real and imaginary parts."""
    if precision == "double":
        return np.float64
    if precision == "single":
        return np.float32
    msg = f"precision is {precision!r}; valid: 'double', 'single'"
    raise ValueError(msg)


def count_ones(size: int) -> NDArray[np.uint8]:
    """Return the number of ones of each index below `size`, a power of two."""
    out = np.zeros(size, dtype=np.uint8)
    half = 1
    while half < size:
        out[half : 2 * half] = out[:half] + 1
        half *= 2
    return out
