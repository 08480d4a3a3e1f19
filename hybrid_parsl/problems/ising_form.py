"""A cost that is quadratic in spins: its values, its operator, its alternating circuit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hybrid_parsl.errors import ConfigurationError, ResultError
from hybrid_parsl.messages import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float64, int64
    from numpy.typing import NDArray
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp

_MOST_ENUMERATED = 26
_BLOCK = 18


@dataclass(frozen=True, eq=False)
class IsingForm:
    """The cost ``sum_j h_j z_j + sum_(i,j) J_ij z_i z_j + offset`` of spins z = +1 or -1.

    Spin j is ``1 - 2 * b`` where b is bit j of a basis state, so that z_j is the eigenvalue of
    Pauli Z on qubit j.

    Attributes
    ----------
    n_qubits
        Number of spins n, at least 1.
    linear
        The fields h, shape ``(n_qubits,)``.
    pairs
        Two different spins a row, shape ``(n_pairs, 2)``.
    couplings
        The coupling J of each pair, shape ``(n_pairs,)``.
    offset
        The constant term.

    Examples
    --------
    >>> form = IsingForm(2, np.zeros(2), np.array([[0, 1]]), np.array([1.0]), 0.0)
    >>> form.energies(["00", "01"])
    array([ 1., -1.])
    """

    n_qubits: int
    linear: NDArray[float64]
    pairs: NDArray[int64]
    couplings: NDArray[float64]
    offset: float

    def cost_diagonal(self) -> NDArray[float64]:
        """Return the cost of every basis state, shape ``(2**n_qubits,)``.

        Raises
        ------
        InsufficientMemoryError
            If the diagonal does not fit into the free memory.
        """
        from hybrid_parsl.simulate.diagonal import ising_diagonal

        return ising_diagonal(self.n_qubits, self.linear, self.pairs, self.couplings, self.offset)

    def energies(self, bitstrings: Sequence[str]) -> NDArray[float64]:
        """Return the cost of each bitstring, shape ``(len(bitstrings),)``.

        Parameters
        ----------
        bitstrings
            In Qiskit's bit order: qubit 0 is the rightmost character.

        Raises
        ------
        ResultError
            One of them is not made of `n_qubits` characters 0 and 1.
        """
        spins = spins_of(bitstrings, self.n_qubits)
        matrix = np.zeros((self.n_qubits, self.n_qubits))
        np.add.at(matrix, (self.pairs[:, 0], self.pairs[:, 1]), self.couplings)
        pairwise = np.einsum("ki,ki->k", spins @ matrix, spins)
        return np.asarray(pairwise + spins @ self.linear + self.offset, dtype=np.float64)

    def observable(self) -> SparsePauliOp:
        """Return the cost as a sum of Z and ZZ operators and the identity."""
        from qiskit.quantum_info import SparsePauliOp

        fields = [("Z", [qubit], h) for qubit, h in enumerate(self.linear.tolist()) if h]
        coupled = zip(self.pairs.tolist(), self.couplings.tolist(), strict=True)
        terms = [("", [], self.offset), *fields, *(("ZZ", pair, value) for pair, value in coupled)]
        return SparsePauliOp.from_sparse_list(terms, num_qubits=self.n_qubits)

    def circuit(self, parameters: Sequence[float]) -> QuantumCircuit:
        """Return the circuit of the alternating-operator state, without measurements.

        The state is ``prod_l exp(-i beta_l B) exp(-i gamma_l C) |+>`` with B the sum of the
        Pauli X and C this cost (Farhi, Goldstone & Gutmann, arXiv:1411.4028, equation 6), up
        to a global phase.

        Parameters
        ----------
        parameters
            gamma_1 to gamma_p and then beta_1 to beta_p, in radians; Qiskit's parameters leave
            the circuit open.

        Raises
        ------
        ConfigurationError
            If the number of angles is not even, or there are none.
        """
        from qiskit import QuantumCircuit

        layers = len(parameters) // 2
        if layers < 1 or len(parameters) != 2 * layers:
            message = "the alternating circuit cannot take this number of angles"
            valid = "an even number, at least 2"
            raise ConfigurationError(message, None, None, shown(len(parameters)), valid)
        circuit = QuantumCircuit(self.n_qubits)
        circuit.h(range(self.n_qubits))
        order = abreast(self.pairs)
        for gamma, beta in zip(parameters[:layers], parameters[layers:], strict=True):
            for index in order:
                first, second = self.pairs[index].tolist()
                circuit.rzz(2 * float(self.couplings[index]) * gamma, first, second)
            for qubit in np.flatnonzero(self.linear).tolist():
                circuit.rz(2 * float(self.linear[qubit]) * gamma, qubit)
            circuit.rx(2 * beta, range(self.n_qubits))
        return circuit

    def bounds(self, layers: int) -> NDArray[float64]:
        """Return the box that starts are drawn from, in radians, shape ``(2 * layers, 2)``.

        It is where good angles are, not a period. With s the root mean square, over spins, of
        the couplings of a spin, the best gamma is 1 / (2 s) for one layer of a dense random
        cost, and of that order for more layers and for sparse costs (Farhi, Goldstone, Gutmann
        & Zhou, Quantum 6, 759, 2022; Basso et al., arXiv:2110.14206): gamma is drawn from 0 to
        1 / s. The sign of beta that lowers a cost under positive gamma is minus, as in
        annealing from the lowest state of ``-B``: beta is drawn from -pi/4 to 0.
        """
        squares = self.linear**2
        np.add.at(squares, self.pairs.ravel(), np.repeat(self.couplings**2, 2))
        coupled = squares[squares > 0]
        scale = float(np.sqrt(coupled.mean())) if len(coupled) else 1.0
        gamma, beta = [0.0, 1 / scale], [-np.pi / 4, 0.0]
        return np.repeat([gamma, beta], layers, axis=0)

    def spectrum(self) -> tuple[float, float] | None:
        """Return the lowest and highest cost of all, or None for more than 26 qubits.

        The basis states are gone through in blocks, so that it needs a few MiB only.
        """
        if self.n_qubits > _MOST_ENUMERATED:
            return None
        n_low = min(self.n_qubits, _BLOCK)
        extremes = []
        for high in range(2 ** (self.n_qubits - n_low)):
            block = self._fix_high(n_low, high).cost_diagonal()
            extremes.append((float(block.min()), float(block.max())))
        lowest, highest = zip(*extremes, strict=True)
        return min(lowest), max(highest)

    def _fix_high(self, n_low: int, high: int) -> IsingForm:
        """Return the form of the `n_low` lowest spins, the others set by the bits of `high`."""
        n_high = self.n_qubits - n_low
        fixed = 1.0 - 2.0 * ((high >> np.arange(n_high)) & 1)
        values = np.concatenate([np.ones(n_low), fixed])
        low = self.pairs < n_low
        both, neither = low.all(axis=1), ~low.any(axis=1)
        mixed = ~both & ~neither
        linear = self.linear[:n_low].copy()
        inner = np.where(low, self.pairs, 0).max(axis=1)[mixed]
        outer = np.where(low, 0, self.pairs).max(axis=1)[mixed]
        np.add.at(linear, inner, self.couplings[mixed] * values[outer])
        constant = self.couplings[neither] @ values[self.pairs[neither]].prod(axis=1)
        offset = self.offset + float(self.linear[n_low:] @ fixed) + float(constant)
        return IsingForm(n_low, linear, self.pairs[both], self.couplings[both], offset)


def spins_of(bitstrings: Sequence[str], n_qubits: int) -> NDArray[float64]:
    """Return the spin of every qubit in every bitstring, shape ``(len(bitstrings), n_qubits)``.

    Raises
    ------
    ResultError
        One of them is not made of `n_qubits` characters 0 and 1.
    """
    for bits in bitstrings:
        if len(bits) != n_qubits or bits.strip("01"):
            raise ResultError(f"{shown(bits)} is not a bitstring of {n_qubits} qubits")
    flat = np.frombuffer("".join(bitstrings).encode("ascii"), dtype=np.uint8)
    bits_of = flat.reshape(len(bitstrings), n_qubits)[:, ::-1] - ord("0")
    return np.asarray(1.0 - 2.0 * bits_of, dtype=np.float64)


def abreast(pairs: NDArray[int64]) -> list[int]:
    """Return an order of `pairs` in which gates on them leave a shallow circuit.

    Each pair goes to the first moment at which both of its qubits are free: a greedy edge
    colouring, at most twice as deep as the best one.
    """
    busy: dict[int, set[int]] = {}
    moments = []
    for first, second in pairs.tolist():
        taken = busy.setdefault(first, set()) | busy.setdefault(second, set())
        moment = next(number for number in range(len(taken) + 1) if number not in taken)
        busy[first].add(moment)
        busy[second].add(moment)
        moments.append(moment)
    return sorted(range(len(moments)), key=moments.__getitem__)
