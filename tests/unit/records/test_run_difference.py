"""What differs between the documents of two runs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from hybrid_parsl.records.run_difference import (
    Changed,
    ChangedResult,
    EnergyDifference,
    changed_code,
    compare_runs,
)

if TYPE_CHECKING:
    from pathlib import Path


def document(energy: float, error: float | None = None, **tables: Any) -> dict[str, Any]:
    result = {"energy": energy} | ({} if error is None else {"standard_error": error})
    return {
        "run": {"site": "local", "status": "completed"},
        "experiment": {"name": "a", "search": {"seed": 1, "starts": 4}},
        "versions": {"numpy": "2.0"},
        "tasks": {"search": {"result": {"energy": -1.0}}, "quantum": {"result": result}},
        **tables,
    }


def test_equal_runs() -> None:
    found = compare_runs(document(1.0, 0.1), document(1.0, 0.1))
    assert (found.experiment, found.versions, found.run) == ([], [], [])
    assert [each.difference for each in found.energies] == [0.0, 0.0]
    assert [each.p_value for each in found.energies] == [None, 1.0]


def test_what_differs_is_named() -> None:
    other = document(
        1.0,
        0.1,
        run={"site": "slurm", "status": "completed"},
        experiment={"name": "a", "search": {"seed": 2, "starts": 4}, "quantum": {"shots": 9}},
        versions={"numpy": "2.0", "scipy": "1.0"},
    )
    found = compare_runs(document(1.0, 0.1), other)
    assert found.experiment == [Changed("search.seed", 1, 2), Changed("quantum.shots", None, 9)]
    assert found.versions == [Changed("scipy", None, "1.0")]
    assert found.run == [Changed("site", "local", "slurm")]


@pytest.mark.parametrize(
    ("errors", "p_value"),
    [
        ((0.3, 0.4), math.erfc(2 / math.sqrt(2))),
        ((0.5, None), math.erfc(2 / math.sqrt(2))),
        ((0.0, 0.0), 0.0),
        ((None, None), None),
    ],
)
def test_the_significance_of_a_difference(errors: Any, p_value: float | None) -> None:
    found = compare_runs(document(1.0, errors[0]), document(2.0, errors[1])).energies[1]
    assert (found.task, found.difference) == ("quantum", 1.0)
    assert found.p_value == (p_value if p_value is None else pytest.approx(p_value))


@pytest.mark.parametrize("damaged", [{}, {"tasks": {"quantum": {"result": [1]}}}, {"tasks": None}])
def test_runs_without_results(damaged: dict[str, Any]) -> None:
    assert compare_runs(document(1.0), damaged).energies == []


def study(*shots: int) -> dict[str, Any]:
    """Return a study whose energies are its numbers of shots."""
    points = [
        {"name": str(n), "values": {"quantum.shots": each}, "tasks": {"search": f"{n}.search"}}
        for n, each in enumerate(shots)
    ]
    tasks = {f"{n}.search": {"result": {"energy": float(each)}} for n, each in enumerate(shots)}
    experiment = {"quantum": {"shots": shots[0], "seed": 1}}
    table = {"keys": ["quantum.shots"], "points": points}
    return {"experiment": experiment, "study": table, "tasks": tasks}


def test_points_of_studies_are_compared_by_their_values() -> None:
    found = compare_runs(study(10, 99), study(99, 10, 7))
    assert found.experiment == []
    assert [(each.task, each.difference) for each in found.energies] == [
        ("search at quantum.shots = 10", 0.0),
        ("search at quantum.shots = 99", 0.0),
    ]
    assert found.points == ["quantum.shots = 10", "quantum.shots = 99"]
    assert (found.only_first, found.only_second) == ([], ["quantum.shots = 7"])


def test_numbers_of_any_result_are_compared() -> None:
    def of(*results: Any) -> dict[str, Any]:
        tasks = {f"t{n}": {"status": "completed", "result": each} for n, each in enumerate(results)}
        return {"tasks": tasks}

    first = of({"twice": -12.23, "duration_s": 1.0, "ok": True, "text": "a"}, 3, {"x": 1}, 4)
    second = of({"twice": -18.3, "duration_s": 2.0, "ok": False, "text": "b"}, 4, {"x": 1})
    found = compare_runs(first, second)
    assert found.results == [
        ChangedResult("t0.twice", -12.23, -18.3),
        ChangedResult("t1.result", 3, 4),
    ]
    assert (found.only_first, found.only_second) == (["t3"], [])


def test_a_task_without_a_result_differs_in_its_status_alone() -> None:
    first, second = study(10), study(10)
    second["tasks"]["0.search"] = {"status": "failed"}
    found = compare_runs(first, second)
    point = "quantum.shots = 10"
    assert found.results == [ChangedResult("search.status", None, "failed", point)]
    assert found.energies == []


def test_energies_differ_significantly_if_chance_alone_would_hardly_do_it() -> None:
    found = compare_runs(document(1.0, 0.1), document(1.5, 0.1))
    assert [each.task for each in found.changed_energies] == ["quantum"]
    assert found.is_significant(found.energies[1])
    assert not found.is_significant(EnergyDifference("a", 1.0, 1.2, 0.14))
    assert not found.is_significant(EnergyDifference("a", 1.0, 1.2, None))


def test_files_of_the_code_that_differ_are_named(tmp_path: Path) -> None:
    for run, text in (("a", "2 * energy"), ("b", "3 * energy")):
        folder = tmp_path / run / "code" / "apps"
        folder.mkdir(parents=True, mode=0o700)
        (folder / "workflows.py").write_text("same")
        (folder / "check.py").write_text(text)
    (tmp_path / "b" / "code" / "own.py").write_text("")
    changed, new = changed_code(tmp_path / "a", tmp_path / "b")
    assert (changed.key, new.key) == ("apps/check.py", "own.py")
    assert changed.first != changed.second
    assert new.first is None
    assert changed_code(tmp_path / "a", tmp_path / "a") == []
