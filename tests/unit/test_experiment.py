from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import (
    AnalysisSettings,
    Ansatz,
    Experiment,
    Grow,
    ProblemTable,
    Quantum,
    Resources,
    Search,
    shots_of_precision,
)

LIMITS = [
    (Ansatz, "layers", 1, 128),
    (Search, "starts", 1, 10_000_000),
    (Search, "seed", 0, 2**32 - 1),
    (Search, "iterations", 1, 100_000),
    (Search, "threads", 1, 256),
    (Quantum, "shots", 1, 100_000_000),
    (Quantum, "seed", 0, 2**32 - 1),
    (AnalysisSettings, "top", 1, 1000),
    (AnalysisSettings, "bootstrap", 10, 1_000_000),
    (AnalysisSettings, "seed", 0, 2**32 - 1),
    (AnalysisSettings, "landscape", 0, 512),
    (Resources, "num_nodes", 1, 100_000),
    (Resources, "ranks_per_node", 1, 4096),
    (Resources, "walltime_s", 1, 31 * 86_400),
    (Resources, "retries", 0, 1000),
]


def bell(**tables: Any) -> Experiment:
    return Experiment.model_validate({"name": "x", "problem": {"kind": "bell"}, **tables})


@pytest.mark.parametrize(("table", "key", "low", "high"), LIMITS)
def test_a_number_is_valid_up_to_its_limits(table: Any, key: str, low: int, high: int) -> None:
    assert getattr(table(**{key: low}), key) == low
    assert getattr(table(**{key: high}), key) == high
    for outside in (low - 1, high + 1):
        with pytest.raises(ValidationError):
            table(**{key: outside})


@pytest.mark.parametrize("value", [True, "3", 3.0, None, [3]])
@pytest.mark.parametrize(("table", "key"), [limit[:2] for limit in LIMITS])
def test_no_value_is_converted_silently(table: Any, key: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        table(**{key: value})


def test_every_whole_number_of_the_experiment_is_limited() -> None:
    tables = (Ansatz, Search, Quantum, AnalysisSettings, Resources)
    found = {
        (table, key)
        for table in tables
        for key, field in table.model_fields.items()
        if field.annotation is int
    }
    assert found - {limit[:2] for limit in LIMITS} == {(Resources, "num_ranks")}


@pytest.mark.parametrize("value", [0, 1, -1e-9, 1.0, float("nan"), float("inf"), "small"])
def test_a_tolerance_is_between_0_and_1(value: Any) -> None:
    assert Search(tolerance=1e-300).tolerance == 1e-300
    with pytest.raises(ValidationError):
        Search(tolerance=value)


@pytest.mark.parametrize("name", ["a", "A.b_c-9", "0", "x" * 64])
def test_a_name_that_fits_a_folder(name: str) -> None:
    assert Experiment(name=name, problem=ProblemTable(kind="bell")).name == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "-x", "_x", "a/b", "a b", "a\n", "é", "x" * 65, "a\0"]
)
def test_a_name_that_does_not(name: str) -> None:
    with pytest.raises(ValidationError):
        Experiment(name=name, problem=ProblemTable(kind="bell"))


def test_only_the_name_and_the_problem_have_to_be_there() -> None:
    experiment = bell()
    assert experiment.search.method == "multistart"
    assert (experiment.search.starts, experiment.quantum.shots) == (32, 4096)
    assert experiment.resources.num_ranks == 2
    for missing in ({"name": "x"}, {"problem": {"kind": "bell"}}, {"name": "x", "problem": {}}):
        with pytest.raises(ValidationError):
            Experiment.model_validate(missing)


def test_a_problem_keeps_the_keys_of_its_kind() -> None:
    table = ProblemTable.model_validate({"kind": "maxcut", "nodes": 4, "settings": "mine"})
    assert table.settings == {"nodes": 4, "settings": "mine"}
    assert table.kind == "maxcut"


@pytest.mark.parametrize("table", ["ansatz", "search", "quantum", "analysis"])
def test_the_other_tables_take_no_unknown_keys(table: str) -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        bell(**{table: {"unheard_of": 1}})


def test_an_experiment_cannot_be_changed() -> None:
    experiment = bell()
    with pytest.raises(ValidationError, match="frozen"):
        experiment.name = "y"
    with pytest.raises(ValidationError, match="frozen"):
        experiment.search.starts = 2


