"""Whether a repeated run gives the results that were recorded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hybrid_parsl.records.run_difference import (
    SIGNIFICANCE,
    RunDifference,
    compare_runs,
    tasks_of,
)
from hybrid_parsl.result_view import type_name
from hybrid_parsl.results import Analysis, Bitstrings, Diagonalization, Sample, SearchResult
from hybrid_parsl.stages.rounds import Round, Rounds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hybrid_parsl.records.run_difference import EnergyDifference

EXACT = "agree to the last digit"
STATISTICAL = "agree within statistical error"
DIFFERENT = "differ"

ROUNDING = 1e-9
"""Relative difference of energies without an error bar that another order of sums may make."""

_EXECUTED = ("execution",)
_MEASURED = (
    *(*_EXECUTED, "backend", "job_id", "usage_s", "estimated_usage_s", "transpiled.duration_s"),
)
_OF_A_CALL: dict[str | None, tuple[str, ...]] = {
    type_name(SearchResult): _EXECUTED,
    type_name(Sample): (*_MEASURED, "raw.seconds", "mitigation.seconds"),
    type_name(Bitstrings): _MEASURED,
    type_name(Diagonalization): _EXECUTED,
    type_name(Analysis): (*_EXECUTED, "raw.seconds"),
    type_name(Round): ("seconds",),
    type_name(Rounds): ("rounds.seconds",),
}
"""The dotted keys of results of this package that say how they were computed, by their type."""


@dataclass(frozen=True)
class Agreement:
    """How the results of two runs compare.

    Attributes
    ----------
    verdict
        `EXACT`, `STATISTICAL` or `DIFFERENT`.
    reasons
        What differs, a sentence each; none unless they do.
    difference
        The experiments, versions and energies side by side.
    """

    verdict: str
    reasons: list[str]
    difference: RunDifference


def compare_results(recorded: Mapping[str, Any], repeated: Mapping[str, Any]) -> Agreement:
    """Return whether the results of two runs agree.

    They agree to the last digit if the results of all tasks are equal, but for the times, hosts and
    jobs in those of this package's own types. They agree within statistical error if all energies
    do, at a significance of 1 % for all of them together (Bonferroni); energies without an error
    bar may differ by 1e-9 relatively.

    Parameters
    ----------
    recorded, repeated
        The documents of the runs.
    """
    difference = compare_runs(recorded, repeated)
    ours, theirs = _results(recorded), _results(repeated)
    if ours and ours == theirs:
        return Agreement(EXACT, [], difference)
    reasons = [f"{name} has no result in the repeated run" for name in ours if name not in theirs]
    reasons += [f"{name} has no recorded result" for name in theirs if name not in ours]
    if not ours:
        reasons.append("no task has a recorded result")
    energies = {each.task: each for each in difference.energies}
    for name in ours:
        if name not in theirs or ours[name] == theirs[name]:
            continue
        if name not in energies:
            reasons.append(f"{name} has another result")
        elif not _agree(energies[name], len(energies)):
            reasons.append(_in_words(energies[name]))
    return Agreement(DIFFERENT if reasons else STATISTICAL, reasons, difference)


def _results(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results of the completed tasks, without what says how they were computed."""
    return {
        name: _comparable(task.get("result"), _OF_A_CALL.get(task.get("type"), ()))
        for name, task in tasks_of(document).items()
        if task.get("status") == "completed"
    }


def _comparable(value: Any, left_out: Sequence[str]) -> Any:
    """Return a value without some dotted keys, which lead through lists, too."""
    if isinstance(value, list):
        return [_comparable(each, left_out) for each in value] if left_out else value
    if not isinstance(value, dict):
        return value
    inner = {
        key: [each.removeprefix(f"{key}.") for each in left_out if each.startswith(f"{key}.")]
        for key in value.keys() - set(left_out)
    }
    return {key: _comparable(value[key], below) for key, below in inner.items()}


def _agree(energy: EnergyDifference, n_energies: int) -> bool:
    """Return whether two energies agree; with an error bar, as one of `n_energies`."""
    if math.isclose(energy.first, energy.second, rel_tol=ROUNDING):
        return True
    return energy.p_value is not None and energy.p_value * n_energies >= SIGNIFICANCE


def _in_words(energy: EnergyDifference) -> str:
    """Return how two energies differ."""
    words = f"{energy.task}: {energy.first:.8g} recorded, {energy.second:.8g} repeated"
    if energy.p_value is None:
        return f"{words}, without an error bar"
    return f"{words}, p = {energy.p_value:.2g}"
