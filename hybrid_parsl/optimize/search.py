"""Shares the starts of a search over a team and reduces them to one result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.optimize.local import cobyla, multistart, spsa
from hybrid_parsl.optimize.objective import DifferentiableObjective
from hybrid_parsl.optimize.points import draw, grid, sobol
from hybrid_parsl.optimize.scaling import Scaled, Scaling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy import float64
    from numpy.typing import NDArray

    from hybrid_parsl.experiment import Search
    from hybrid_parsl.optimize.journal import Journal
    from hybrid_parsl.optimize.objective import Objective
    from hybrid_parsl.optimize.start import Start
    from hybrid_parsl.optimize.team import Team


@dataclass(frozen=True)
class Strategy:
    """How one start is carried out.

    Attributes
    ----------
    run
        Called with the objective, the box, the index of the start and the settings.
    needs_gradient
        Whether the objective has to be differentiable.
    moves
        Whether a start is improved step by step.
    portion
        Starts that a rank takes at once: 1 for a start that takes long.
    """

    run: Callable[[Any, NDArray[float64], int, Search], Start]
    needs_gradient: bool = False
    moves: bool = True
    portion: int = 1


STRATEGIES: Final[dict[str, Strategy]] = {
    "multistart": Strategy(multistart, needs_gradient=True),
    "cobyla": Strategy(cobyla),
    "spsa": Strategy(spsa),
    "grid": Strategy(grid, moves=False, portion=64),
    "sobol": Strategy(sobol, moves=False, portion=64),
    "draw": Strategy(draw, moves=False, portion=64),
}


@dataclass(frozen=True)
class Outcome:
    """What a search found.

    Attributes
    ----------
    best
        The start with the lowest energy, the first of them if several have it.
    energies
        Energy of every start with its offset, by index.
    n_evaluations
        Evaluations of the energy over all starts.
    n_unmoved
        How many starts ended where they began, of a strategy that moves.
    """

    best: Start
    energies: list[float]
    n_evaluations: int
    n_unmoved: int = 0


def search(
    objective: Objective,
    bounds: NDArray[float64],
    settings: Search,
    team: Team,
    journal: Journal,
    scaling: Scaling | None = None,
) -> Outcome | None:
    """Minimise `objective` from all starts; the result is on rank 0, None on the others.

    Ranks take starts from a shared counter, so that a slow start holds up nobody. Start i
    depends on (seed, i) alone and the reduction on nothing but the starts: the outcome is the
    same for any number of ranks. Starts that `journal` holds are not carried out again.

    Parameters
    ----------
    objective, bounds
        What is minimised, and the box that starts are drawn from.
    settings
        The method, and how many starts.
    team
        The ranks that share the starts.
    journal
        Keeps finished starts.
    scaling
        The units in which strategies that move work; those of the objective if left out.

    Raises
    ------
    ConfigurationError
        The method needs a gradient that the objective does not have, or more starts.
    StorageError
        A finished start cannot be written to the journal.
    """
    check_method(settings.method, differentiable=isinstance(objective, DifferentiableObjective))
    strategy = STRATEGIES[settings.method]
    finished: dict[int, Start] = team.share(journal.read() if team.rank == 0 else None)
    missing = [index for index in range(settings.starts) if index not in finished]
    mine: list[Start] = []
    run = _runner(strategy, objective, bounds, settings, scaling)
    for portion in _portions(missing, strategy.portion, team):
        done = [run(index) for index in portion]
        journal.append(team.rank, done)
        mine.extend(done)
    gathered = team.gather([start.summary() for start in mine])
    candidates = team.gather(min(mine, key=lambda start: start.order, default=None))
    if gathered is None or candidates is None:
        return None
    for start in (start for share in gathered for start in share):
        finished[start.index] = start
    for start in candidates:
        if start is not None:
            finished[start.index] = start
    return _reduce(finished, settings.starts, moves=strategy.moves)


def check_method(method: str, *, differentiable: bool) -> None:
    """Refuse a method that needs a gradient where there is none.

    Parameters
    ----------
    method
        One of `STRATEGIES`.
    differentiable
        Whether the objective knows its exact gradient.

    Raises
    ------
    ConfigurationError
        It needs one.
    """
    if STRATEGIES[method].needs_gradient and not differentiable:
        free = ", ".join(name for name, each in STRATEGIES.items() if not each.needs_gradient)
        message = "needs an exact gradient, which this problem's circuit does not have"
        raise ConfigurationError(message, None, "search.method", method, free)


def _portions(indices: list[int], size: int, team: Team) -> Iterator[list[int]]:
    """Yield this rank's shares of `indices`, each of at most `size`."""
    size = max(1, min(size, len(indices) // (4 * team.size)))
    for number in team.deal(-(-len(indices) // size)):
        yield indices[number * size : (number + 1) * size]


def _runner(
    strategy: Strategy,
    objective: Objective,
    bounds: NDArray[float64],
    settings: Search,
    scaling: Scaling | None,
) -> Callable[[int], Start]:
    """Return what carries out a start by its index and gives it in the units of the cost."""
    units = scaling or Scaling(np.ones(len(bounds)))
    if not strategy.moves:
        units = Scaling(np.ones(len(bounds)), offset=units.offset)
    inner, box = Scaled(objective, units), units.bounds(bounds)
    return lambda index: units.restore(strategy.run(inner, box, index, settings))


def _reduce(finished: dict[int, Start], n_starts: int, *, moves: bool) -> Outcome:
    """Return the outcome of the starts 0 to ``n_starts - 1``."""
    starts = [finished[index] for index in range(n_starts)]
    best = min(starts, key=lambda start: start.order)
    return Outcome(
        best=best,
        energies=[start.total for start in starts],
        n_evaluations=sum(start.n_evaluations for start in starts),
        n_unmoved=sum(not start.moved for start in starts) if moves else 0,
    )
