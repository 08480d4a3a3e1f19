"""What the problems whose cost is an Ising form have in common."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING

from hybrid_parsl.problems.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float64
    from numpy.typing import NDArray
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp

    from hybrid_parsl.problems.ising_form import IsingForm


def without_offset(problem: Problem) -> tuple[Problem, float]:
    """Return a problem with the constant term of its cost left out, and that constant.

    Differences of energies keep all their digits so, however large the constant is. A problem
    that is not an Ising form comes back as it is, with 0.
    """
    if not isinstance(problem, IsingProblem) or problem.form.offset == 0:
        return problem, 0.0
    bare = copy(problem)
    bare.form = replace(problem.form, offset=0.0)
    return bare, problem.form.offset


class IsingProblem(Problem):
    """A problem with the alternating circuit of an Ising form.

    Parameters
    ----------
    form
        The cost.

    Attributes
    ----------
    form
        The cost.
    """

    ansatz = "alternating"

    def __init__(self, form: IsingForm) -> None:
        self.form = form
        self.n_qubits = form.n_qubits

    def bounds(self, layers: int) -> NDArray[float64]:
        """Return the box in radians that starts are drawn from, shape ``(2 * layers, 2)``."""
        return self.form.bounds(layers)

    def cost_diagonal(self) -> NDArray[float64]:
        """Return the cost of every basis state, shape ``(2**n_qubits,)``.

        Raises
        ------
        InsufficientMemoryError
            If the diagonal does not fit into the free memory.
        """
        return self.form.cost_diagonal()

    def observable(self) -> SparsePauliOp:
        """Return the cost as an operator."""
        return self.form.observable()

    def circuit(self, parameters: Sequence[float]) -> QuantumCircuit:
        """Return the alternating circuit with its angles bound, without measurements.

        Raises
        ------
        ConfigurationError
            If the number of angles is not even, or there are none.
        """
        return self.form.circuit(parameters)

    def energies(self, bitstrings: Sequence[str]) -> NDArray[float64]:
        """Return the cost of each bitstring, shape ``(len(bitstrings),)``.

        Raises
        ------
        ResultError
            One of them is not a bitstring of `n_qubits` qubits.
        """
        return self.form.energies(bitstrings)

    def spectrum(self) -> tuple[float, float] | None:
        """Return the lowest and highest cost, or None for more than 26 qubits."""
        return self.form.spectrum()
