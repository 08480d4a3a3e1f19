"""What a problem has to offer: the contract of ``[problem] kind``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from hybrid_parsl.problems.settings import ProblemSettings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy import float64
    from numpy.typing import NDArray
    from pydantic import BaseModel
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp

_MOST_ENUMERATED = 22


class Problem(ABC):
    """A cost to be minimised, and a circuit with free angles.

    A subclass has to define `circuit`, `observable` and `bounds`. Everything else is derived from
    them; what a subclass overrides for speed is compared with `observable` before a run.

    Parameters
    ----------
    settings
        An instance of `Settings`; its defaults if left out.

    Attributes
    ----------
    Settings
        Pydantic model of the keys of ``[problem]`` other than ``kind``; it should forbid unknown
        keys.
    ansatz
        ``"alternating"`` if `circuit` is the alternating-operator state of the cost diagonal
        with X mixers (parameters gamma_1..gamma_p, beta_1..beta_p, in radians), which the
        package simulates with its own kernels; ``"circuit"`` for any other circuit.
    ansatz_kinds
        The values of ``ansatz.kind`` that `circuit` and `bounds` support, the default first.
    ansatz_kind
        The one that the experiment asks for; it is set after the problem is made.
    size_keys
        The keys of ``[problem]`` that decide on the number of qubits, for errors.
    spectrum_of_sector
        Whether `spectrum` is that of the states with the conserved quantities of the circuit, such
        as a number of electrons, instead of that of all states.
    unit
        Of the cost, as figures name it.
    settings
        The values of the keys.
    """

    Settings: ClassVar[type[BaseModel]] = ProblemSettings
    ansatz: ClassVar[Literal["alternating", "circuit"]] = "circuit"
    ansatz_kinds: ClassVar[tuple[str, ...]] = ("alternating",)
    ansatz_kind: str = "alternating"
    size_keys: ClassVar[tuple[str, ...]] = ()
    spectrum_of_sector: ClassVar[bool] = False
    unit: ClassVar[str] = "cost units"

    def __init__(self, settings: BaseModel | None = None) -> None:
        self.settings: Any = self.Settings() if settings is None else settings

    @abstractmethod
    def circuit(self, parameters: Sequence[float]) -> QuantumCircuit:
        """Return the circuit with its angles bound, without measurements.

        The search has exact gradients if the angles may also be symbols of Qiskit
        (``qiskit.circuit.Parameter``), which enter the angles of gates linearly.

        Parameters
        ----------
        parameters
            As many angles as `bounds` has rows, in radians.
        """

    @abstractmethod
    def observable(self) -> SparsePauliOp:
        """Return the cost as an operator on the qubits of the circuit."""

    @abstractmethod
    def bounds(self, layers: int) -> NDArray[float64]:
        """Return the box in radians that starts are drawn from, shape ``(n_parameters, 2)``.

        For an alternating circuit, gamma is in radians per unit of the cost: a box that follows
        the scale of the cost makes the search independent of its unit.

        Parameters
        ----------
        layers
            ``ansatz.layers``; a circuit without layers ignores it.
        """

    @cached_property
    def n_qubits(self) -> int:
        """Number of qubits, at least 1. Qubit 0 is the rightmost bit of a bitstring."""
        angles = [float(low) for low, _ in self.bounds(1)]
        return int(self.circuit(angles).num_qubits)

    @classmethod
    def embed(cls, settings: dict[str, Any], folder: Path) -> dict[str, Any]:  # noqa: ARG003
        """Return `settings` with the content of the files they name, relative to `folder`.

        It is called once, before a run, so that workers need no files; the default returns
        `settings` as they are.
        """
        return settings

    def energies(self, bitstrings: Sequence[str]) -> NDArray[float64]:
        """Return the cost of each bitstring, shape ``(len(bitstrings),)``.

        Raises
        ------
        ConfigurationError
            If the observable is not diagonal.
        ResultError
            If one of them is not a bitstring of `n_qubits` qubits.
        """
        from hybrid_parsl.problems.pauli_sum import check_diagonal_terms, diagonal_energies

        observable = self.observable()
        check_diagonal_terms(observable)
        return diagonal_energies(observable, bitstrings)

    def cost_diagonal(self) -> NDArray[float64] | None:
        """Return the cost of every basis state, shape ``(2**n_qubits,)``.

        None if the observable is not diagonal.

        Raises
        ------
        InsufficientMemoryError
            If it does not fit into the free memory.
        """
        from hybrid_parsl.problems.pauli_sum import cost_diagonal

        return cost_diagonal(self.observable())

    def spectrum(self) -> tuple[float, float] | None:
        """Return the lowest and highest eigenvalue of the observable, or None if not known.

        These are the costs of the best and the worst bitstring if the observable is diagonal. The
        default knows them for up to 22 qubits, and up to 20 if the observable is not diagonal.

        Raises
        ------
        InsufficientMemoryError
            If the computation does not fit into the free memory.
        """
        from hybrid_parsl.problems.exact_spectrum import extreme_eigenvalues

        if self.n_qubits > _MOST_ENUMERATED:
            return None
        diagonal = self.cost_diagonal()
        if diagonal is None:
            return extreme_eigenvalues(self.observable())
        return float(diagonal.min()), float(diagonal.max())
