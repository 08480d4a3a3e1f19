"""What differs between two runs."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hybrid_parsl.ownership import read_own
from hybrid_parsl.sweep import in_words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SIGNIFICANCE = 0.01
"""How probable it is at most that equal runs are said to differ, all energies together."""
CODE = "code"
_DIGITS = 12
_NOT_COMPARED = frozenset({"energy", "duration_s", "seconds", "usage_s", "estimated_usage_s"})


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
class ChangedResult(Changed):
    """A number of a result, or the status of a task, that two runs do not share: ``task.field``.

    Attributes
    ----------
    point
        The values of its point; empty in a run that is no study.
    """

    point: str = ""


@dataclass(frozen=True)
class EnergyDifference:
    """The energies that a task of the same name gave in two runs.

    Attributes
    ----------
    task
        The name of the task; in a study, with the values of its point.
    first, second
        The energies, in the unit of the cost.
    standard_error
        Of their difference; None if both are exact.
    point
        The values of its point; empty in a run that is no study.
    """

    task: str
    first: float
    second: float
    standard_error: float | None
    point: str = ""

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
    results
        The status and the other numbers, but for times, that differ of tasks that both have.
    n_tasks
        How many tasks both have.
    points
        The values of the points that both studies have.
    only_first, only_second
        What only one of them has: the values of points of studies, else names of tasks.
    """

    experiment: list[Changed]
    versions: list[Changed]
    run: list[Changed]
    energies: list[EnergyDifference]
    results: list[ChangedResult]
    n_tasks: int
    points: list[str]
    only_first: list[str]
    only_second: list[str]

    @property
    def changed_energies(self) -> list[EnergyDifference]:
        """The energies that differ."""
        return [each for each in self.energies if each.difference != 0]

    def is_significant(self, energy: EnergyDifference) -> bool:
        """Return whether an energy differs at a significance of 1 % for all of them together."""
        p_value = energy.p_value
        return p_value is not None and p_value * len(self.energies) < SIGNIFICANCE


def changed_code(first: Path, second: Path) -> list[Changed]:
    """Return the files of the project's code that differ between the folders of two runs.

    Parameters
    ----------
    first, second
        The folders.

    Returns
    -------
    list of Changed
        The name of each file, with the first digits of its SHA-256 in either run.

    Raises
    ------
    UntrustedFileError
        If a file belongs to another user or can be written by others.
    OSError
        If a file cannot be read.
    """
    return _changed(_digests(first / CODE), _digests(second / CODE))


def _digests(folder: Path) -> dict[str, str]:
    """Return the first digits of the SHA-256 of each Python file below a folder, by its name."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        digest = hashlib.sha256(read_own(path)).hexdigest()
        found[path.relative_to(folder).as_posix()] = digest[:_DIGITS]
    return found


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
    ours, theirs = _by_point(first), _by_point(second)
    points = [point for point in ours if point in theirs]
    pairs = [
        (name, point, task, theirs[point][name])
        for point in points
        for name, task in ours[point].items()
        if name in theirs[point]
    ]
    return RunDifference(
        experiment=_changed(*experiments),
        versions=_changed(*versions),
        run=_changed(*facts),
        energies=[found for each in pairs if (found := _energy(*each)) is not None],
        results=[
            ChangedResult(f"{name}.{each.key}", each.first, each.second, point)
            for name, point, *tasks in pairs
            for each in _changed_fields(*tasks)
        ],
        n_tasks=len(pairs),
        points=[point for point in points if point],
        only_first=_missing(ours, theirs),
        only_second=_missing(theirs, ours),
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


def _energy(
    name: str, point: str, first: Mapping[str, Any], second: Mapping[str, Any]
) -> EnergyDifference | None:
    """Return the energies of a task in two runs; None if one of them has none."""
    ours, theirs = _measured(first), _measured(second)
    if ours is None or theirs is None:
        return None
    (energy, error), (other, other_error) = ours, theirs
    known = [each for each in (error, other_error) if each is not None]
    combined = math.hypot(*known) if known else None
    return EnergyDifference(_task_at(name, point), energy, other, combined, point)


def tasks_of(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the tasks of a run by name; those of a study by the values of their point."""
    return {
        _task_at(name, point): task
        for point, tasks in _by_point(document).items()
        for name, task in tasks.items()
    }


def _task_at(name: str, point: str) -> str:
    """Return what identifies a task at the values of a point, if there is one."""
    return f"{name} at {point}" if point else name


def _by_point(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the tasks of each point of a study by its values; those of a run at an empty one."""
    tasks: Mapping[str, Any] = document.get("tasks") or {}
    study = document.get("study")
    if not study:
        return {"": tasks}
    return {
        in_words(dict(sorted(point["values"].items()))): {
            local: tasks[name]
            for local, name in (point.get("tasks") or {}).items()
            if name in tasks
        }
        for point in study["points"]
    }


def _missing(
    ours: Mapping[str, Mapping[str, Any]], theirs: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Return the points that only the first has, and its tasks that are of no point."""
    points = [point for point in ours if point and point not in theirs]
    return points + [name for name in ours.get("", ()) if name not in theirs.get("", ())]


def _measured(task: Mapping[str, Any]) -> tuple[float, float | None] | None:
    """Return energy and standard error of the result of a task; None without an energy."""
    result = task.get("result")
    if not isinstance(result, dict) or not isinstance(energy := result.get("energy"), int | float):
        return None
    error = result.get("standard_error")
    return float(energy), float(error) if isinstance(error, int | float) else None


def _changed_fields(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Changed]:
    """Return how the status and the numbers of a task differ; only the status without a result."""
    has_both = "result" in first and "result" in second
    fields = (
        {"status": each.get("status"), **(_numbers(each["result"]) if has_both else {})}
        for each in (first, second)
    )
    return _changed(*fields)


def _numbers(result: Any) -> dict[str, float]:
    """Return the numbers of a result by field, without its energy and times."""
    fields = result if isinstance(result, dict) else {"result": result}
    return {
        name: value
        for name, value in fields.items()
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and name not in _NOT_COMPARED
    }
