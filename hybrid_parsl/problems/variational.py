"""What the problems have in common whose circuit is chosen by ``ansatz.kind``."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import shown
from hybrid_parsl.problems.ansatz.efficient_su2 import su2_bounds, su2_circuit
from hybrid_parsl.problems.ansatz.hamiltonian_variational import append_layers
from hybrid_parsl.problems.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float64
    from numpy.typing import NDArray
    from qiskit import QuantumCircuit

    from hybrid_parsl.problems.ansatz.hamiltonian_variational import Group

SU2 = "efficient_su2"
"""The value of ``ansatz.kind`` for the hardware-efficient circuit."""


class VariationalProblem(Problem):
    """A problem with a Hamiltonian variational and a hardware-efficient circuit.

    With ``ansatz.kind = "alternating"`` the circuit prepares an initial state, and each layer then
    evolves it under one group of terms after the other
    (`hybrid_parsl.problems.ansatz.hamiltonian_variational`); with ``"efficient_su2"`` it is the
    circuit of `hybrid_parsl.problems.ansatz.efficient_su2`.

    A subclass defines `observable`, `groups`, `group_bounds` and `prepare`, and sets `n_qubits`.
    """

    ansatz_kinds: ClassVar[tuple[str, ...]] = ("alternating", SU2)

    @abstractmethod
    def groups(self) -> Sequence[Group]:
        """Return the groups of commuting terms in the order in which a layer applies them.

        Their weights are free of the unit of the cost, of magnitude 1 for the largest term.
        """

    @abstractmethod
    def group_bounds(self) -> NDArray[float64]:
        """Return the box of one angle of each group in radians, shape ``(n_groups, 2)``."""

    def start_bounds(self) -> NDArray[float64]:
        """Return the box of the angles of the initial state, which has none by default."""
        return np.empty((0, 2))

    @abstractmethod
    def prepare(self, circuit: QuantumCircuit, angles: Sequence[Any]) -> None:
        """Append the gates that prepare the initial state from all qubits in 0.

        Parameters
        ----------
        circuit
            A circuit without gates.
        angles
            As many as `start_bounds` has rows, in radians, or parameters of Qiskit's.
        """

    def bounds(self, layers: int) -> NDArray[float64]:
        """Return the box in radians that starts are drawn from, shape ``(n_parameters, 2)``.

        With an alternating circuit, the angles of the initial state come first, then all angles of
        the first group, layer by layer, and so on.
        """
        if self.ansatz_kind == SU2:
            return su2_bounds(self.n_qubits, layers)
        return np.concatenate([self.start_bounds(), np.repeat(self.group_bounds(), layers, axis=0)])

    def circuit(self, parameters: Sequence[Any]) -> QuantumCircuit:
        """Return the circuit with its angles, without measurements.

        Parameters
        ----------
        parameters
            As many angles as `bounds` has rows, in radians; Qiskit's parameters leave the circuit
            open.

        Raises
        ------
        ConfigurationError
            If their number fits no number of layers.
        """
        from qiskit import QuantumCircuit

        if self.ansatz_kind == SU2:
            return su2_circuit(self.n_qubits, parameters)
        angles = list(parameters)
        groups, n_first = self.groups(), len(self.start_bounds())
        layers, rest = divmod(len(angles) - n_first, len(groups))
        if rest or layers < 1:
            message = "the circuit cannot take this number of angles"
            valid = f"{n_first} + {len(groups)} * layers"
            raise ConfigurationError(message, None, None, shown(len(angles)), valid)
        circuit = QuantumCircuit(self.n_qubits)
        self.prepare(circuit, angles[:n_first])
        append_layers(circuit, groups, angles[n_first:])
        return circuit
