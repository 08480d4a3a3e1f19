from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.records.run_directory import RunDirectory
from hybrid_parsl.study_points import (
    FILE,
    embedded_sweep,
    make_points,
    point_names,
    read_points,
    write_points,
)
from hybrid_parsl.sweep import Sweep

if TYPE_CHECKING:
    from pathlib import Path

    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.study_points import Point

USED = ("problem", "ansatz")
TABLE = {"name": "x", "problem": {"kind": "maxcut", "nodes": 6}, "quantum": {"precision": 0.1}}


def made(**sweep: object) -> list[Point]:
    found = Sweep.model_validate({key.replace("__", "."): value for key, value in sweep.items()})
    return make_points(TABLE, found, "file.toml", lambda experiment, _: experiment, USED)


def same(experiment: Experiment) -> Experiment:
    return experiment


def test_names_have_one_length() -> None:
    assert point_names(1) == ["0"]
    assert point_names(10)[-1] == "9"
    assert point_names(11)[:2] == ["00", "01"]


def test_points_survive_in_the_folder_of_the_run(tmp_path: Path) -> None:
    points = made(ansatz__layers=[1, 2], problem__seed=[3, 4])
    directory = RunDirectory.create(tmp_path, "x")
    write_points(directory, points)
    assert read_points(directory, points[0].experiment, same) == points
    assert points[3].experiment.ansatz.layers == 2
    assert points[3].label == "point 3 (ansatz.layers = 2, problem.seed = 4)"
    assert set(points[1].tables(points[0].experiment)) == {"problem"}


def test_the_sweep_of_files_holds_their_content() -> None:
    def embedded(experiment: Experiment, _: str) -> Experiment:
        named = experiment.problem.settings.get("edges")
        edges = {"a.txt": [[0, 1]], "b.txt": [[1, 2]]}[named] if isinstance(named, str) else None
        return experiment.model_copy(update={"problem.edges": edges}) if edges else experiment

    sweep = Sweep.model_validate(
        {
            "problem.edges": ["a.txt", "b.txt"],
            "ansatz.layers": [1, 2],
            "exclude": [{"problem.edges": "b.txt", "ansatz.layers": 2}],
        }
    )
    points = make_points(TABLE, sweep, "file.toml", embedded, USED)
    kept = embedded_sweep(sweep, points)
    assert kept.axes == {"problem.edges": [[[0, 1]], [[1, 2]]], "ansatz.layers": [1, 2]}
    assert [each.values["ansatz.layers"] for each in points] == [1, 2, 1]
    again = make_points(TABLE, kept, "file.toml", lambda experiment, _: experiment, USED)
    assert [each.experiment for each in again] == [each.experiment for each in points]
    plain = Sweep.model_validate({"search.method": ["draw", "spsa"]})
    assert embedded_sweep(plain, make_points(TABLE, plain, "f", embedded, USED)) is plain


def test_values_are_set_as_they_are() -> None:
    texts = ["1 # no comment", "true", " a ", "\n", "x=1"]
    points = made(problem__text=texts, problem__options=[{"a b": [1]}, {}])
    assert [each.experiment.problem.settings["text"] for each in points[::2]] == texts
    assert [each.experiment.problem.settings["options"] for each in points[:2]] == [
        {"a b": [1]},
        {},
    ]


def test_the_values_of_a_point_do_not_change_by_another_key() -> None:
    points = made(search__options=[{"a": 1}], search__options__b=[2, 3])
    assert [each.values["search.options"] for each in points] == [{"a": 1}] * 2
    assert points[1].experiment.search.options == {"a": 1, "b": 3}


def test_a_key_below_a_value_is_refused_where_the_point_is() -> None:
    table = {**TABLE, "ansatz": 3}
    sweep = Sweep.model_validate({"ansatz.layers": [1]})
    with pytest.raises(ConfigurationError, match="is a value, not a table") as caught:
        make_points(table, sweep, "file.toml", lambda experiment, _: experiment, USED)
    assert caught.value.source == "file.toml, point 0 (ansatz.layers = 1)"


def test_a_point_that_is_not_valid_is_named() -> None:
    with pytest.raises(ConfigurationError) as caught:
        made(ansatz__layers=[1, -1])
    assert caught.value.key == "ansatz.layers"
    assert caught.value.source == "file.toml, point 1 (ansatz.layers = -1)"


def test_what_completes_a_point_is_told_its_place() -> None:
    told: list[str] = []

    def complete(experiment: Experiment, place: str) -> Experiment:
        told.append(place)
        return experiment

    make_points(TABLE, Sweep.model_validate({"ansatz.layers": [3]}), "file.toml", complete, USED)
    assert told == ["file.toml, point 0 (ansatz.layers = 3)"]


def test_points_that_are_equal_in_what_is_used_are_completed_once() -> None:
    told: list[str] = []

    def complete(experiment: Experiment, place: str) -> Experiment:
        told.append(place)
        return experiment.model_copy(update={"problem.weighted": True})

    sweep = Sweep.model_validate({"ansatz.layers": [1, 2], "quantum.shots": [10, 20, 30]})
    table = {key: each for key, each in TABLE.items() if key != "quantum"}
    points = make_points(table, sweep, "file.toml", complete, USED)
    assert len(told) == 2
    assert all(each.experiment.problem.settings["weighted"] for each in points)
    assert [each.experiment.quantum.shots for each in points] == [10, 20, 30] * 2
    assert [each.experiment.ansatz.layers for each in points] == [1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"points": []}',
        '{"points": [1]}',
        '{"points": [{"values": {}}]}',
        '{"points": [{"values": {}, "tables": {"problem": 3}}]}',
    ],
)
def test_damaged_files(tmp_path: Path, text: str) -> None:
    (point,) = made(ansatz__layers=[1])
    directory = RunDirectory.create(tmp_path, "x")
    directory.write(FILE, text)
    with pytest.raises(ConfigurationError):
        read_points(directory, point.experiment, same)
