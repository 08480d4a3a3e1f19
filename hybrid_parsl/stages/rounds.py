"""Rounds of an adaptive workflow: what came of each, when to end, and the figure of all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.report.text import several

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
        As measured; of a step, the mean of its two measurements, which are beside its angles.
    exact_energy
        The energy that the search computed; None if there was no search.
    ratio
        Approximation ratio, at most 1; None where the optimum is not known.
    n_evaluations, shots
        Evaluations of the energy by the search, and measurements, those of the mitigation
        included.
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
    energy, standard_error
        As measured at the final angles.
    layers, steps
        Number of layers of the last round, or number of steps; None for what the rounds are not
        counted by.
    n_rounds
        How many there were.
    shots
        Measurements of the whole run, those of the mitigation and outside of the rounds included.
    rounds
        All of them, first to last.
    ended
        Why there was no further one.
    figures
        SVG text of the figure, by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    counted: Literal["layers", "steps"]
    energy: float
    standard_error: float
    layers: int | None = None
    steps: int | None = None
    n_rounds: int
    shots: int
    rounds: list[Round]
    ended: str
    figures: dict[str, str]

    def summary_lines(self) -> list[tuple[str, str]]:
        """Return the energy at the final angles, and why the rounds ended."""
        return [("energy", f"{self._final_energy} {self._reached}"), ("ended", self.ended)]

    def report_section(self) -> Section:
        """Return a row for each round."""
        from hybrid_parsl.result_view import Section

        has_search = self.counted == "layers"
        head = [self.counted, "measured energy" if has_search else "mean of both measurements"]
        head += ["searched energy", "ratio", "evaluations"] if has_search else []
        rows = [
            [
                each.number,
                _with_error(each.energy, each.standard_error),
                *(_search_cells(each) if has_search else ()),
                each.shots,
                f"{each.seconds:.2f} s",
            ]
            for each in self.rounds
        ]
        text = (
            f"It ended because {self.ended}. The energy at the final angles is "
            f"{self._final_energy} {self._reached}; the whole run took {self.shots} shots."
        )
        head += ["shots", "time"]
        return Section.model_validate({"text": text, "head": head, "rows": rows})

    @property
    def _final_energy(self) -> str:
        """The energy at the final angles with its error."""
        return _with_error(self.energy, self.standard_error)

    @property
    def _reached(self) -> str:
        """Words for how far the rounds came."""
        if self.steps is not None:
            return f"after {several(self.steps, 'step')}"
        return f"with {several(self.rounds[-1].number, 'layer')}"


def _with_error(energy: float, error: float) -> str:
    """Return an energy and its standard error."""
    return f"{energy:.6g} ± {error:.2g}"


def _search_cells(each: Round) -> list[object]:
    """Return what a row says of the search of a round."""
    return [
        "" if each.exact_energy is None else f"{each.exact_energy:.6g}",
        "" if each.ratio is None else f"{each.ratio:.4f}",
        each.n_evaluations,
    ]


@dataclass(frozen=True)
class Limits:
    """When rounds end; None for never.

    Attributes
    ----------
    target_ratio
        The approximation ratio that is enough, 0 to 1.
    shots, evaluations
        How many all rounds may take: none begins that would exceed it by taking as many as the
        last one.
    seconds
        Time of search and circuit, likewise.
    """

    target_ratio: float | None = None
    shots: int | None = None
    evaluations: int | None = None
    seconds: float | None = None


def check_limit(key: str, most: int | None, least: int, what: str) -> None:
    """Refuse a limit that does not suffice for the first round.

    Parameters
    ----------
    key
        The key of the limit.
    most
        The limit; None for none.
    least
        What the first round takes at least.
    what
        Words for that.

    Raises
    ------
    ConfigurationError
        If `most` is below `least`.
    """
    if most is not None and most < least:
        raise ConfigurationError(f"is below {what}", None, key, str(most), f"{least} or more")


def round_of(number: int, search: SearchResult, sample: Sample, analysis: Analysis) -> Round:
    """Return what came of a search, the circuit at its angles and the analysis of both."""
    return Round(
        number=number,
        energy=analysis.energy,
        standard_error=analysis.standard_error,
        exact_energy=search.energy,
        ratio=analysis.ratio,
        n_evaluations=search.n_evaluations,
        shots=sample.all_shots,
        seconds=search.execution.duration_s + sample.execution.duration_s,
    )


def reason_to_end(rounds: Sequence[Round], limits: Limits) -> str | None:
    """Return why there should be no further round, as the end of a sentence; None to go on.

    Rounds end when another one like the last would exceed a limit, or the gain of the last one is
    below its error bar. What has been spent is that of the results, so a run that is resumed ends
    in the same round.
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
    spent: dict[str, tuple[list[int] | list[float], float | None]] = {
        "shots": ([each.shots for each in rounds], limits.shots),
        "evaluations": ([each.n_evaluations for each in rounds], limits.evaluations),
        "seconds": ([each.seconds for each in rounds], limits.seconds),
    }
    for what, (amounts, most) in spent.items():
        total = sum(amounts)
        if most is not None and (total >= most or total + amounts[-1] > most):
            took = f"the last round took {amounts[-1]:.6g}"
            return f"{total:.6g} of {most:g} {what} were spent, and {took}"
    return None


def conclude(
    counted: Literal["layers", "steps"],
    rounds: Sequence[Round],
    ended: str,
    final: Analysis,
    others: Sequence[Sample] = (),
) -> Rounds:
    """Return all rounds with their figure.

    Parameters
    ----------
    counted
        What they are counted by.
    rounds
        At least one.
    ended
        Why they ended.
    final
        What was measured at the final angles.
    others
        Samples that belong to no round.
    """
    from hybrid_parsl.report.rounds_figure import draw_rounds

    figure = draw_rounds(
        counted,
        [each.number for each in rounds],
        [(each.energy, each.standard_error) for each in rounds],
        [each.exact_energy for each in rounds],
        (final.energy, final.standard_error),
    )
    return Rounds(
        counted=counted,
        energy=final.energy,
        standard_error=final.standard_error,
        layers=rounds[-1].number if counted == "layers" else None,
        steps=len(rounds) if counted == "steps" else None,
        n_rounds=len(rounds),
        shots=sum(each.shots for each in rounds) + sum(each.all_shots for each in others),
        rounds=list(rounds),
        ended=ended,
        figures={"rounds": figure},
    )
