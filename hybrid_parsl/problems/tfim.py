"""The Ising model in a transverse field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hybrid_parsl.problems.ansatz.hamiltonian_variational import PauliTerm
from hybrid_parsl.problems.free_fermions import ising_chain_spectrum
from hybrid_parsl.problems.settings import Coefficient  # noqa: TC001 - pydantic reads it
from hybrid_parsl.problems.spin_model import SpinModel, SpinSettings, sign

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float64
    from numpy.typing import NDArray
    from pydantic import BaseModel
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp

    from hybrid_parsl.problems.ansatz.hamiltonian_variational import Group


class TransverseFieldIsingSettings(SpinSettings):
    """The keys of a transverse-field Ising model.

    Attributes
    ----------
    coupling
        J, in the unit of the energy; above 0, neighbours are parallel.
    field
        h, in the unit of the energy; the chain is critical at ``abs(field) == abs(coupling)``.
    """

    field: Coefficient = 1.0


class TransverseFieldIsing(SpinModel):
    """The lowest energy of ``-coupling sum Z_i Z_j - field sum X_i`` over nearest neighbours.

    The alternating circuit starts in the ground state of the field; each layer evolves it under the
    couplings and then under the field, with one angle each: gamma_1 to gamma_p and then beta_1 to
    beta_p. On a critical ring of N spins, N / 2 layers give the ground state (Ho & Hsieh, SciPost
    Phys. 6, 029, 2019; Wiersema et al., PRX Quantum 1, 020319, 2020).

    Parameters
    ----------
    settings
        The model.
    """

    Settings: ClassVar[type[BaseModel]] = TransverseFieldIsingSettings

    def observable(self) -> SparsePauliOp:
        """Return the energy as a sum of ZZ and X operators."""
        return self._operator([("ZZ", -self.settings.coupling)], "X")

    def groups(self) -> list[Group]:
        """Return the couplings and the field, each with the sign that it has in the energy."""
        coupled, turned = -sign(self.settings.coupling), -sign(self.settings.field)
        return [
            tuple(PauliTerm("ZZ", (bond.first, bond.second), coupled) for bond in self.bonds),
            tuple(PauliTerm("X", (site,), turned) for site in range(self.n_qubits)),
        ]

    def group_bounds(self) -> NDArray[float64]:
        """Return the box of gamma and beta: 0 to pi / 2 radians each.

        Positive angles are those of annealing from the ground state of the field.
        """
        return np.array([[0.0, np.pi / 2], [0.0, np.pi / 2]])

    def prepare(self, circuit: QuantumCircuit, angles: Sequence[Any]) -> None:  # noqa: ARG002
        """Prepare the ground state of the field: every spin along it; +x without any field."""
        sites = range(self.n_qubits)
        if self.settings.field < 0:
            circuit.x(sites)
        circuit.h(sites)

    def spectrum(self) -> tuple[float, float] | None:
        """Return the lowest and highest energy, or None if not known.

        They are known for chains and rings of any size, and for lattices of up to 20 sites.

        Raises
        ------
        InsufficientMemoryError
            If those of a lattice do not fit into the free memory.
        """
        if not self.is_chain:
            return super().spectrum()
        return ising_chain_spectrum(
            self.n_qubits,
            self.settings.coupling,
            self.settings.field,
            periodic=self.settings.periodic,
        )
