from __future__ import annotations

import contextlib
import json
import math
import time
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment_file import placed, sweep_of
from hybrid_parsl.sweep import Sweep, in_words, sweep_assignment, toml_text


def points(text: str, *overrides: str) -> list[dict[str, Any]]:
    found = sweep_of(tomllib.loads(text), overrides, "file.toml")
    assert found is not None
    return found.points()


def test_every_combination_of_which_the_last_key_varies_fastest() -> None:
    found = points('[sweep]\n"ansatz.layers" = [1, 2]\n"search.method" = ["grid", "spsa"]')
    assert [tuple(each.values()) for each in found] == [
        (1, "grid"),
        (1, "spsa"),
        (2, "grid"),
        (2, "spsa"),
    ]
    assert in_words(found[1]) == 'ansatz.layers = 1, search.method = "spsa"'


def test_keys_may_be_written_without_quotes_and_overridden() -> None:
    text = "[sweep]\nansatz.layers = [1, 2]\nproblem.seed.range = [0, 2]"
    assert len(points(text)) == 4
    assert points(text, "sweep.ansatz.layers=[5]", "sweep.problem.seed=[7]") == [
        {"ansatz.layers": 5, "problem.seed": 7}
    ]


def test_values_side_by_side() -> None:
    text = '[sweep]\ncombine = "zip"\na.b = [1, 2]\nc.d = [[3], [4]]'
    assert points(text) == [{"a.b": 1, "c.d": [3]}, {"a.b": 2, "c.d": [4]}]


@pytest.mark.parametrize(
    ("spec", "values"),
    [
        ("{ range = [0, 3] }", [0, 1, 2]),
        ("{ range = [9, 0, -4] }", [9, 5, 1]),
        ("{ linspace = [0, 1, 5] }", [0, 0.25, 0.5, 0.75, 1]),
        ("{ linspace = [2.5, 3, 1] }", [2.5]),
        ("{ geomspace = [1, 10_000, 5] }", [1, 10, 100, 1000, 10_000]),
        ("{ geomspace = [-1.0, -4.0, 3] }", [-1, -2, -4]),
        ("{ geomspace = [1e-200, 1e-180, 3] }", [1e-200, 1e-190, 1e-180]),
        (
            "{ range = [-9223372036854775808, 9223372036854775807, 9223372036854775807] }",
            [-(2**63), -1, 2**63 - 2],
        ),
    ],
)
def test_spans(spec: str, values: list[float]) -> None:
    found = [each["a.b"] for each in points(f"[sweep]\na.b = {spec}")]
    assert found == pytest.approx(values)


def test_spans_between_whole_numbers_are_whole_where_they_can_be() -> None:
    found = [each["a.b"] for each in points("[sweep]\na.b = { geomspace = [10, 1000, 3] }")]
    assert [type(each) for each in found] == [int] * 3
    (low, mid, high) = points("[sweep]\na.b = { linspace = [1, 2, 3] }")
    assert (low["a.b"], mid["a.b"], high["a.b"]) == (1, 1.5, 2)
    round_ones = points("[sweep]\na.b = { geomspace = [1e-9, 1e-3, 4] }")
    assert [each["a.b"] for each in round_ones] == [1e-9, 1e-7, 1e-5, 1e-3]


def test_points_are_excluded_by_all_keys_of_a_table() -> None:
    text = """[sweep]
    a.b = [1, 2, 3]
    c.d = ["x", "y"]
    exclude = [{ a.b = [1, 2], c.d = "x" }, { "a.b" = 3 }]
    """
    assert [tuple(each.values()) for each in points(text)] == [(1, "y"), (2, "y")]


