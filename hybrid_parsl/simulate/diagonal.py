"""Diagonal costs: built from an Ising model, and looked through for structure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .free_memory import check_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

_CHUNK = 2**16
_MAX_LEVELS = 4096  # a table of phases of 64 KiB a layer, which stays in the cache
_MAX_QUBITS = 40
_USUAL = 2.0**20  # ranges of costs between this and its inverse are left as they are


def ising_diagonal(
    n_qubits: int,
    linear: ArrayLike,
    pairs: ArrayLike,
    couplings: ArrayLike,
    offset: float = 0.0,
) -> NDArray[np.float64]:
    """Return the energies of an Ising model over all basis states.

    sum_j h_j z_j + sum_ij J_ij z_i z_j + offset, with z_j = 1 - 2 (bit j of the index).
    Built by doubling: the energies of j + 1 qubits are those of j qubits plus or minus the
    field on qubit j, which costs about four additions a basis state for any couplings.

    Parameters
    ----------
    n_qubits
        Number of qubits, 1 to 40.
    linear
        Fields h, shape (n_qubits,).
    pairs
        Pairs (i, j) of different qubits, shape (m, 2); repeated pairs add up.
    couplings
        Couplings J, shape (m,).
    offset
        A constant.

    Returns
    -------
    NDArray[float64]
        Energies in the unit of the couplings, shape (2**n_qubits,).

    Raises
    ------
    ValueError
        If a shape, a qubit or a number is not valid.
    InsufficientMemoryError
        If the energies would not fit in the free memory.

    Examples
    --------
    >>> ising_diagonal(2, [0, 0], [(0, 1)], [1.0])
    array([ 1., -1., -1.,  1.])
    """
    if not 1 <= n_qubits <= _MAX_QUBITS:
        msg = f"n_qubits is {n_qubits}; valid: 1 to {_MAX_QUBITS}"
        raise ValueError(msg)
    h = _numbers(linear, "linear", n_qubits)
    edges = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    weights = _numbers(couplings, "couplings", len(edges))
    _check_pairs(edges, n_qubits)
    field = np.zeros((n_qubits, n_qubits))
    np.add.at(field, (edges.max(axis=1), edges.min(axis=1)), weights)
    check_memory(diagonal_bytes(n_qubits), f"an Ising model of {n_qubits} qubits")
    out = np.empty(2**n_qubits)
    out[0] = _numbers([offset], "offset", 1)[0]
    local = np.empty(max(1, 2 ** (n_qubits - 1)))
    for j in range(n_qubits):
        half = 2**j
        local[0] = h[j]
        for i in range(j):
            _double(local, 2**i, field[j, i])
        _double(out, half, local[:half])
    return out


def diagonal_bytes(n_qubits: int) -> int:
    """Return how many bytes are taken while an Ising model of `n_qubits` qubits is built."""
    return 12 << n_qubits


def _double(values: NDArray[np.float64], size: int, term: float | NDArray[np.float64]) -> None:
    """Let one more bit subtract (if it is 1) or add (if it is 0) a term."""
    np.subtract(values[:size], term, out=values[size : 2 * size])
    values[:size] += term


def _numbers(values: ArrayLike, name: str, count: int) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (count,):
        msg = f"{name} has shape {array.shape}; valid: ({count},)"
        raise ValueError(msg)
    if not np.isfinite(array).all():
        msg = f"{name} holds a number that is not finite; valid: finite numbers"
        raise ValueError(msg)
    return array


def _check_pairs(edges: NDArray[np.int64], n_qubits: int) -> None:
    for i, j in edges:
        if i == j or not (0 <= i < n_qubits and 0 <= j < n_qubits):
            msg = f"pairs holds ({i}, {j}); valid: two different qubits from 0 to {n_qubits - 1}"
            raise ValueError(msg)


def _chunks(size: int) -> Iterator[slice]:
    for start in range(0, size, _CHUNK):
        yield slice(start, min(size, start + _CHUNK))


def _tolerance(cost: NDArray[np.float64]) -> float:
    """Return the size of differences that are rounding errors."""
    return float(8 * np.finfo(np.float64).eps * max(abs(cost.max()), abs(cost.min())))


def is_mirrored(cost: NDArray[np.float64]) -> bool:
    """Return whether flipping all qubits leaves the cost as it is, up to rounding errors.

    Parameters
    ----------
    cost
        Shape (2**n,).

    Returns
    -------
    bool
        True if cost[x] equals cost[~x] for all x.
    """
    half = len(cost) // 2
    tolerance = _tolerance(cost)
    back = cost[::-1]
    return all(float(np.abs(cost[part] - back[part]).max()) <= tolerance for part in _chunks(half))


def needless_offset(cost: NDArray[np.float64]) -> float:
    """Return what all values of a cost have in common, where that is more than they differ by.

    It changes no phase but the global one, and nothing of the gradient; in sums of single
    precision it would take their digits from the differences.

    Parameters
    ----------
    cost
        Shape (2**n,).

    Returns
    -------
    float
        In the unit of the cost; 0 where there is no such thing.
    """
    offset = middle(cost)
    return offset if abs(offset) > float(cost.max()) - float(cost.min()) else 0.0


def middle(cost: NDArray[np.float64]) -> float:
    """Return the middle of the lowest and the highest value of a cost."""
    low, high = float(cost.min()), float(cost.max())
    return low + (high - low) / 2


def needful_unit(cost: NDArray[np.float64]) -> float:
    """Return a power of two near the range of a cost that is very large or very small, else 1.

    Divided by it, squares of the cost and its products with amplitudes neither overflow nor lose
    digits, also in single precision. Dividing by a power of two is exact.

    Parameters
    ----------
    cost
        Shape (2**n,).

    Returns
    -------
    float
        In the unit of the cost.
    """
    span = float(cost.max()) - float(cost.min())
    return 1.0 if 1 / _USUAL <= span <= _USUAL else power_of_two(span)


def power_of_two(number: float) -> float:
    """Return the power of two nearest to a positive number, on a logarithmic scale; 1 for 0."""
    return 2.0 ** round(math.log2(number)) if number > 0 else 1.0


def cost_scale(cost: NDArray[np.float64]) -> float:
    """Return the root mean square of a spin's couplings that a cost would have: about 1 / gamma.

    The variance of an Ising cost over all basis states is the sum of its squared couplings, each
    of which belongs to two of the n spins; hence the root of 2 / n times the variance.

    Parameters
    ----------
    cost
        Shape (2**n,); the mean need not be 0.

    Returns
    -------
    float
        In the unit of the cost, above 0; 1 for a constant.
    """
    unit = power_of_two(float(cost.max()) - float(cost.min()))
    mean = sum(float(cost[part].sum()) for part in _chunks(len(cost))) / len(cost)
    squares = (float((((cost[part] - mean) / unit) ** 2).sum()) for part in _chunks(len(cost)))
    variance = sum(squares) / len(cost)
    n_qubits = len(cost).bit_length() - 1
    return unit * math.sqrt(2 * variance / n_qubits) or 1.0


@dataclass(frozen=True)
class Levels:
    """A cost that only takes the values first + step k with k = 0, 1, ... count - 1.

    Parameters
    ----------
    number
        k of each basis state, uint16.
    first, step
        In the unit of the cost.
    count
        How many values there are.
    """

    number: NDArray[np.uint16]
    first: float
    step: float
    count: int


def find_levels(cost: NDArray[np.float64], most: int = _MAX_LEVELS) -> Levels | None:
    """Return the equally spaced levels of a cost, or None if there are too many.

    Parameters
    ----------
    cost
        Shape (m,).
    most
        How many levels are few enough.

    Returns
    -------
    Levels or None
        Equal to the cost up to rounding errors.
    """
    first, last = float(cost.min()), float(cost.max())
    tolerance = _tolerance(cost)
    span = last - first
    step = span
    for part in _chunks(len(cost)):
        step = _common_step(cost[part] - first, step, tolerance)
        if step * (most - 1) < span:
            return None
    count = round(span / step) + 1 if span > tolerance else 1
    step = span / (count - 1) if count > 1 else 1.0
    number = np.empty(len(cost), dtype=np.uint16)
    for part in _chunks(len(cost)):
        number[part] = np.rint((cost[part] - first) / step)
        if np.abs(number[part] * step + first - cost[part]).max() > 2 * tolerance:
            return None
    return Levels(number, first, step, count)


def _common_step(values: NDArray[np.float64], step: float, tolerance: float) -> float:
    """Return the largest number that divides all the values and `step`, or 0.0."""
    while step > 100 * tolerance:
        rest = np.abs(values - np.rint(values / step) * step)
        if rest.max() <= 100 * tolerance:
            return step
        step = float(rest[rest > 100 * tolerance].min())
    return 0.0


def checked_cost(cost: ArrayLike) -> NDArray[np.float64]:
    """Return a cost as contiguous doubles; raise ValueError if it cannot be one."""
    array = np.ascontiguousarray(cost, dtype=np.float64)
    size = array.size
    if array.ndim != 1 or size < 2 or size & (size - 1):  # noqa: PLR2004
        msg = f"cost has shape {array.shape}; valid: (2**n,) with n = 1, 2, ..."
        raise ValueError(msg)
    if not (np.isfinite(array.min()) and np.isfinite(array.max())):
        msg = "cost holds a value that is not finite; valid: finite numbers"
        raise ValueError(msg)
    return array
