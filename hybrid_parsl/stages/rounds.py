"""Rounds of an adaptive workflow: what came of each, when to end, and the figure of all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybrid_parsl.result_view import Section
    from hybrid_parsl.results import Analysis, Sample, SearchResult


class Round(BaseModel):
    """One round.

    Attributes
    ----------
    number
        What it is counted by: its number of layers, or its number.
    energy, standard_error
        As measured.
    exact_energy
        The energy that the search computed; None if there was no search.
    ratio
        Approximation ratio, at most 1; None where the optimum is not known.
    n_evaluations, shots
        Evaluations of the energy by the search, and measurements.
    seconds
        Time of search and circuit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    energy: float
    standard_error: float
    exact_energy: float | None = None
    ratio: float | None = None
    n_evaluations: int = 0
    shots: int
    seconds: float


class Rounds(BaseModel):
    """What came of an adaptive workflow.

    Attributes
    ----------
    counted
        What the rounds are counted by.
    rounds
        All of them, first to last.
    ended
        Why there was no further one.
    figures
        SVG text of the figure, by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    counted: Literal["layers", "steps"]
    rounds: list[Round]
    ended: str
    figures: dict[str, str]

    def summary_lines(self) -> list[tuple[str, str]]:
        """Return the last energy, and why the rounds ended."""
        last = self.rounds[-1]
        energy = f"{last.energy:.6g} ± {last.standard_error:.2g} with {last.number} {self.counted}"
        return [("energy", energy), ("ended", self.ended)]

    def report_section(self) -> Section:
        """Return a row for each round."""
        from hybrid_parsl.result_view import Section

        head = [self.counted, "measured energy", "searched energy", "ratio"]
        rows = [
            [
                each.number,
                f"{each.energy:.6g} ± {each.standard_error:.2g}",
                "" if each.exact_energy is None else f"{each.exact_energy:.6g}",
                "" if each.ratio is None else f"{each.ratio:.4f}",
                each.n_evaluations,
                each.shots,
                f"{each.seconds:.2f} s",
            ]
            for each in self.rounds
        ]
        head += ["evaluations", "shots", "time"]
        text = f"It ended because {self.ended}."
        return Section.model_validate({"text": text, "head": head, "rows": rows})


@dataclass(frozen=True)
class Limits:
    """When rounds end; None for never.

    Attributes
    ----------
    target_ratio
        The approximation ratio that is enough, 0 to 1.
    shots, evaluations
        How many may be spent in all rounds before there is no further one.
    seconds
        Time of search and circuit, likewise.
    """

    target_ratio: float | None = None
    shots: int | None = None
    evaluations: int | None = None
    seconds: float | None = None


def round_of(number: int, search: SearchResult, sample: Sample, analysis: Analysis) -> Round:
    """Return what came of a search, the circuit at its angles and the analysis of both."""
    return Round(
        number=number,
        energy=analysis.energy,
        standard_error=analysis.standard_error,
        exact_energy=search.energy,
        ratio=analysis.ratio,
        n_evaluations=search.n_evaluations,
        shots=sample.shots,
        seconds=search.execution.duration_s + sample.execution.duration_s,
    )


def reason_to_end(rounds: Sequence[Round], limits: Limits) -> str | None:
    """Return why there should be no further round, as the end of a sentence; None to go on.

    Rounds end when a limit is reached, or the gain of the last one is below its error bar. What
    has been spent is that of the results, so a run that is resumed ends in the same round.
    """
    last = rounds[-1]
    target = limits.target_ratio
    if target is not None and last.ratio is not None and last.ratio >= target:
        return f"the approximation ratio {last.ratio:.4f} reached {target:g}"
    if len(rounds) > 1:
        gain = rounds[-2].energy - last.energy
        error = math.hypot(rounds[-2].standard_error, last.standard_error)
        if gain < error:
            return f"the gain {gain:.2g} is below its error bar {error:.2g}"
    spent = {
        "shots": (sum(each.shots for each in rounds), limits.shots),
        "evaluations": (sum(each.n_evaluations for each in rounds), limits.evaluations),
        "seconds": (sum(each.seconds for each in rounds), limits.seconds),
    }
    for what, (amount, most) in spent.items():
        if most is not None and amount >= most:
            return f"{amount:.6g} of {most:g} {what} were spent"
    return None


def conclude(counted: Literal["layers", "steps"], rounds: Sequence[Round], ended: str) -> Rounds:
    """Return all rounds with their figure.

    Parameters
    ----------
    counted
        What they are counted by.
    rounds
        At least one.
    ended
        Why they ended.
    """
    from hybrid_parsl.report.rounds_figure import draw_rounds

    figure = draw_rounds(
        counted,
        [each.number for each in rounds],
        [(each.energy, each.standard_error) for each in rounds],
        [each.exact_energy for each in rounds],
    )
    return Rounds(counted=counted, rounds=list(rounds), ended=ended, figures={"rounds": figure})