@pytest.mark.parametrize(
    ("table", "key", "words"),
    [
        ("", "sweep", "has no keys"),
        ("a = [1]", "sweep.a", "cannot be swept"),
        ("name = ['a']", "sweep.name", "cannot be swept"),
        ("workflow.name = ['a']", "sweep.workflow.name", "cannot be swept"),
        ("a.b = 1", "sweep.a.b", "no list of values"),
        ("a.b = []", "sweep.a.b", "has no values"),
        ("a.b = [1, 2, 1]", "sweep.a.b", "a value twice"),
        ("a.b = { range = [0] }", "sweep.a.b", "no list of values"),
        ("a.b = { range = [0, 0] }", "sweep.a.b", "has no values"),
        ("a.b = { range = [0, 1, 0] }", "sweep.a.b", "should not be 0"),
        ("a.b = { range = [0, 1.5] }", "sweep.a.b", "needs whole numbers"),
        ("a.b = { range = [0, 1_000_000_000_000] }", "sweep.a.b", "more than 100000 values"),
        ("a.b = { range = 'x' }", "sweep.a.b", "no list of values"),
        ("a.b = { range = [0, 2], linspace = [0, 1, 2] }", "sweep.a.b", "no list of values"),
        ("a.b = { linspace = [0, 1, 0] }", "sweep.a.b", "1 to 100000"),
        ("a.b = { linspace = [0, 1, 2.5] }", "sweep.a.b", "1 to 100000"),
        ("a.b = { geomspace = [0, 1, 3] }", "sweep.a.b", "one sign"),
        ("a.b = { geomspace = [-1, 1, 3] }", "sweep.a.b", "one sign"),
        ("a.b = { geomspace = [1e-300, 1e300, 5] }", "sweep.a.b", "their ratio"),
        ("a.b = { geomspace = [1e300, 1e-300, 5] }", "sweep.a.b", "their ratio"),
        ("a.b = { linspace = [-1e308, 1e308, 5] }", "sweep.a.b", "their difference"),
        (
            "a.b = { range = [-9223372036854775808, 9223372036854775807] }",
            "sweep.a.b",
            "more than 100000 values",
        ),
        ("a.b = {}", "sweep.a.b", "no list of values"),
        ("a.b = {}\na.c = [1]", "sweep.a.b", "no list of values"),
        ("a.b = [1]\nexclude = [{ a.b = [] }]", "sweep.exclude.0", "has no values"),
        ("a.b = [1, 2]\nexclude = [{ a.b = true }]", "sweep.exclude.0", "not one of the values"),
        ("a.b = [1, 2]\nexclude = [{ a.b = 1.0 }]", "sweep.exclude.0", "not one of the values"),
        ("name.x = [1]", "sweep.name.x", "cannot be swept"),
        ("sweep.a.b = [1]", "sweep.sweep.a.b", "cannot be swept"),
        ("a.b = [1]\ncombine = 'both'", "sweep.combine", "'product' or 'zip'"),
        ("a.b = [1]\nc.d = [1, 2]\ncombine = 'zip'", "sweep", "does not fit together"),
        ("a.b = [1]\nexclude = [{ a.c = 1 }]", "sweep.exclude.0", "is not swept"),
        ("a.b = [1]\nexclude = [{ a.b = 1 }]", "sweep.exclude", "excludes every point"),
        ("a.b = [1, 2]\nexclude = [{ a.b = [1, 3] }]", "sweep.exclude.0", "not one of the values"),
        ("a.b = [1]\nexclude = [1]", "sweep.exclude.0", "should be a table"),
        ("a.b.range = [0, 999]\nc.d.range = [0, 999]", "sweep", "too many points"),
    ],
)
def test_what_makes_no_points(table: str, key: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        points(f"[sweep]\n{table}")
    assert caught.value.key == key
    assert caught.value.source == "file.toml"


@pytest.mark.parametrize(
    "key",
    [
        "a.b ",
        " a.b",
        "a. b",
        "a.b\n",
        "a.b\t",
        "a.b=3 #",
        "a.b'",
        "a.b#",
        ".",
        "a.",
        ".b",
        "a..b",
        "",
    ],
)
def test_a_key_that_is_not_plain(key: str) -> None:
    with pytest.raises(ConfigurationError, match="is no plain key") as caught:
        points(f'[sweep]\n"c.d" = [1]\n{json.dumps(key)} = [1, 2]')
    assert caught.value.source == "file.toml"
    assert caught.value.found == repr(key)


def test_a_fixed_key_cannot_be_swept_by_a_blank_in_it() -> None:
    with pytest.raises(ConfigurationError, match="is no plain key"):
        points('[sweep]\n"workflow.name " = ["pipeline", "x"]')


def test_a_key_may_be_the_name_of_any_argument() -> None:
    assert points('[sweep]\n"workflow.größe_1" = [1]') == [{"workflow.größe_1": 1}]
    assert points("[sweep]\nresources.my-task.retries = [1]") == [{"resources.my-task.retries": 1}]


def test_values_of_another_type_are_not_excluded() -> None:
    assert points("[sweep]\na.b = [1, 1.0, true]\nexclude = [{ a.b = 1 }]") == [
        {"a.b": 1.0},
        {"a.b": True},
    ]


@pytest.mark.parametrize(
    "table",
    [
        {"a.b": [*range(20_000), 0]},
        {"a.b": list(range(20_000)), "exclude": [{"a.b": list(range(1, 20_000))}]},
        {"a.b": list(range(5000)), "exclude": [{"a.b": each} for each in range(1, 5000)]},
    ],
)
def test_the_time_of_the_check_is_linear(table: dict[str, Any]) -> None:
    begun = time.process_time()
    with contextlib.suppress(ConfigurationError):
        assert Sweep.model_validate(table).points() == [{"a.b": 0}]
    assert time.process_time() - begun < 2


def test_a_sweep_is_no_table() -> None:
    with pytest.raises(ConfigurationError, match="should be a table"):
        points("sweep = 3")


@pytest.mark.parametrize(
    ("text", "assignment"),
    [
        ("a.b=1,2,3", "sweep.a.b=[1, 2, 3]"),
        ("a.b = x, y", 'sweep.a.b=["x", "y"]'),
        ("a.b=1,x,true", 'sweep.a.b=[1, "x", true]'),
        ("a.b=[1, 2],[3]", "sweep.a.b=[[1, 2], [3]]"),
        ("a.b={range=[0, 20]}", "sweep.a.b={range=[0, 20]}"),
        ("combine=zip", "sweep.combine=zip"),
        ("exclude=[{a.b=1}]", "sweep.exclude=[{a.b=1}]"),
    ],
)
def test_values_of_the_command_line(text: str, assignment: str) -> None:
    assert sweep_assignment(text) == assignment


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.b=nan", "is not finite"),
        ("exclude=[{a.b=nan}]", "is not finite"),
        ("a.b=1979-05-27", "is a date or a time"),
        ("a.b=07:32:00", "is a date or a time"),
        ("a.b=\udcff", "is no text in UTF-8"),
        ("a.b=" + "[" * 40 + "]" * 40, "is nested too deeply"),
        ("a.b=" + "[" * 5000, "is nested too deeply"),
        ("a.b=" + "[" * 700 + "]" * 700, "is nested too deeply"),
        (".=1", "is no plain key"),
        ("a b.c=1", "is no plain key"),
        ("a.b.=1", "is no plain key"),
    ],
)
def test_faults_of_the_command_line_are_those_of_sweep(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        sweep_of({}, [sweep_assignment(text)], "file.toml")
    assert caught.value.source == "--sweep"


@pytest.mark.parametrize("text", ["", "a.b", "a.b=", "=1"])
def test_a_sweep_of_the_command_line_has_a_key_and_values(text: str) -> None:
    with pytest.raises(ConfigurationError, match="KEY=VALUES"):
        sweep_assignment(text)


VALUES = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8")),
    st.booleans(),
)


