"""Shares the starts of a search over a team and reduces them to one result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hybrid_parsl.optimize.objective import DifferentiableObjective
from hybrid_parsl.optimize.registry import check_gradient, load_optimizer
from hybrid_parsl.optimize.scaling import Scaling, scaled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy import float64
    from numpy.typing import NDArray

    from hybrid_parsl.experiment import Search
    from hybrid_parsl.optimize.journal import Journal
    from hybrid_parsl.optimize.objective import Objective
    from hybrid_parsl.optimize.optimizer import Optimizer
    from hybrid_parsl.optimize.start import Start
    from hybrid_parsl.optimize.team import Team


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
        How many starts ended where they began, of an optimiser that moves.
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
    start: NDArray[float64] | None = None,
) -> Outcome | None:
    """Minimise `objective` from all starts; the result is on rank 0, None on the others.

    Ranks take starts from a shared counter, so that a slow start delays no other rank. Start i
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
        The units in which optimisers that move work; those of the objective if left out.
    start
        Where start 0 begins, shape ``(n_parameters,)``; drawn like the others if left out.

    Raises
    ------
    ConfigurationError
        If the method or its options are not valid, it needs a gradient that the objective does not
        have, or more starts.
    StorageError
        If a finished start cannot be written to the journal.
    """
    optimizer = load_optimizer(settings)
    is_differentiable = isinstance(objective, DifferentiableObjective)
    check_gradient(optimizer, None if is_differentiable else "only its energy is known")
    finished: dict[int, Start] = team.share(journal.read() if team.rank == 0 else None)
    missing = [index for index in range(settings.starts) if index not in finished]
    mine: list[Start] = []
    run = _runner(optimizer, objective, bounds, scaling, start)
    for portion in _portions(missing, optimizer.portion, team):
        carried_out = [run(index) for index in portion]
        journal.append(team.rank, carried_out)
        mine.extend(carried_out)
    gathered = team.gather([start.summary() for start in mine])
    candidates = team.gather(min(mine, key=lambda start: start.order, default=None))
    if gathered is None or candidates is None:
        return None
    for done in (each for share in gathered for each in share):
        finished[done.index] = done
    for candidate in candidates:
        if candidate is not None:
            finished[candidate.index] = candidate
    return _reduce(finished, settings.starts, moves=optimizer.moves)


def _portions(indices: list[int], size: int, team: Team) -> Iterator[list[int]]:
    """Yield this rank's shares of `indices`, each of at most `size`."""
    size = max(1, min(size, len(indices) // (4 * team.size)))
    for number in team.deal(-(-len(indices) // size)):
        yield indices[number * size : (number + 1) * size]


def _runner(
    optimizer: Optimizer,
    objective: Objective,
    bounds: NDArray[float64],
    scaling: Scaling | None,
    start: NDArray[float64] | None,
) -> Callable[[int], Start]:
    """Return what carries out a start by its index and gives it in the units of the cost."""
    units = scaling or Scaling(np.ones(len(bounds)))
    if not optimizer.moves:
        units = Scaling(np.ones(len(bounds)), offset=units.offset)
    optimizer.start = None if start is None else start * units.parameters
    inner, box = scaled(objective, units), units.bounds(bounds)
    return lambda index: units.restore(optimizer.run(inner, box, index))


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
