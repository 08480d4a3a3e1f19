"""What an optimiser has to offer: the contract of ``[search] method``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from hybrid_parsl.experiment_file import explain
from hybrid_parsl.optimize.start import Recorder

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    from hybrid_parsl.experiment import Search
    from hybrid_parsl.optimize.objective import Objective
    from hybrid_parsl.optimize.start import Start


class OptimizerOptions(BaseModel):
    """The keys of ``[search] options``; a subclass adds those of one optimiser."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Optimizer(ABC):
    """Carries out the starts of a search, one at a time.

    A subclass has to define `minimize`. Everything else is taken care of: seeded starts that any
    rank may take, the record of evaluations and of the best point, the journal and the trace.

    Parameters
    ----------
    search
        The table ``[search]``.

    Attributes
    ----------
    Options
        Pydantic model of the keys of ``[search] options``; it should forbid unknown keys.
    gradient
        Whether the optimiser calls `Recorder.energy_and_gradient`: never (``unused``), where the
        objective has a gradient (``optional``), or always (``required``).
    moves
        Whether a start is improved step by step. If not, it is one point in the units of the
        problem.
    portion
        Starts that a rank takes at once; 1 for a start that takes long.
    search
        The table ``[search]``, with the limits ``iterations`` and ``tolerance`` of one start.
    options
        An instance of `Options`.
    start
        Where start 0 begins, shape ``(n_parameters,)``; drawn like the others if None.

    Raises
    ------
    ConfigurationError
        If a key or value of ``search.options`` is not valid.
    """

    Options: type[BaseModel] = OptimizerOptions
    gradient: Literal["unused", "optional", "required"] = "unused"
    moves: ClassVar[bool] = True
    portion: ClassVar[int] = 1

    def __init__(self, search: Search) -> None:
        self.search = search
        self.start: NDArray[float64] | None = None
        try:
            self.options: Any = self.Options.model_validate(search.options)
        except ValidationError as error:
            raise explain(error, self.Options, "search.options") from error

    @abstractmethod
    def minimize(
        self,
        objective: Recorder,
        point: NDArray[float64],
        bounds: NDArray[float64],
        random: np.random.Generator,
    ) -> None:
        """Minimise the energy from a point.

        The best point that was evaluated is the outcome of the start: nothing is returned.

        Parameters
        ----------
        objective
            Gives energies, and gradients if it ``has_gradient``; `Recorder.mark` notes the end
            of an iteration in the trace.
        point
            Where to begin, shape ``(n_parameters,)``.
        bounds
            The box that `point` was drawn from, shape ``(n_parameters, 2)``. The minimum may lie
            outside: angles are periodic.
        random
            Seeded for this start. No other source of random numbers is repeatable.
        """

    def check(self, n_parameters: int) -> None:  # noqa: B027 - most have nothing to check
        """Check, before a run, that the settings suit a number of parameters.

        Raises
        ------
        ConfigurationError
            If they do not.
        """

    def first_point(self, bounds: NDArray[float64], index: int) -> NDArray[float64]:
        """Return the point at which start `index` begins, shape ``(n_parameters,)``."""
        return seeded_point(bounds, self.search.seed, index)

    def begin_at(self, bounds: NDArray[float64], index: int) -> NDArray[float64]:
        """Return the given `start` for start 0, and `first_point` for all others."""
        if index == 0 and self.start is not None:
            return self.start
        return self.first_point(bounds, index)

    def run(self, objective: Objective, bounds: NDArray[float64], index: int) -> Start:
        """Carry out start `index`; its outcome depends on the seed and `index` alone."""
        recorder = Recorder(objective)
        random = np.random.default_rng([self.search.seed, index, 1])
        self.minimize(recorder, self.begin_at(bounds, index), bounds, random)
        return recorder.finish(index)


def seeded_point(bounds: NDArray[float64], seed: int, index: int) -> NDArray[float64]:
    """Return the point in the box `bounds` that start `index` begins at.

    It depends on (`seed`, `index`) alone, so any rank may take any start.
    """
    low, high = bounds.T
    fractions: NDArray[float64] = np.random.default_rng([seed, index]).random(len(bounds))
    point: NDArray[float64] = low + (high - low) * fractions
    return point
