"""The keys of ``[quantum.mitigation_options]``, for each method of error mitigation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Extrapolation = Literal["linear", "quadratic", "exponential"]
FEWEST_FACTORS: dict[str, int] = {"linear": 2, "quadratic": 3, "exponential": 2}
"""Noise factors that an extrapolation needs at least: as many as it has parameters."""


class ReadoutOptions(BaseModel):
    """Options of ``mitigation = "readout"``.

    Attributes
    ----------
    twirls
        Number of patterns of bit flips before the measurement, even, 2 to 1024: half of them are
        drawn, and each is used with its complement. The shots are divided among them. Of few
        qubits, all patterns are used if there are no more.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    twirls: int = Field(default=16, ge=2, le=1024, multiple_of=2)


class ZneOptions(ReadoutOptions):
    """Options of ``mitigation = "zne"``: those of the readout, and of the extrapolation.

    Attributes
    ----------
    noise_factors
        How often each gate is applied: odd numbers from 1 to 99, ascending.
    extrapolation
        The function of the noise factor that is fitted to the energies: ``linear``,
        ``quadratic``, or ``exponential``, which decays to the energy of the fully mixed state.
        It needs as many noise factors as it has parameters: 2, 3 and 2.
    """

    noise_factors: list[Annotated[int, Field(ge=1, le=99)]] = [1, 3, 5]
    extrapolation: Extrapolation = "quadratic"

    @model_validator(mode="after")
    def _check_factors(self) -> ZneOptions:
        """Refuse noise factors that folding cannot give, or that are too few."""
        factors, fewest = self.noise_factors, FEWEST_FACTORS[self.extrapolation]
        if sorted(set(factors)) != factors or any(factor % 2 == 0 for factor in factors):
            message = "noise_factors should be odd and ascending, such as [1, 3, 5]"
            raise ValueError(message)
        if len(factors) < fewest:
            message = (
                f"noise_factors should be at least {fewest} for extrapolation = "
                f'"{self.extrapolation}"'
            )
            raise ValueError(message)
        return self


MITIGATION_OPTIONS: dict[str, type[ReadoutOptions]] = {
    "readout": ReadoutOptions,
    "zne": ZneOptions,
}
"""The model of ``[quantum.mitigation_options]`` by the value of ``quantum.mitigation``."""
