"""Stages of a user's own project."""

import io

from parsl import python_app


@python_app(executors=["analysis"])
def compare(layers, samples):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 3))
    figure.subplots().plot(layers, [each.energy for each in samples], "o-")
    text = io.StringIO()
    figure.savefig(text, format="svg")
    best = min(samples, key=lambda each: each.energy)
    return {"energy": best.energy, "n": len(samples), "figures": {"depths": text.getvalue()}}


@python_app(executors=["quantum"])
def guess(experiment):
    return {"seed": experiment.quantum.seed + 3}


@python_app(executors=["mpi"])
def ranks_of(guessed):
    from hybrid_parsl.mpi.team import current_team

    team = current_team()
    gathered = team.gather(guessed["seed"] + team.rank)
    return None if gathered is None else {"seeds": gathered}


@python_app(executors=["analysis"])
def conclude(found):
    return f"{len(found['seeds'])} seeds, {sum(found['seeds'])} in all"