OPTIONAL_COUNT = st.none() | st.integers(1, 64)


@given(nodes=OPTIONAL_COUNT, each=OPTIONAL_COUNT, total=st.none() | st.integers(1, 4096))
def test_the_rank_counts_agree_or_are_refused(
    nodes: int | None, each: int | None, total: int | None
) -> None:
    keys = {"num_nodes": nodes, "ranks_per_node": each, "num_ranks": total}
    given_keys = {key: value for key, value in keys.items() if value is not None}
    most = (nodes or 1) * (each or (4096 if total else 2))
    fits = total is None or (nodes or 1) <= total <= most
    if not fits:
        with pytest.raises((ValidationError, ConfigurationError), match="does not fit num_nodes"):
            Resources.model_validate(given_keys)
        return
    resources = Resources.model_validate(given_keys)
    assert resources.num_nodes <= resources.num_ranks
    assert resources.num_ranks <= resources.num_nodes * resources.ranks_per_node
    for key, value in given_keys.items():
        assert getattr(resources, key) == value
    if total is None:
        assert resources.num_ranks == resources.num_nodes * resources.ranks_per_node
    if each is None and total is not None:  # no more ranks on a node than it takes
        assert resources.num_nodes * (resources.ranks_per_node - 1) < resources.num_ranks


def test_no_ranks_at_all_is_told_by_the_key_that_says_so() -> None:
    with pytest.raises(ValidationError, match="num_ranks = 0 does not fit"):
        Resources(num_ranks=0)


def test_the_key_of_a_search_is_that_of_what_its_outcome_depends_on() -> None:
    key = bell().search_key
    same = [
        {"name": "y"},
        {"quantum": {"shots": 7}},
        {"analysis": {"top": 3}},
        {"resources": {"num_nodes": 5}},
        {"search": {"seed": 0}},
    ]
    other = [
        {"problem": {"kind": "bell", "x": 1}},
        {"ansatz": {"layers": 2}},
        {"search": {"seed": 1}},
        {"search": {"starts": 33}},
        {"search": {"precision": "single"}},
    ]
    assert [bell(**change).search_key for change in same] == [key] * len(same)
    others = {bell(**change).search_key for change in other}
    assert len(others) == len(other)
    assert key not in others


def test_the_key_of_a_search_survives_json_and_the_order_of_keys() -> None:
    first = bell(problem={"kind": "ising", "a": 1, "b": [0.1, 2]})
    second = bell(problem={"b": [0.1, 2], "a": 1, "kind": "ising"})
    assert first.search_key == second.search_key
    read = Experiment.model_validate(json.loads(first.model_dump_json()))
    assert read.search_key == first.search_key


def test_each_thread_of_a_rank_gets_a_core_unless_the_experiment_decides() -> None:
    problem = {"kind": "bell"}
    asked = {"name": "x", "problem": problem, "search": {"method": "draw", "threads": 3}}
    assert Experiment.model_validate(asked).search_resources["cores_per_rank"] == 3
    asked["resources"] = {"cores_per_rank": 1, "memory_gib_per_rank": 2}
    found = Experiment.model_validate(asked).search_resources
    assert (found["cores_per_rank"], found["memory_gib_per_rank"]) == (1, 2.0)
    assert "gpus_per_rank" not in found
    plain = Experiment.model_validate({"name": "x", "problem": problem})
    assert set(plain.search_resources) == {
        "num_nodes", "ranks_per_node", "num_ranks", "walltime_s"
    }  # fmt: skip


# ---- resources of one stage


def test_a_table_of_resources_overrides_keys_for_one_stage() -> None:
    asked = bell(resources={"walltime_s": 60, "quantum": {"walltime_s": 5}, "p3": {"num_nodes": 2}})
    assert asked.resources_of_call(["quantum", "sample"], "quantum") == {"walltime_s": 5}
    assert asked.resources_of_call(["analysis"], "analysis") == {}
    layout = {"num_nodes": 1, "ranks_per_node": 2, "num_ranks": 2}
    assert asked.search_resources == {**layout, "walltime_s": 60}
    assert asked.resources_of_call(["p3", "search"], "mpi") == {"num_nodes": 2, "walltime_s": 60}


