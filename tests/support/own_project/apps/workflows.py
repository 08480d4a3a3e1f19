"""Workflows of a user's own project: a fan-out, a loop and another order."""

from apps.stages import compare, conclude, guess, ranks_of, spread

from apps.analysis import analyse
from apps.quantum import sample
from apps.search import search


def fan_out(experiment, *, deepest: int = 3):
    """Search beside one another with 1 to `deepest` layers, and compare."""
    layers = list(range(1, deepest + 1))
    samples = []
    for p in layers:
        asked = experiment.model_copy(update={"ansatz.layers": p})
        samples.append(sample(asked, search(asked, task=f"p={p}"), task=f"sample-p={p}"))
    return compare(layers, samples)


def deepen(experiment, *, deepest: int = 5):
    """Search deeper from the angles found, until the gain is below the error bar."""
    found = search(experiment)
    before = sample(experiment, found).result()
    for p in range(experiment.ansatz.layers + 1, deepest + 1):
        asked = experiment.model_copy(update={"ansatz.layers": p})
        found = search(asked, found)
        after = sample(asked, found).result()
        if before.energy - after.energy < after.standard_error:
            break
        before = after
    return analyse(asked, found, after)


def backwards(experiment):
    """Quantum, then MPI, then analysis, and quantum again."""
    found = ranks_of(guess(experiment))
    return conclude(found), spread(found)
