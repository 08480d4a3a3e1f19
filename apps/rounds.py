"""Workflows that decide on the next round by what the last one gave."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

from parsl import python_app
from pydantic import Field

from apps.analysis import analyse
from apps.quantum import sample
from apps.search import search
from hybrid_parsl import labels
from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.optimize.spsa import SpsaSteps
from hybrid_parsl.problems.registry import build_problem
from hybrid_parsl.report.text import several
from hybrid_parsl.stages import rounds as stage
from hybrid_parsl.stages.quantum import planned_shots
from hybrid_parsl.stages.rounds import Limits, Round, check_limit, reason_to_end, round_of

if TYPE_CHECKING:
    from parsl.dataflow.futures import AppFuture

    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.results import SearchResult

_Amount = Annotated[int, Field(ge=1)]
_NO_FIGURES = {"analysis.figures": False, "analysis.landscape": 0}
_ONE_POINT = {"search.method": "draw", "search.options": {}, "search.starts": 1}

conclude = python_app(stage.conclude, executors=[labels.ANALYSIS])


def deepening(
    experiment: Experiment,
    *,
    deepest: Annotated[int, Field(ge=1, le=128)] = 8,
    target_ratio: Annotated[float, Field(gt=0, le=1)] | None = None,
    max_shots: _Amount | None = None,
    max_evaluations: _Amount | None = None,
    max_seconds: Annotated[float, Field(gt=0)] | None = None,
) -> list[AppFuture]:
    """Search with more and more layers from the angles found, as long as it pays."""
    layers = experiment.ansatz.layers
    if layers > deepest:
        message, valid = "is below the layers of the first round", f"{layers} or more"
        raise ConfigurationError(message, None, "workflow.deepest", str(deepest), valid)
    if max_shots is not None:
        least = planned_shots(experiment)
        check_limit("workflow.max_shots", max_shots, least, "the shots of the first round")
    starts = experiment.search.starts
    check_limit("workflow.max_evaluations", max_evaluations, starts, "one evaluation of each start")
    goes_on = build_problem(experiment.problem).ansatz == "alternating"
    limits = Limits(target_ratio, max_shots, max_evaluations, max_seconds)
    rounds: list[Round] = []
    found, ended = None, None
    while ended is None:
        asked = experiment.model_copy(update={"ansatz.layers": layers, **_NO_FIGURES})
        found = search(asked, found if goes_on else None, task=f"search-p{layers}")
        measured = sample(asked, found, task=f"quantum-p{layers}")
        analysed = analyse(asked, found, measured, task=f"analysis-p{layers}")
        rounds.append(round_of(layers, found.result(), measured.result(), analysed.result()))
        ended = reason_to_end(rounds, limits)
        if ended is None and layers >= deepest:
            ended = f"there were to be at most {several(deepest, 'layer')}"
        layers += 1
    last = experiment.model_copy(update={"ansatz.layers": rounds[-1].number})
    final = analyse(last, found, measured, task="analysis")
    return [final, conclude("layers", rounds, ended, final, task="rounds")]


def closed_loop(
    experiment: Experiment,
    *,
    steps: Annotated[int, Field(ge=1, le=10_000)] = 20,
    first_step: Annotated[float, Field(gt=0, le=0.5)] = 0.01,
    shift: Annotated[float, Field(gt=0, le=0.5)] = 0.02,
    seed: Annotated[int, Field(ge=0)] = 1,
    max_shots: _Amount | None = None,
) -> list[AppFuture]:
    """Search on the simulator, then go on by what the backend measures: SPSA on real noise."""
    if max_shots is not None:
        least = 4 * planned_shots(experiment)
        first = "the shots of a first step and of the measurements before and after it"
        check_limit("workflow.max_shots", max_shots, least, first)
    found = search(experiment)
    before = sample(experiment, found, task="quantum-before")
    start = found.result()
    bounds = build_problem(experiment.problem).bounds(experiment.ansatz.layers)
    loop = SpsaSteps(start.parameters, bounds, steps, first_step, shift, seed)
    rounds: list[Round] = []
    ended = f"there were to be {several(steps, 'step')}"
    for number in range(1, steps + 1):
        asked = experiment.model_copy(update={"quantum.seed": experiment.quantum.seed + number})
        pair = [
            sample(asked, _moved(start, at), task=f"step-{number}-{side}")
            for side, at in zip(("plus", "minus"), loop.pair(), strict=True)
        ]
        plus, minus = (each.result() for each in pair)
        error = math.hypot(plus.standard_error, minus.standard_error)
        loop.move(plus.expectation - minus.expectation, error)
        rounds.append(
            Round(
                number=number,
                energy=(plus.expectation + minus.expectation) / 2,
                standard_error=error / 2,
                shots=plus.all_shots + minus.all_shots,
                seconds=plus.execution.duration_s + minus.execution.duration_s,
            )
        )
        if max_shots is not None and number < steps:
            last = max(plus.all_shots, minus.all_shots)
            needed = before.result().all_shots + sum(each.shots for each in rounds) + last
            if needed + 2 * last > max_shots:
                spent = f"{needed} of {max_shots} shots were spent with the last measurement"
                ended = f"{spent}, and a step takes {2 * last}"
                break
    point = loop.point.tolist()
    after = sample(experiment, _moved(start, point), task="quantum-after")
    exact = search(experiment.model_copy(update=_ONE_POINT), point, task="search-after")
    final = analyse(experiment, exact, after, task="analysis")
    return [
        analyse(experiment, found, before, task="analysis-before"),
        final,
        conclude("steps", rounds, ended, final, [before, after], task="rounds"),
    ]


def _moved(start: SearchResult, angles: list[float]) -> SearchResult:
    """Return a search with other angles, only to measure there: its energy is not theirs."""
    return start.model_copy(update={"parameters": angles})
