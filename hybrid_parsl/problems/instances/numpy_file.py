"""Matrices in NumPy's own format, ``.npy``."""

from __future__ import annotations

from tokenize import TokenError
from typing import TYPE_CHECKING

import numpy as np

from hybrid_parsl.problems.instances.instance import Instance, InstanceError
from hybrid_parsl.problems.instances.numeric import dense_instance
from hybrid_parsl.problems.settings import MOST_QUBITS

if TYPE_CHECKING:
    from pathlib import Path

_MATRIX = 2
_UNREADABLE = (
    *(OSError, ValueError, EOFError, OverflowError),
    *(TypeError, SyntaxError, RecursionError, MemoryError, TokenError),  # of a header in Python
)


def is_numpy(path: Path) -> bool:
    """Return whether a file begins as NumPy's files do."""
    try:
        with path.open("rb") as file:
            return file.read(len(np.lib.format.MAGIC_PREFIX)) == np.lib.format.MAGIC_PREFIX
    except OSError:
        return False  # reading it as text says why


def read_numpy(path: Path) -> Instance:
    """Read a square matrix of real numbers.

    Raises
    ------
    InstanceError
        If it is not a ``.npy`` file, or holds something else.
    """
    if not is_numpy(path):
        raise InstanceError("is not a .npy file")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        size = path.stat().st_size
    except _UNREADABLE as error:
        raise InstanceError(f"is not a .npy file: {error}") from error
    found = f"{array.dtype} of shape {array.shape}"
    square = array.ndim == _MATRIX and array.shape[0] == array.shape[1]
    if not square or array.dtype.kind not in "iuf" or not 1 <= len(array) <= MOST_QUBITS:
        valid = f"a square matrix of real numbers, 1 to {MOST_QUBITS} rows"
        raise InstanceError("is not the matrix", "", found, valid)
    end = array.offset + array.nbytes
    if size != end:
        raise InstanceError("holds more than a matrix", "", f"{size} bytes", f"{end} bytes")
    rows = array.astype(np.float64).tolist()
    return dense_instance(rows, [f"row {index + 1}" for index in range(len(rows))])
