from __future__ import annotations

import copy
from typing import Any

import pytest
from ended_runs import document, task

from hybrid_parsl.crate.agreement import DIFFERENT, EXACT, STATISTICAL, compare_results


@pytest.fixture
def recorded() -> dict[str, Any]:
    return document()


@pytest.fixture
def repeated(recorded: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(recorded)


def result(results: dict[str, Any], name: str) -> dict[str, Any]:
    return results["tasks"][name]["result"]


def test_times_hosts_and_jobs_are_no_results(
    recorded: dict[str, Any], repeated: dict[str, Any]
) -> None:
    result(repeated, "search")["execution"] = {"n_ranks": 64}
    result(repeated, "quantum")["job_id"] = "other"
    repeated["tasks"]["search"]["host"] = "node2"
    assert compare_results(recorded, repeated).verdict == EXACT


@pytest.mark.parametrize("key", ["seconds", "backend", "job_id", "duration_s", "execution"])
def test_the_same_keys_of_other_types_are_results(
    recorded: dict[str, Any], repeated: dict[str, Any], key: str
) -> None:
    for results, value in ((recorded, 1), (repeated, 2)):
        results["tasks"]["own"] = task({key: value}, function="apps.workflows:own")
    assert compare_results(recorded, repeated).reasons == ["own has another result"]
    for results, value in ((recorded, 1), (repeated, 2)):
        results["tasks"]["own"] = task({"best": [{key: value}]})
    assert compare_results(recorded, repeated).reasons == ["own has another result"]


def test_times_of_the_measurement_are_no_results(
    recorded: dict[str, Any], repeated: dict[str, Any]
) -> None:
    for results, value in ((recorded, 1.0), (repeated, 2.0)):
        result(results, "quantum").update(raw={"seconds": value}, mitigation={"seconds": value})
        rounds = task({"rounds": [{"seconds": value}], "ended": "x"})
        results["tasks"]["rounds"] = {**rounds, "type": "hybrid_parsl.stages.rounds:Rounds"}
    assert compare_results(recorded, repeated).verdict == EXACT
    result(repeated, "quantum")["raw"]["expectation"] = 3.0
    assert compare_results(recorded, repeated).verdict == STATISTICAL


def test_other_counts_agree_as_far_as_their_energies_do(
    recorded: dict[str, Any], repeated: dict[str, Any]
) -> None:
    result(repeated, "quantum").update(counts={"00": 2}, energy=-0.23)
    found = compare_results(recorded, repeated)
    assert (found.verdict, found.reasons) == (STATISTICAL, [])
    result(repeated, "quantum")["energy"] = -0.6
    found = compare_results(recorded, repeated)
    assert found.verdict == DIFFERENT
    assert "quantum: -0.2 recorded, -0.6 repeated, p = " in found.reasons[0]


def test_exact_energies_may_differ_by_rounding_only(
    recorded: dict[str, Any], repeated: dict[str, Any]
) -> None:
    result(repeated, "search")["energy"] *= 1 + 1e-12
    assert compare_results(recorded, repeated).verdict == STATISTICAL
    result(repeated, "search")["energy"] *= 1 + 1e-6
    assert compare_results(recorded, repeated).verdict == DIFFERENT


def test_a_missing_or_other_result_is_a_difference(
    recorded: dict[str, Any], repeated: dict[str, Any]
) -> None:
    recorded["tasks"]["own"] = task({"answer": 42})
    assert compare_results(recorded, repeated).reasons == ["own has no result in the repeated run"]
    repeated["tasks"]["own"] = task({"answer": 43})
    assert compare_results(recorded, repeated).reasons == ["own has another result"]
    del recorded["tasks"]["own"]
    assert compare_results(recorded, repeated).reasons == ["own has no recorded result"]


def test_runs_without_results_do_not_agree() -> None:
    nothing = document(tasks={})
    assert compare_results(nothing, nothing).verdict == DIFFERENT


def test_points_of_studies_are_compared_by_their_values() -> None:
    def study(order: tuple[int, int]) -> dict[str, Any]:
        tasks = {f"{n}.search": task({"energy": -float(seed)}) for n, seed in enumerate(order)}
        points = [
            {"name": str(n), "values": {"s.seed": seed}, "tasks": {"search": f"{n}.search"}}
            for n, seed in enumerate(order)
        ]
        return document(tasks=tasks, study={"keys": ["s.seed"], "points": points})

    assert compare_results(study((1, 2)), study((2, 1))).verdict == EXACT
    found = compare_results(study((1, 2)), study((1, 3)))
    assert found.verdict == DIFFERENT
    assert len(found.reasons) == 2


def test_many_equal_energies_do_not_differ_by_chance() -> None:
    def measured(energy: float) -> dict[str, Any]:
        tasks = {f"t{n}": task({"energy": energy, "standard_error": 1.0}) for n in range(100)}
        return document(tasks=tasks)

    assert compare_results(measured(0.0), measured(4.5)).verdict == STATISTICAL
    assert compare_results(measured(0.0), measured(7.0)).verdict == DIFFERENT