@given(st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3), max_leaves=6))
def test_values_survive_as_toml(value: Any) -> None:
    assert tomllib.loads(f"v = {toml_text(value)}") == {"v": value}


@given(
    st.dictionaries(
        st.sampled_from(["a.b", "a.c", "d.e"]),
        st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True),
        min_size=1,
    )
)
def test_the_number_of_points_is_the_product_and_none_is_twice(axes: dict[str, list[int]]) -> None:
    found = Sweep.model_validate(axes).points()
    expected = 1
    for values in axes.values():
        expected *= len(values)
    assert len(found) == expected
    assert len({tuple(each.items()) for each in found}) == expected


PLAIN_KEYS = st.from_regex(r"[\w-]{1,5}(\.[\w-]{1,5}){1,2}", fullmatch=True)
TOML = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@given(st.lists(TOML, min_size=1, max_size=4, unique_by=toml_text))
def test_each_point_has_its_value_as_it_is(values: list[Any]) -> None:
    table = {"a": {"b": 0, "c": 1}}
    found = Sweep.model_validate({"a.b": values}).points()
    made = [placed(table, each)["a"] for each in found]
    assert list(map(toml_text, made)) == [toml_text({"b": each, "c": 1}) for each in values]
    assert table == {"a": {"b": 0, "c": 1}}


