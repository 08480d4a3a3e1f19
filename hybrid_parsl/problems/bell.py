"""A Bell pair whose parity one angle turns: the smallest circuit that is worth sampling."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import shown
from hybrid_parsl.problems.ising_form import spins_of
from hybrid_parsl.problems.problem import Problem
from hybrid_parsl.problems.settings import ProblemSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float64
    from numpy.typing import NDArray
    from pydantic import BaseModel
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp

_N_PARAMETERS = 2


class BellSettings(ProblemSettings):
    """A Bell problem has no keys of its own."""


class Bell(Problem):
    """The parity ``<Z Z>`` of a Bell pair after turns by theta and phi.

    The circuit is H(0), CX(0, 1), RZ(phi, 1), RX(theta, 0). A turn about Z leaves the parity as
    it is and a turn about X takes Z to ``Z cos(theta) + Y sin(theta)``, so the energy is
    ``cos(theta)`` (Nielsen & Chuang, Quantum Computation and Quantum Information, section
    1.3.6 for the state and 4.2 for the turns): lowest, -1, at theta = pi.

    Parameters
    ----------
    settings
        Holds nothing.
    """

    Settings: ClassVar[type[BaseModel]] = BellSettings
    n_qubits = 2

    def bounds(self, layers: int) -> NDArray[float64]:  # noqa: ARG002 - it has no layers
        """Return the box of theta and phi: 0 to pi radians each, shape ``(2, 2)``."""
        return np.array([[0.0, np.pi], [0.0, np.pi]])

    def observable(self) -> SparsePauliOp:
        """Return the parity, Pauli Z on both qubits."""
        from qiskit.quantum_info import SparsePauliOp

        return SparsePauliOp("ZZ")

    def circuit(self, parameters: Sequence[float]) -> QuantumCircuit:
        """Return the circuit with theta and phi bound, without measurements.

        Parameters
        ----------
        parameters
            theta and phi, in radians.

        Raises
        ------
        ConfigurationError
            If there are not two angles.
        """
        from qiskit import QuantumCircuit

        if len(parameters) != _N_PARAMETERS:
            message = "the Bell circuit cannot take this number of angles"
            found = shown(len(parameters))
            raise ConfigurationError(message, None, None, found, "2: theta and phi")
        theta, phi = parameters
        circuit = QuantumCircuit(self.n_qubits)
        circuit.h(0)
        circuit.cx(0, 1)
        circuit.rz(phi, 1)
        circuit.rx(theta, 0)
        return circuit

    def energies(self, bitstrings: Sequence[str]) -> NDArray[float64]:
        """Return the parity of each bitstring, 1 or -1, shape ``(len(bitstrings),)``.

        Raises
        ------
        ResultError
            One of them is not a bitstring of 2 qubits.
        """
        return np.asarray(spins_of(bitstrings, self.n_qubits).prod(axis=1), dtype=np.float64)

    def spectrum(self) -> tuple[float, float] | None:
        """Return the lowest and highest parity: -1 and 1."""
        return -1.0, 1.0
