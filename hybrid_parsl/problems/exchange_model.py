"""What the Heisenberg and the XXZ model have in common: exchange between neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hybrid_parsl.problems.ansatz.hamiltonian_variational import PauliTerm
from hybrid_parsl.problems.spin_model import SpinModel, sign

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy import float64
    from numpy.typing import NDArray
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp

    from hybrid_parsl.problems.ansatz.hamiltonian_variational import Group
    from hybrid_parsl.problems.lattice import Bond


class ExchangeModel(SpinModel):
    """Neighbours with ``coupling (XX + YY + anisotropy ZZ)``, in a field ``-field sum Z``.

    The alternating circuit starts in the ground state of separate pairs, on a chain its even bonds:
    singlets if the coupling is antiferromagnetic (Ho & Hsieh, SciPost Phys. 6, 029, 2019; Wiersema
    et al., PRX Quantum 1, 020319, 2020). Each layer evolves it under the bonds of one colour after
    the other, on a chain the odd and then the even ones. Couplings and field keep the
    magnetisation, the sum of Z, so that the field needs no angle, and the circuit stays in the
    sector of its initial state.
    """

    @property
    def anisotropy(self) -> float:
        """The weight of ZZ beside XX + YY."""
        return 1.0

    def observable(self) -> SparsePauliOp:
        """Return the energy as a sum of XX, YY, ZZ and Z operators."""
        coupling = self.settings.coupling
        pair = [("XX", coupling), ("YY", coupling), ("ZZ", coupling * self.anisotropy)]
        return self._operator(pair, "Z")

    def groups(self) -> list[Group]:
        """Return the exchange of the bonds of each colour, with the sign of the coupling.

        The colour of the initial pairs comes last: evolution under it leaves them as they are.
        """
        weight = sign(self.settings.coupling)
        kinds = [("XX", weight), ("YY", weight), ("ZZ", weight)]
        return [bond_terms(bonds, kinds) for bonds in self._bonds_in_order()]

    def _bonds_in_order(self) -> list[list[Bond]]:
        """Return the bonds of each colour in the order in which a layer follows them."""
        first, *others = self.bonds_by_colour()
        return [*others, first]

    def group_bounds(self) -> NDArray[float64]:
        """Return the box of one angle of each group: 0 to pi / 4 radians, a swap of neighbours.

        Positive angles are those of annealing from the ground state of separate pairs.
        """
        return np.tile([0.0, np.pi / 4], (len(self.groups()), 1))

    def prepare(self, circuit: QuantumCircuit, angles: Sequence[Any]) -> None:  # noqa: ARG002
        """Prepare the ground state of separate pairs; a spin without a partner follows the field.

        That of one pair is the singlet, the triplet ``01 + 10``, or both spins along the field.
        """
        coupling, anisotropy = self.settings.coupling, self.anisotropy
        down = self.settings.field < 0
        paired = coupling != 0 and anisotropy * sign(coupling) > -1
        pairs = self._pairs() if paired else []
        for first, second in pairs:
            if coupling > 0:
                circuit.x(first)
            circuit.h(first)
            circuit.x(second)
            circuit.cx(first, second)
        if down:
            rest = set(range(self.n_qubits)) - {site for pair in pairs for site in pair}
            circuit.x(sorted(rest))

    def _pairs(self) -> list[tuple[int, int]]:
        """Return pairs of neighbours that share no site, by colour: on a chain its even bonds."""
        taken: set[int] = set()
        pairs = []
        for bond in self.bonds:
            if not taken & {bond.first, bond.second}:
                taken |= {bond.first, bond.second}
                pairs.append((bond.first, bond.second))
        return pairs


def bond_terms(bonds: Iterable[Bond], kinds: Sequence[tuple[str, float]]) -> Group:
    """Return the terms of these letters and weights on each of the bonds."""
    return tuple(
        PauliTerm(letters, (bond.first, bond.second), weight)
        for bond in bonds
        for letters, weight in kinds
    )
