"""The points of a study: an experiment for each combination of the values that are swept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hybrid_parsl.experiment_file import parse_experiment, with_values
from hybrid_parsl.records.models import PointsRecord
from hybrid_parsl.sweep import Sweep, assignments, in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
        ours, theirs = (each.model_dump(mode="json") for each in (self.experiment, base))
        return {
            key: _without_none(table)
            for key, table in ours.items()
            if key != "sweep" and table != theirs[key]
        }


def point_names(n_points: int) -> list[str]:
    """Return the names of so many points, all of one length."""
    width = len(str(n_points - 1))
    return [f"{number:0{width}d}" for number in range(n_points)]


def embedded_sweep(sweep: Sweep, points: Sequence[Point]) -> Sweep:
    """Return a sweep whose values are what points hold: the content of a file, not its name.

    So that the file of the run's experiment makes the same points again, wherever it is.
    """
    dumps = [each.experiment.model_dump(mode="json", exclude_none=True) for each in points]
    held: dict[tuple[str, str], Any] = {}
    for point, dump in zip(points, dumps, strict=True):
        for key, value in point.values.items():
            if isinstance(value, str) and (content := _at(dump, key, value)) != value:
                held[key, value] = content
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
    directory.write_json(FILE, {"points": records})


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
    asked = base.model_dump(mode="json", exclude={"sweep"}, exclude_none=True)
    source = str(directory.path / FILE)
    points = []
    for name, record in zip(point_names(len(records)), records, strict=True):
        experiment = parse_experiment({**asked, **record["tables"]}, source=source)
        points.append(Point(name, record["values"], embed(experiment)))
    return points


def make_points(
    table: dict[str, Any],
    sweep: Sweep,
    source: str,
    complete: Callable[[Experiment, str], Experiment],
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
        comes from.

    Raises
    ------
    ConfigurationError
        If a point is not valid.
    """
    values, analysis = sweep.points(), table.get("analysis", {})
    if isinstance(analysis, dict):
        table = {**table, "analysis": {**_ANALYSIS, **analysis}}
    points = []
    for name, each in zip(point_names(len(values)), values, strict=True):
        place = f"{source}, point {name} ({in_words(each)})"
        found = parse_experiment(with_values(table, assignments(each), source), source=place)
        single = found.model_copy(update={"sweep": None})
        points.append(Point(name, each, complete(single, place)))
    return points


def _without_none(value: Any) -> Any:
    """Return tables without the keys that are None, which TOML cannot hold."""
    if isinstance(value, dict):
        return {key: _without_none(each) for key, each in value.items() if each is not None}
    return value
