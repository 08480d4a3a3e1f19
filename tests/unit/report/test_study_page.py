from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest
from services import require_module

from hybrid_parsl.report import study_figure
from hybrid_parsl.report.study_figure import caption, draw_measure
from hybrid_parsl.report.study_page import render_study
from hybrid_parsl.report.study_roles import Roles, roles
from hybrid_parsl.report.study_table import StudyTable, study_table, to_csv, to_parquet


def document(n_seeds: int = 2, **axes: list[Any]) -> dict[str, Any]:
    """Return a study over layers, seeds, and more keys, in which point 1 failed."""
    asked = {"ansatz.layers": [1, 2, 3], **{key.replace("__", "."): axes[key] for key in axes}}
    combinations: list[dict[str, Any]] = [{}]
    for key, values in [*asked.items(), ("problem.seed", list(range(n_seeds)))]:
        combinations = [{**each, key: value} for each in combinations for value in values]
    points, tasks = [], {}
    for number, values in enumerate(combinations):
        names = {local: f"{number}.{local}" for local in ("search", "analysis")}
        points.append({"name": str(number), "values": values, "tasks": names, "error": None})
        energy = -float(values["ansatz.layers"]) - 0.1 * values["problem.seed"]
        tasks[f"{number}.search"] = {
            "status": "completed",
            "duration_s": 1.5,
            "result": {"energy": energy, "parameters": [0.1], "method": "x", "is_good": True},
        }
        tasks[f"{number}.analysis"] = {
            "status": "completed",
            "result": {"ratio": -energy / 4, "energy": energy, "seed": number},
        }
    tasks["1.search"] = {"status": "failed", "error": {"type": "E", "message": "it broke\nbadly"}}
    tasks["1.analysis"] = {"status": "not started"}
    run = {"name": "depth", "status": "failed", "site": "local", "id": "r-1", "duration_s": 4.0}
    return {
        "run": run,
        "study": {"keys": list(combinations[0]), "points": points},
        "tasks": tasks,
        "experiment": {"name": "depth"},
        "versions": {"numpy": "2"},
    }


def test_a_row_has_the_values_and_the_numbers_of_a_point() -> None:
    table = study_table(document())
    assert table.keys == ["ansatz.layers", "problem.seed"]
    assert table.measures == [
        "search.energy",
        "search.duration_s",
        "analysis.ratio",
        "analysis.energy",
        "analysis.seed",
    ]
    assert table.rows[2]["search.energy"] == -2.0
    assert table.rows[1]["status"] == "failed"
    assert table.rows[1]["error"] == "search: it broke"
    assert [row["status"] for row in table.rows].count("completed") == 5


def test_the_measures_of_figures_differ_and_are_not_shown_twice() -> None:
    assert study_table(document()).interesting(5) == ["analysis.ratio", "analysis.energy"]


def table_of(**measures: list[float]) -> StudyTable:
    """Return a study over two numbers of layers and two of shots."""
    keys = ["ansatz.layers", "quantum.shots"]
    points = [{keys[0]: layers, keys[1]: shots} for layers in (1, 2, 3) for shots in (10, 20)]
    named = {name.replace("__", "."): values for name, values in measures.items()}
    rows = [
        {**point, **{name: values[number] for name, values in named.items()}}
        for number, point in enumerate(points)
    ]
    return StudyTable(keys, list(named), rows)


def test_measures_that_differ_by_rounding_alone_are_equal() -> None:
    noise = [1.0 + 1e-15 * number for number in range(6)]
    assert table_of(a__energy=noise, a__x=[0.0, 1e-9, 0.0, 1e-9, 2e-9, 0.0]).interesting(5) == [
        "a.x"
    ]


def test_measures_that_change_along_the_x_axis_come_first() -> None:
    flat, rising = [1.0, 2.0] * 3, [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]
    found = table_of(a__ratio=flat, a__x=rising).interesting(5)
    assert found == ["a.x", "a.ratio"]


def test_energies_of_the_last_task_come_first() -> None:
    first, second, third = ([n * factor for n in range(6)] for factor in (1.0, 2.0, 3.0))
    found = table_of(a__energy=first, b__energy=second, c__own_energy=third).interesting(5)
    assert found == ["b.energy", "a.energy", "c.own_energy"]


def test_single_results_have_the_bars_of_their_standard_errors() -> None:
    values = [float(n) for n in range(6)]
    bare = table_of(q__energy=values, q__x=values)
    table = table_of(q__energy=values, q__x=values, q__standard_error=[0.5] * 6)
    assert "Bars are standard errors." in caption(table, "q.energy", roles(table))
    assert "Bars" not in caption(table, "q.x", roles(table))
    assert "Bars" not in caption(bare, "q.energy", roles(bare))
    drawn = [draw_measure(each, "q.energy", roles(each)) for each in (bare, table)]
    assert drawn[0] != drawn[1]


def test_seeds_are_not_joined_by_a_line() -> None:
    figures = []
    for key in ("problem.seed", "problem.size"):
        rows = [{key: number, "a.energy": number / 7} for number in range(3)]
        table = StudyTable([key], ["a.energy"], rows)
        figures.append(study_figure._figure(table, "a.energy", roles(table)))
    styles = [figure.axes[0].lines[0].get_linestyle() for figure in figures]
    assert styles == ["None", "-"]


