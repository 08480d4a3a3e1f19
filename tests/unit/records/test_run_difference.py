"""What differs between the documents of two runs."""

from __future__ import annotations

import math
from typing import Any

import pytest

from hybrid_parsl.records.run_difference import Changed, compare_runs


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
