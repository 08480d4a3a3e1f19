"""What models of spins on a chain or a rectangular lattice have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import Field, model_validator

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.problems.lattice import lattice_bonds
from hybrid_parsl.problems.settings import MOST_QUBITS, Coefficient, ProblemSettings
from hybrid_parsl.problems.variational import VariationalProblem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qiskit.quantum_info import SparsePauliOp

    from hybrid_parsl.problems.lattice import Bond


class SpinSettings(ProblemSettings):
    """The keys of a model of spins.

    Attributes
    ----------
    sites
        Number of spins, one qubit each, 2 to 40.
    width
        Columns of a rectangular lattice with ``sites / width`` rows; a chain if left out. Site
        ``y * width + x`` is in column x and row y.
    coupling
        Strength of the coupling between nearest neighbours, in the unit of the energy.
    field
        Strength of the field, in the unit of the energy.
    periodic
        Whether the chain is a ring, or the lattice a torus.
    """

    sites: Annotated[int, Field(ge=2, le=MOST_QUBITS)]
    width: Annotated[int, Field(ge=1, le=MOST_QUBITS)] | None = None
    coupling: Coefficient = 1.0
    field: Coefficient = 0.0
    periodic: bool = False

    @model_validator(mode="after")
    def _rectangle(self) -> Self:
        """Refuse a width that does not divide the number of sites."""
        if self.width is not None and self.sites % self.width:
            divisors = [str(n) for n in range(1, self.sites + 1) if self.sites % n == 0]
            message = f"does not divide problem.sites = {self.sites}"
            valid = ", ".join(divisors)
            raise ConfigurationError(message, None, "problem.width", str(self.width), valid)
        return self

    @model_validator(mode="after")
    def _some_energy(self) -> Self:
        """Refuse a model without any term."""
        if self.coupling == 0 and self.field == 0:
            message = "is 0 in every state: coupling and field are both 0"
            raise ConfigurationError(message, None, "problem", "0", "one of them other than 0")
        return self


class SpinModel(VariationalProblem):
    """Spins on a chain or a rectangular lattice, with couplings of nearest neighbours.

    Parameters
    ----------
    settings
        The model.

    Attributes
    ----------
    is_chain
        Whether the lattice is a chain or a ring.
    bonds
        The pairs of neighbours; those of one colour share no site.
    """

    size_keys: ClassVar[tuple[str, ...]] = ("sites",)

    def __init__(self, settings: SpinSettings) -> None:
        super().__init__(settings)
        self.n_qubits = settings.sites
        width = settings.width or settings.sites
        height = settings.sites // width
        self.is_chain = 1 in (width, height)
        self.bonds = lattice_bonds(width, height, periodic=settings.periodic)

    def bonds_by_colour(self) -> list[list[Bond]]:
        """Return the bonds of each colour."""
        colours = sorted({bond.colour for bond in self.bonds})
        return [[bond for bond in self.bonds if bond.colour == each] for each in colours]

    def _operator(self, bond_terms: Sequence[tuple[str, float]], field: str) -> SparsePauliOp:
        """Return the sum of `bond_terms` on all bonds, minus the field times a Pauli operator."""
        from qiskit.quantum_info import SparsePauliOp

        terms = [
            (letters, [bond.first, bond.second], coefficient)
            for bond in self.bonds
            for letters, coefficient in bond_terms
            if coefficient
        ]
        if self.settings.field:
            terms += [(field, [site], -self.settings.field) for site in range(self.n_qubits)]
        return SparsePauliOp.from_sparse_list(terms, num_qubits=self.n_qubits).simplify(atol=0)


def sign(number: float) -> float:
    """Return -1 for a negative number, otherwise 1."""
    return -1.0 if number < 0 else 1.0
