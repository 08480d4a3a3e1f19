"""The points of a study: an experiment for each combination of the values that are swept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hybrid_parsl.experiment_file import check_values, placed, validated
from hybrid_parsl.records.models import PointsRecord
from hybrid_parsl.sweep import KEY as SWEEP
from hybrid_parsl.sweep import Sweep, in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.records.run_directory import RunDirectory
    from hybrid_parsl.sweep import Values

FILE = "points.json"
TABLE = "study"
"""The table of ``results.json`` that says which tasks belong to which point."""


_ANALYSIS = {"figures": False, "landscape": 0}
"""What the points of a study do not do unless the experiment says so: its figures are others."""


@dataclass(frozen=True)
class Point:
    """One experiment of a study.

    Attributes
    ----------
    name
        Its number, counted from 0, with leading zeros.
    values
        What it sets the swept keys to.
    experiment
        The whole experiment, without a sweep.
    """

    name: str
    values: Values
    experiment: Experiment

    @property
    def label(self) -> str:
        """What identifies the point in a message."""
        return f"point {self.name} ({in_words(self.values)})"

    def tables(self, base: Experiment) -> dict[str, Any]:
        """Return the tables in which the experiment differs from `base`."""
        names = [name for name in type(base).model_fields if name != SWEEP]
        tables = ((name, getattr(self.experiment, name), getattr(base, name)) for name in names)
        changed = {name: ours for name, ours, theirs in tables if ours != theirs}
        return {
            name: _without_none(table.model_dump(mode="json")) for name, table in changed.items()
        }


def point_names(n_points: int) -> list[str]:
    """Return the names of so many points, all of one length."""
    width = len(str(n_points - 1))
    return [f"{number:0{width}d}" for number in range(n_points)]


def embedded_sweep(sweep: Sweep, points: Sequence[Point]) -> Sweep:
    """Return a sweep whose values are what points hold: the content of a file, not its name.

    So that the file of the run's experiment makes the same points again, wherever it is.
    """
    held: dict[tuple[str, str], Any] = {}
    for point in points:
        texts = {key: value for key, value in point.values.items() if isinstance(value, str)}
        for key, value in texts.items() - held.keys():
            table = getattr(point.experiment, key.partition(".")[0])
            dump = table.model_dump(mode="json", exclude_none=True)
            held[key, value] = _at(dump, key.partition(".")[2], value)
    held = {(key, value): content for (key, value), content in held.items() if content != value}
    if not held:
        return sweep

    def embedded(key: str, values: Sequence[Any]) -> list[Any]:
        return [held.get((key, each), each) if isinstance(each, str) else each for each in values]

    exclude = [
        {
            key: embedded(key, each if isinstance(each, list) else [each])
            for key, each in table.items()
        }
        for table in sweep.exclude
    ]
    axes = {key: embedded(key, values) for key, values in sweep.axes.items()}
    return Sweep.model_validate({**axes, "combine": sweep.combine, "exclude": exclude})


def _at(table: Any, key: str, default: Any) -> Any:
    """Return what is at a dotted key of nested tables."""
    for part in key.split("."):
        if not isinstance(table, dict) or part not in table:
            return default
        table = table[part]
    return table


def write_points(directory: RunDirectory, points: Sequence[Point]) -> None:
    """Write the points of a study into its folder, each as the tables that the first one lacks.

    Raises
    ------
    StorageError
        If they cannot be written.
    """
    base = points[0].experiment
    records = [{"values": each.values, "tables": each.tables(base)} for each in points]
    directory.write(FILE, json.dumps({"points": records}, allow_nan=False) + "\n")


def read_points(
    directory: RunDirectory, base: Experiment, embed: Callable[[Experiment], Experiment]
) -> list[Point]:
    """Return the points of a study that has begun.

    Parameters
    ----------
    directory
        Its folder.
    base
        The experiment of the first point.
    embed
        Returns an experiment holding the user's own code that it names.

    Raises
    ------
    ConfigurationError
        If ``points.json`` is missing or damaged, or a point in it is not valid.
    """
    records = directory.read_record(FILE, PointsRecord)["points"]
    same = {name: table for name, table in base if name != SWEEP}
    source = str(directory.path / FILE)
    points = []
    for name, record in zip(point_names(len(records)), records, strict=True):
        check_values(record["tables"], source)
        experiment = validated({**same, **record["tables"]}, source=source)
        points.append(Point(name, record["values"], embed(experiment)))
    return points


def make_points(
    table: dict[str, Any],
    sweep: Sweep,
    source: str,
    complete: Callable[[Experiment, str], Experiment],
    used: Collection[str],
) -> list[Point]:
    """Return the points of a study that is to begin.

    Parameters
    ----------
    table
        The experiment as TOML has it, with what is not swept.
    sweep
        What is swept.
    source
        Where the experiment comes from, for errors.
    complete
        Returns an experiment that needs no files, checked; it is also told where the experiment
        comes from. Called once for points that are equal in `used`.
    used
        The tables that `complete` reads or changes.

    Raises
    ------
    ConfigurationError
        If a point is not valid.
    """
    values, analysis = sweep.points(), table.get("analysis", {})
    table = {name: each for name, each in table.items() if name != SWEEP}
    if isinstance(analysis, dict):
        table["analysis"] = {**_ANALYSIS, **analysis}
    swept = {key.partition(".")[0] for key in sweep.axes}
    decisive = [key for key in sweep.axes if key.partition(".")[0] in used]
    same: dict[str, Any] = {}
    completed: dict[str, Experiment] = {}
    points = []
    for name, each in zip(point_names(len(values)), values, strict=True):
        place = f"{source}, point {name} ({in_words(each)})"
        of_point = {key: table[key] for key in swept & table.keys()}
        changed = placed(of_point, each, place)
        found = validated({**table, **changed, **same}, source=place)
        same = same or {key: part for key, part in found if key not in swept}
        content = json.dumps([each[key] for key in decisive])
        if (known := completed.get(content)) is None:
            found = completed[content] = complete(found, place)
        else:
            of_known = {key: getattr(known, key) for key in used}
            found = found.model_copy(update=of_known).with_own_code(known.own_code)
        points.append(Point(name, each, found))
    return points


def _without_none(value: Any) -> Any:
    """Return tables without the keys that are None, which TOML cannot hold."""
    if isinstance(value, dict):
        return {key: _without_none(each) for key, each in value.items() if each is not None}
    return value