@pytest.mark.parametrize(
    ("tasks", "error", "status"),
    [
        ({}, None, "not started"),
        ({}, "ValueError('x')", "failed"),
        ({"a": "completed", "b": "running"}, None, "running"),
        ({"a": "not started", "b": "failed"}, None, "failed"),
        ({"a": "completed", "b": "interrupted"}, None, "interrupted"),
    ],
)
def test_the_status_of_a_point(tasks: dict[str, str], error: str | None, status: str) -> None:
    point = {"name": "0", "values": {"a.b": 1}, "tasks": {key: key for key in tasks}}
    study = {"keys": ["a.b"], "points": [{**point, "error": error}]}
    states = {key: {"status": each} for key, each in tasks.items()}
    assert study_table({"study": study, "tasks": states}).rows[0]["status"] == status


def test_the_csv_file_holds_every_digit() -> None:
    made = document()
    made["tasks"]["0.search"]["result"]["energy"] = 0.1 + 0.2
    rows = list(csv.DictReader(io.StringIO(to_csv(study_table(made)))))
    assert len(rows) == 6
    assert float(rows[0]["search.energy"]) == 0.1 + 0.2
    assert rows[1]["analysis.ratio"] == ""
    assert rows[1]["error"] == "search: it broke"


@pytest.mark.usefixtures("thorough")
def test_the_parquet_file_has_columns_of_numbers() -> None:
    require_module("hybrid_parsl.report.study_table", "pyarrow", "hybrid-parsl[study]")
    import pyarrow.parquet as pq

    table = study_table(document(problem__file=["a", ["b"]], problem__weighted=[True, False]))
    data = to_parquet(table)
    assert data is not None
    read = pq.read_table(io.BytesIO(data))
    assert read.column_names == table.columns
    assert read["search.energy"].to_pylist()[:2] == [-1.0, None]
    assert read["problem.weighted"].to_pylist()[1:3] == [True, False]
    assert read["problem.file"].to_pylist()[0] == "a"
    assert read["problem.file"].to_pylist()[-1] == '["b"]'


@pytest.mark.parametrize(
    ("n_seeds", "axes", "expected"),
    [
        (2, {}, Roles("ansatz.layers", averaged=("problem.seed",))),
        (1, {}, Roles("ansatz.layers")),
        (
            2,
            {"quantum__shots": [10, 100]},
            Roles("ansatz.layers", "quantum.shots", averaged=("problem.seed",)),
        ),
        (
            1,
            {"quantum__shots": [10, 100], "search__method": ["a", "b"]},
            Roles("ansatz.layers", "search.method", "quantum.shots"),
        ),
        (
            1,
            {"search__method": ["a", "b", "c", "d"], "quantum__shots": [1, 2, 3, 4, 5]},
            Roles("quantum.shots", "search.method", "ansatz.layers"),
        ),
    ],
)
def test_the_roles_of_keys(n_seeds: int, axes: dict[str, list[Any]], expected: Roles) -> None:
    assert roles(study_table(document(n_seeds, **axes))) == expected


def test_seeds_alone_are_the_x_axis() -> None:
    rows = [{"problem.seed": seed, "a.energy": seed / 7} for seed in range(3)]
    assert roles(StudyTable(["problem.seed"], ["a.energy"], rows)).x == "problem.seed"


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(
    "axes",
    [
        {},
        {"quantum__shots": [10, 100, 1000, 10_000]},
        {"search__method": ["a", "b"], "quantum__shots": [10, 100]},
        {"search__method": [[1], [2]]},
    ],
)
def test_figures_are_drawn(axes: dict[str, list[Any]]) -> None:
    table = study_table(document(**axes))
    svg = draw_measure(table, "search.energy", roles(table))
    assert svg.startswith("<svg")
    assert svg == draw_measure(table, "search.energy", roles(table))
    assert "Left out: 1 point without a value." in caption(table, "search.energy", roles(table))


def test_the_page_shows_all_points_and_escapes_what_they_hold() -> None:
    made = document(search__method=["<script>", "b"])
    page = render_study(made, study_table(made))
    assert page.startswith("<!doctype html>")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert page.count('<tr>\n      <td class="mono">') == 12
    assert "11 completed, 1 failed" in page
    assert "it broke" in page
    assert page.count("<figure>") == 2
    assert not re.search(r"""(?:src|href)=["']?(?!["']?(?:data:|\#|study\.csv"))""", page)


def reused_document() -> dict[str, Any]:
    """Return a study in which an earlier run has computed two results of point 0."""
    made = document()
    made["tasks"]["0.search"] |= {"reused_from": "r-0", "duration_s": 0.06}
    execution = {"duration_s": 20.5, "n_ranks": 1, "hosts": ["a"]}
    made["tasks"]["0.search"]["result"]["execution"] = execution
    made["tasks"]["0.analysis"] |= {"reused_from": "r-0", "duration_s": 0.07}
    return made


def test_the_duration_of_a_reused_result_is_that_of_its_computation() -> None:
    table = study_table(reused_document())
    assert table.rows[0]["search.duration_s"] == 20.5
    assert table.rows[2]["search.duration_s"] == 1.5
    assert "analysis.duration_s" not in table.rows[0]


def test_a_study_says_how_many_results_are_reused() -> None:
    made = reused_document()
    table = study_table(made)
    assert [row["reused"] for row in table.rows] == [2, 0, 0, 0, 0, 0]
    assert table.columns[-1] == "reused"
    page = render_study(made, table)
    assert "2 reused" in page
    assert "Reused: 2 results of earlier runs (2 of run r-0)." in page
    assert "reused" not in render_study(document(), study_table(document()))


def test_a_page_of_nothing() -> None:
    study = {"keys": ["a.b"], "points": [{"name": "0", "values": {"a.b": 1}, "tasks": {}}]}
    made = {"study": study, "run": {"name": "x", "status": "interrupted"}}
    assert "1 completed" not in render_study(made, study_table(made))
