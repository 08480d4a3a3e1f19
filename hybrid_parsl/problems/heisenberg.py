"""The Heisenberg model."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from hybrid_parsl.problems.exchange_model import ExchangeModel
from hybrid_parsl.problems.spin_model import SpinSettings

if TYPE_CHECKING:
    from pydantic import BaseModel


class HeisenbergSettings(SpinSettings):
    """The keys of a Heisenberg model.

    Attributes
    ----------
    coupling
        In the unit of the energy, for Pauli operators: a quarter of the exchange constant J of
        ``J sum S_i S_j``. Above 0 the model is antiferromagnetic.
    """


class Heisenberg(ExchangeModel):
    """The lowest energy of ``coupling sum (XX + YY + ZZ) - field sum Z`` over nearest neighbours.

    Pauli operators, not spins of 1/2. The alternating circuit has one angle a layer for each
    colour of bonds: odd and even on a chain.

    Parameters
    ----------
    settings
        The model.
    """

    Settings: ClassVar[type[BaseModel]] = HeisenbergSettings