@given(st.text(max_size=12) | PLAIN_KEYS)
def test_a_key_is_refused_or_leads_to_where_it_says(key: str) -> None:
    try:
        (point,) = Sweep.model_validate({key: [7]}).points()
    except ConfigurationError:
        return
    table: Any = placed({}, point)
    for part in key.split("."):
        (name,) = table
        assert name == part
        assert name == name.strip() != ""
        table = table[part]
    assert table == 7


@given(
    st.dictionaries(
        st.sampled_from(["a.b", "a.c", "d.e"]),
        st.lists(
            st.sampled_from([0, 1, 1.0, True, "1", [1], [1.0]]), min_size=1, unique_by=toml_text
        ),
        min_size=1,
    ),
    st.data(),
)
def test_excluded_are_the_points_that_agree_with_all_keys_of_a_table(
    axes: dict[str, list[Any]], data: st.DataObject
) -> None:
    def some(values: list[Any]) -> st.SearchStrategy[list[Any]]:
        return st.lists(st.sampled_from(values), min_size=1, max_size=3)

    tables = st.fixed_dictionaries({}, optional={key: some(each) for key, each in axes.items()})
    exclude = data.draw(st.lists(tables.filter(bool), max_size=4))
    every = Sweep.model_validate(axes).points()
    texts = [{key: set(map(toml_text, each)) for key, each in table.items()} for table in exclude]
    left = [
        point
        for point in every
        if not any(all(toml_text(point[k]) in each for k, each in t.items()) for t in texts)
    ]
    if left:
        found = Sweep.model_validate({**axes, "exclude": exclude}).points()
        assert list(map(toml_text, found)) == list(map(toml_text, left))
    else:
        with pytest.raises(ConfigurationError, match="excludes every point"):
            Sweep.model_validate({**axes, "exclude": exclude})


@given(
    st.sampled_from(["linspace", "geomspace"]),
    st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63 - 1),
    st.integers(1, 9),
)
def test_a_span_has_its_ends_and_finite_numbers_between(
    word: str, first: float, last: float, number: int
) -> None:
    try:
        found = Sweep.model_validate({"a.b": {word: [first, last, number]}}).axes["a.b"]
    except ConfigurationError as error:
        is_narrow = math.isclose(first, last, rel_tol=1e-13)
        if error.message == "has a value twice" and not is_narrow:
            raise
        return
    assert len(found) == number
    assert found[0] == first
    assert found[-1] == (last if number > 1 else first)
    low, high = sorted((first, last))
    slack = 1e-14 * max(abs(low), abs(high))
    assert all(math.isfinite(each) and low - slack <= each <= high + slack for each in found)


@given(st.text(st.characters(exclude_categories=[]), max_size=20), st.sampled_from(["", "a.b="]))
def test_any_text_of_the_command_line_is_values_or_a_fault_of_sweep(text: str, key: str) -> None:
    try:
        found = sweep_of({}, [sweep_assignment(f"{key}{text}")], "file.toml")
    except ConfigurationError as error:
        if error.source != "--sweep":
            raise
    else:
        assert found is not None
        assert found.points()
