"""What differs between two runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hybrid_parsl.sweep import in_words

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Changed:
    """A value that two runs do not share.

    Attributes
    ----------
    key
        Its dotted key, or the name of a package.
    first, second
        The value in each run; None where it is missing.
    """

    key: str
    first: Any
    second: Any


@dataclass(frozen=True)
class EnergyDifference:
    """The energies that a task of the same name gave in two runs.

    Attributes
    ----------
    task
        The name of the task.
    first, second
        The energies, in the unit of the cost.
    standard_error
        Of their difference; None if both are exact.
    """

    task: str
    first: float
    second: float
    standard_error: float | None

    @property
    def difference(self) -> float:
        """The second less the first."""
        return self.second - self.first

    @property
    def p_value(self) -> float | None:
        """How probable a difference as large is if both have the same mean, 0 to 1.

        Of the two-sided test with normal errors; None for exact energies.
        """
        if self.standard_error is None:
            return None
        if self.standard_error == 0:
            return 1.0 if self.difference == 0 else 0.0
        return math.erfc(abs(self.difference) / self.standard_error / math.sqrt(2))


@dataclass(frozen=True)
class RunDifference:
    """What differs between two runs.

    Attributes
    ----------
    experiment, versions, run
        Keys of the experiment, packages, and facts of the run that differ.
    energies
        The energies of tasks that both have, equal ones too. Those of studies are compared where
        their points have the same values.
    """

    experiment: list[Changed]
    versions: list[Changed]
    run: list[Changed]
    energies: list[EnergyDifference]


def compare_runs(first: Mapping[str, Any], second: Mapping[str, Any]) -> RunDifference:
    """Return what differs between the documents of two runs."""
    swept = {key for each in (first, second) for key in (each.get("study") or {}).get("keys", ())}
    experiments = (
        {
            key: value
            for key, value in flat(each.get("experiment") or {}).items()
            if key not in swept
        }
        for each in (first, second)
    )
    versions = (each.get("versions") or {} for each in (first, second))
    facts = (
        {key: (each.get("run") or {}).get(key) for key in ("site", "status")}
        for each in (first, second)
    )
    return RunDifference(
        _changed(*experiments), _changed(*versions), _changed(*facts), _energies(first, second)
    )


def flat(experiment: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of an experiment's tables by their dotted names."""
    found: dict[str, Any] = {}
    for name, value in experiment.items():
        if isinstance(value, dict):
            found.update({f"{name}.{key}": each for key, each in value.items()})
        else:
            found[name] = value
    return found


def _changed(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Changed]:
    """Return the keys whose values differ, in the order of the first."""
    keys = dict.fromkeys((*first, *second))
    return [
        Changed(key, first.get(key), second.get(key))
        for key in keys
        if first.get(key) != second.get(key)
    ]


def _energies(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[EnergyDifference]:
    """Return the energies of the tasks that both documents have."""
    ours, theirs = (_measured(tasks_of(each)) for each in (first, second))
    found = []
    for task in ours:
        if task not in theirs:
            continue
        (energy, error), (other, other_error) = ours[task], theirs[task]
        known = [each for each in (error, other_error) if each is not None]
        combined = math.hypot(*known) if known else None
        found.append(EnergyDifference(task, energy, other, combined))
    return found


def tasks_of(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the tasks of a run by name; those of a study by the values of their point."""
    tasks: Mapping[str, Any] = document.get("tasks") or {}
    study = document.get("study")
    if not study:
        return tasks
    return {
        f"{local} at {in_words(dict(sorted(point['values'].items())))}": tasks[name]
        for point in study["points"]
        for local, name in (point.get("tasks") or {}).items()
        if name in tasks
    }


def _measured(tasks: Mapping[str, Any]) -> dict[str, tuple[float, float | None]]:
    """Return energy and standard error of each task that has an energy."""
    found = {}
    for name, task in tasks.items():
        result = task.get("result")
        energy = result.get("energy") if isinstance(result, dict) else None
        if isinstance(energy, int | float):
            error = result.get("standard_error")
            found[name] = (float(energy), float(error) if isinstance(error, int | float) else None)
    return found
