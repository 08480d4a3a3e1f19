"""The lowest and the highest eigenvalue of a sum of Pauli operators, by Lanczos' method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hybrid_parsl.problems.pauli_sum import walsh_hadamard
from hybrid_parsl.simulate.free_memory import check_memory

if TYPE_CHECKING:
    from numpy import int64
    from numpy.typing import NDArray
    from qiskit.quantum_info import SparsePauliOp

MOST_QUBITS = 20
"""Largest number of qubits whose eigenvalues are computed."""

_MOST_ENTRIES = 2**27  # of the sparse matrix: 1.5 GiB if it is real
_MOST_DENSE = 6  # qubits
_VECTORS = 24  # that ARPACK and this module hold at a time
_INDEX_BYTES = 4
_TOLERANCE = 1e-10  # of the residual, relative to the eigenvalue, whose error is quadratic in it


def extreme_eigenvalues(observable: SparsePauliOp) -> tuple[float, float] | None:
    """Return the lowest and the highest eigenvalue of a Hermitian sum of Pauli operators.

    Up to 6 qubits the matrix is diagonalised; beyond, both ends of the spectrum are computed by
    the implicitly restarted Lanczos method of ARPACK (Lehoucq, Sorensen & Yang, ARPACK Users'
    Guide, SIAM 1998) on a sparse matrix, from the same start vector each time.

    Parameters
    ----------
    observable
        The operator; imaginary parts of its coefficients are ignored.

    Returns
    -------
    tuple of float, or None
        In the unit of the coefficients; None for more than 20 qubits, or if the matrix has more
        than 2**27 entries.

    Raises
    ------
    InsufficientMemoryError
        If the computation does not fit into the free memory.
    """
    n_qubits = observable.num_qubits
    unit = float(np.abs(observable.coeffs.real).max())
    if unit == 0:
        return 0.0, 0.0
    flips = _flips(observable)
    n_flips = len(np.unique(flips))
    if n_qubits > MOST_QUBITS or n_flips << n_qubits > _MOST_ENTRIES:
        return None
    number = _number_type(observable)
    size = np.dtype(number).itemsize
    needed = (n_flips * (size + _INDEX_BYTES) + _VECTORS * size) << n_qubits
    check_memory(needed, f"the lowest and highest energy of {n_qubits} qubits")
    matrix = _sparse_matrix(observable, flips, unit)
    if n_qubits <= _MOST_DENSE:
        levels = np.linalg.eigvalsh(matrix.toarray())
        return unit * float(levels[0]), unit * float(levels[-1])
    return unit * _extreme(matrix, "SA"), unit * _extreme(matrix, "LA")


def _extreme(matrix: Any, which: str) -> float:
    """Return the lowest (``SA``) or highest (``LA``) eigenvalue of a sparse matrix."""
    from scipy.sparse.linalg import eigsh

    start = np.random.default_rng(0).standard_normal(matrix.shape[0]).astype(matrix.dtype)
    levels = eigsh(matrix, k=1, which=which, v0=start, tol=_TOLERANCE, return_eigenvectors=False)
    return float(levels[0])


def _flips(observable: SparsePauliOp) -> NDArray[int64]:
    """Return which qubits each term flips, as bits, shape ``(n_terms,)``."""
    return np.asarray(observable.paulis.x @ (1 << np.arange(observable.num_qubits)), dtype=np.int64)


def _number_type(observable: SparsePauliOp) -> type[Any]:
    """Return float if the matrix is real, that is with an even number of Y in each term."""
    n_y = (observable.paulis.x & observable.paulis.z).sum(axis=1)
    return np.complex128 if (n_y % 2).any() else np.float64


def _sparse_matrix(observable: SparsePauliOp, flips: NDArray[int64], unit: float) -> Any:
    """Return the matrix of an observable, divided by `unit`, in SciPy's CSR format.

    With x and z the qubits on which a term has X or Y and Z or Y, the term is
    ``i**n_y X^x Z^z``: terms with the same x share their place in each row.
    """
    from scipy.sparse import csr_matrix

    n_qubits = observable.num_qubits
    number = _number_type(observable)
    z, x = observable.paulis.z, observable.paulis.x
    phases = 1j ** ((z & x).sum(axis=1) % 4)
    coefficients = observable.coeffs.real / unit * phases
    places = np.unique(flips)
    states = np.arange(2**n_qubits, dtype=np.int32)
    data = np.empty((len(states), len(places)), dtype=number)
    columns = np.empty(data.shape, dtype=np.int32)
    for index, place in enumerate(places.tolist()):
        chosen = flips == place
        values = walsh_hadamard(z[chosen], coefficients[chosen], n_qubits)
        columns[:, index] = states ^ place
        diagonal = values if number is np.complex128 else values.real
        data[:, index] = diagonal[columns[:, index]]
    starts = np.arange(0, data.size + 1, len(places))
    matrix = csr_matrix((data.reshape(-1), columns.reshape(-1), starts), shape=(len(states),) * 2)
    matrix.eliminate_zeros()
    return matrix
