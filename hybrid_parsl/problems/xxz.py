"""The XXZ model: Heisenberg's with another coupling along z."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import model_validator

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import shown
from hybrid_parsl.problems.exchange_model import ExchangeModel, bond_terms
from hybrid_parsl.problems.settings import VALID_COEFFICIENT, Coefficient, is_coefficient
from hybrid_parsl.problems.spin_model import SpinSettings, sign

if TYPE_CHECKING:
    from pydantic import BaseModel

    from hybrid_parsl.problems.ansatz.hamiltonian_variational import Group


class XXZSettings(SpinSettings):
    """The keys of an XXZ model.

    Attributes
    ----------
    anisotropy
        Delta, the weight of ZZ beside XX + YY; 1 for the Heisenberg model, 0 for the XX model.
    """

    anisotropy: Coefficient = 1.0

    @model_validator(mode="after")
    def _product(self) -> Self:
        """Refuse a coupling along z that is too large or too small."""
        product = self.coupling * self.anisotropy
        if not is_coefficient(product) or (product == 0 and self.coupling and self.anisotropy):
            valid = f"coupling * anisotropy: {VALID_COEFFICIENT}"
            message = "does not fit problem.coupling"
            key, found = "problem.anisotropy", shown(self.anisotropy)
            raise ConfigurationError(message, None, key, found, valid)
        return self


class XXZ(ExchangeModel):
    """The lowest energy of ``coupling sum (XX + YY + anisotropy ZZ) - field sum Z``.

    Pauli operators, not spins of 1/2. The alternating circuit has two angles a layer for each
    colour of bonds, odd and even on a chain: one for XX + YY, one for ZZ.

    Parameters
    ----------
    settings
        The model.
    """

    Settings: ClassVar[type[BaseModel]] = XXZSettings

    @property
    def anisotropy(self) -> float:
        """The weight of ZZ beside XX + YY."""
        return float(self.settings.anisotropy)

    def groups(self) -> list[Group]:
        """Return XX + YY and ZZ on the bonds of each colour, with the signs of the energy."""
        plane = sign(self.settings.coupling)
        axis = plane * sign(self.anisotropy)
        kinds = [[("XX", plane), ("YY", plane)], [("ZZ", axis)]]
        return [bond_terms(bonds, kind) for bonds in self._bonds_in_order() for kind in kinds]
