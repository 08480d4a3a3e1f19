"""Stages of a user's own project."""

import io

from parsl import python_app
from pydantic import BaseModel

from hybrid_parsl.progress import report_progress
from hybrid_parsl.result_view import Section


class Spread(BaseModel):
    """A result that says how it is shown."""

    seeds: list[int]

    def summary_lines(self):
        return [("seeds", f"{min(self.seeds)} to {max(self.seeds)}"), ("mean", self.mean)]

    def report_section(self):
        rows = list(enumerate(self.seeds))
        return Section(text="Seeds of the <ranks>", head=["rank", "seed"], rows=rows)

    @property
    def mean(self):
        return sum(self.seeds) / len(self.seeds)


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
    if team.rank == 0:
        report_progress(f"{team.size} ranks")
    gathered = team.gather(guessed["seed"] + team.rank)
    return None if gathered is None else {"seeds": gathered}


@python_app(executors=["analysis"])
def conclude(found):
    return f"{len(found['seeds'])} seeds, {sum(found['seeds'])} in all"


@python_app(executors=["quantum"])
def spread(found):
    report_progress("1 of 1")
    return Spread(seeds=found["seeds"])