def test_a_misspelt_key_of_resources_is_no_stage() -> None:
    with pytest.raises(ConfigurationError) as caught:
        bell(resources={"num_node": 2})
    assert (caught.value.key, caught.value.suggestion) == ("resources.num_node", "num_nodes")


# ---- copies


@pytest.mark.parametrize(
    "update", [{"ansatz.layers": 3}, {"ansatz": {"layers": 3}}, {"ansatz": Ansatz(layers=3)}]
)
def test_a_copy_has_other_values(update: dict[str, object]) -> None:
    changed = bell().model_copy(update=update)
    assert changed.ansatz.layers == 3
    assert changed.problem == bell().problem


def test_a_copy_is_validated() -> None:
    with pytest.raises(ConfigurationError) as caught:
        bell().model_copy(update={"ansatz.layers": 0})
    assert caught.value.key == "ansatz.layers"


def test_several_keys_of_a_table_are_replaced_together() -> None:
    changed = bell().model_copy(update={"analysis.figures": False, "analysis.landscape": 0})
    assert not changed.analysis.figures
    assert changed.analysis.landscape == 0


@pytest.mark.parametrize(
    ("precision", "shots"), [(1, 1), (0.02, 2500), (0.015625, 4096), (0.3, 12), (1e-4, 100_000_000)]
)
def test_a_precision_decides_on_the_shots(precision: float, shots: int) -> None:
    quantum = Quantum(precision=precision)
    assert (quantum.shots, quantum.target_precision) == (shots, precision)
    assert "shots" not in quantum.model_fields_set
    copied = Quantum.model_validate(quantum.model_dump())
    assert copied == quantum
    assert "shots" not in copied.model_fields_set


@pytest.mark.parametrize("shots", [1, 3, 1000, 4096, 99_999_999, 100_000_000])
def test_the_precision_of_shots_gives_these_shots(shots: int) -> None:
    precision = Quantum(shots=shots).target_precision
    assert precision == pytest.approx(shots**-0.5, rel=1e-9)
    assert math.ceil(1 / precision**2) == shots_of_precision(precision) == shots


@pytest.mark.parametrize("precision", [0, -0.1, 9.9e-5, 1.01, "small", True])
def test_a_precision_out_of_range(precision: Any) -> None:
    with pytest.raises(ValidationError, match="precision"):
        Quantum(precision=precision)


def test_precision_and_shots_that_contradict_each_other() -> None:
    with pytest.raises(
        ConfigurationError, match=r"quantum\.precision and quantum\.shots"
    ) as caught:
        Quantum.model_validate({"precision": 0.01, "shots": 4096})
    assert caught.value.found == "precision = 0.01 and shots = 4096"
    assert caught.value.valid == "shots = 10000 with this precision"


def test_a_copy_with_another_precision_has_other_shots() -> None:
    table = {"name": "x", "problem": {"kind": "bell"}, "quantum": {"precision": 0.02}}
    read_back = Experiment.model_validate(Experiment.model_validate(table).model_dump())
    changed = read_back.model_copy(update={"quantum.precision": 0.01})
    assert changed.quantum.shots == 10_000


@pytest.mark.parametrize("pack", [0, -1, 1.5, True, "many", None, 100_001, [2]])
def test_a_pack_holds_a_whole_number_of_searches(pack: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        bell(resources={"pack": pack})
    assert caught.value.key == "resources.pack"
    assert "auto" in str(caught.value.valid)


def test_the_retries_of_a_stage_go_before_those_of_all() -> None:
    stage = {"retries": 5, "grow": {"memory": 2}}
    resources = bell(
        resources={"retries": 1, "grow": {"walltime": 1.5}, "a": stage, "b": {"walltime_s": 5}}
    ).resources
    assert resources.most_retries == 5
    assert resources.retry_policy(["a"]) == (5, Grow(memory=2))
    assert resources.retry_policy(["x", "b"]) == (1, Grow(walltime=1.5))
    assert resources.retry_policy(["x"]) == (1, Grow(walltime=1.5))
    asked = bell(resources={"a": stage})
    assert asked.resources_of_call(["a"], "analysis") == {}


@pytest.mark.parametrize(
    "grow", [{"memory": 0.5}, {"walltime": 101}, {"nodes": 2}, 2, {"memory": "2"}]
)
def test_invalid_growth(grow: object) -> None:
    with pytest.raises(ValidationError):
        bell(resources={"grow": grow})
