"""What a problem has to offer; a class of any package that offers it is a problem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy import float64
    from numpy.typing import NDArray
    from pydantic import BaseModel
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp


class Problem(Protocol):
    """A cost to be minimised, and a circuit with free angles.

    A problem is made of the keys of ``[problem]`` other than ``kind``: they are read by
    `Settings`, a pydantic model that forbids unknown keys, and handed to the class as its only
    argument.

    Attributes
    ----------
    Settings
        The model of the problem's keys.
    ansatz
        ``"alternating"`` if `circuit` is the alternating-operator state of the cost diagonal
        with X mixers (parameters gamma_1..gamma_p, beta_1..beta_p, in radians), which the
        package simulates with its own kernels; ``"circuit"`` for any other circuit.
    n_qubits
        Number of qubits, at least 1. Qubit 0 is the rightmost bit of a bitstring.
    """

    Settings: ClassVar[type[BaseModel]]
    ansatz: ClassVar[Literal["alternating", "circuit"]]

    @property
    def n_qubits(self) -> int:
        """Number of qubits, at least 1."""

    @classmethod
    def embed(cls, settings: dict[str, Any], folder: Path) -> dict[str, Any]:
        """Return `settings` with the content of the files they name, relative to `folder`."""

    def bounds(self, layers: int) -> NDArray[float64]:
        """Return the box in radians that starts are drawn from, shape ``(n_parameters, 2)``.

        For an alternating circuit, gamma is in radians per unit of the cost: a box that follows
        the scale of the cost makes the search independent of its unit.
        """

    def cost_diagonal(self) -> NDArray[float64] | None:
        """Return the cost of every basis state, shape ``(2**n_qubits,)``, or None."""

    def observable(self) -> SparsePauliOp:
        """Return the cost as an operator."""

    def circuit(self, parameters: Sequence[float]) -> QuantumCircuit:
        """Return the circuit with its angles bound, without measurements."""

    def energies(self, bitstrings: Sequence[str]) -> NDArray[float64]:
        """Return the cost of each bitstring, shape ``(len(bitstrings),)``."""

    def spectrum(self) -> tuple[float, float] | None:
        """Return the lowest and highest cost of any bitstring, or None if not known."""
