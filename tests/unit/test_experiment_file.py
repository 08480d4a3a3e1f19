from __future__ import annotations

import random
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import tomli_w
from experiment_fuzzer import WHOLE, damaged_table, damaged_text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from services import is_required

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import Experiment
from hybrid_parsl.experiment_file import explain, origin, parse_experiment, read_experiment

if TYPE_CHECKING:
    from pathlib import Path

LEAST = 'name = "x"\n[problem]\nkind = "bell"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "asked.toml"


def fault_of(file: Path, content: str | bytes, *overrides: str) -> ConfigurationError:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigurationError) as caught:
        read_experiment(file, overrides)
    return caught.value


def read(file: Path, content: str | bytes, *overrides: str) -> Experiment:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_experiment(file, overrides)


def test_the_least_file_and_every_default(file: Path) -> None:
    experiment = read(file, LEAST)
    assert experiment.name == "x"
    assert experiment.problem.kind == "bell"
    assert experiment == parse_experiment({"name": "x", "problem": {"kind": "bell"}})


@pytest.mark.parametrize(
    "content", [LEAST.replace("\n", "\r\n"), b"\xef\xbb\xbf" + LEAST.encode(), f"# ü\n{LEAST}\n\n"]
)
def test_files_of_other_editors(file: Path, content: str | bytes) -> None:
    assert read(file, content).name == "x"


# ---- what an error says: the file, the key, what was found, what is valid


@pytest.mark.parametrize(
    ("lines", "key", "message", "found", "valid", "suggestion"),
    [
        ("[search]\nstart = 3", "search.start", "unknown key", "start", "starts, t", "starts"),
        ("[serach]\nstarts = 3", "serach", "unknown key", "serach", "resources, search", "search"),
        (
            "[quantum]\nzzz = 3",
            "quantum.zzz",
            "unknown key",
            "zzz",
            "backend, max_qpu_seconds, method",
            None,
        ),
        ("[search]\nstarts = '3'", "search.starts", "valid integer", "'3'", None, None),
        ("[search]\nstarts = true", "search.starts", "valid integer", "True", None, None),
        ("[search]\nstarts = 0", "search.starts", "should be", "0", "1 to ", None),
        ("[search]\ntolerance = 1", "search.tolerance", "less", "1", "less than 1", None),
        ("[search]\ntolerance = 0.0", "search.tolerance", "greater", "0.0", "more than 0", None),
        ("[ansatz]\nlayers = 999", "ansatz.layers", "should be", "999", "1 to 128", None),
        (
            "[search]\nprecision = 'dobule'",
            "search.precision",
            "'double'",
            "'dobule'",
            "double, single",
            "double",
        ),
        ("[search]\nprecision = 5", "search.precision", "'double'", "5", "double, single", None),
        ("[search]\nmethod = 5", "search.method", "valid string", "5", None, None),
        ("[search]\noptions = 5", "search.options", "should be a table", "5", None, None),
        ("[[search]]\nstarts = 3", "search", "should be a table", "[{'starts': 3}]", None, None),
        (
            "[resources]\nnum_ranks = 0",
            "resources",
            "num_ranks = 0",
            "{'num_ranks': 0}",
            None,
            None,
        ),
        ("[analysis]\ntop = nan", "analysis.top", "is not finite", "nan", "a finite number", None),
        ("deep = inf", "problem.deep", "is not finite", "inf", "a finite number", None),
        ("day = 1979-05-27", "problem.day", "a date or a time", "1979-05-27", "a number", None),
        (f"big = {2**63}", "problem.big", "is too large", str(2**63), "64 bits", None),
    ],
)
def test_a_fault_is_told_with_all_that_is_known(
    file: Path,
    lines: str,
    key: str,
    message: str,
    found: str,
    valid: str | None,
    suggestion: str | None,
) -> None:
    fault = fault_of(file, LEAST + lines)
    assert fault.source == str(file)
    assert fault.key == key
    assert message in fault.message
    assert not fault.message.lower().startswith("input")
    assert fault.found == found
    assert fault.valid is None if valid is None else valid in str(fault.valid)
    assert fault.suggestion == suggestion


@pytest.mark.parametrize(
    ("lines", "overrides", "source"),
    [
        ("[resources]\nnum_ranks = 5000\n", [], "FILE"),
        ("", ["resources.num_ranks=5000"], "--set"),
        ("[resources]\nnum_nodes = 1\n", ["resources.num_ranks=5000"], "--set"),
    ],
)
def test_too_many_ranks_are_told_by_the_key_that_asks_for_them(
    file: Path, lines: str, overrides: list[str], source: str
) -> None:
    fault = fault_of(file, LEAST + lines, *overrides)
    assert fault.source == (str(file) if source == "FILE" else source)
    assert (fault.key, fault.found, fault.valid) == ("resources.num_ranks", "5000", "1 to 4096")


@pytest.mark.parametrize("depth", [40, 5000])
def test_what_is_nested_too_deeply_is_told_so(file: Path, depth: int) -> None:
    fault = fault_of(file, LEAST + "x = " + "[" * depth + "]" * depth)
    assert (fault.source, fault.message) == (str(file), "is nested too deeply")
    assert fault.valid == "at most 32 levels of tables and lists"


def test_a_missing_key(file: Path) -> None:
    fault = fault_of(file, "[problem]\nkind = 'bell'")
    assert (fault.key, fault.message, fault.found) == ("name", "missing", None)
    assert "name = ..." in str(fault.valid)
    assert fault_of(file, "name = 'x'\n[problem]").key == "problem.kind"


def test_a_misspelt_key_is_told_before_the_one_that_it_makes_missing(file: Path) -> None:
    fault = fault_of(file, "nam = 'x'\n[problem]\nkind = 'bell'")
    assert (fault.message, fault.key, fault.suggestion) == ("unknown key", "nam", "name")


def test_a_key_cannot_write_to_the_terminal(file: Path) -> None:
    text = str(fault_of(file, LEAST + '[search]\n"\\u001b[31m\\nred" = 3\n'))
    assert r"\x1b[31m\nred" in text
    assert all(line.isprintable() for line in text.split("\n"))
    assert text.count("\n") == 2


def test_what_was_found_is_shortened(file: Path) -> None:
    fault = fault_of(file, LEAST + f"[search]\nprecision = '{'x' * 10_000}'\n")
    assert len(str(fault)) < 600


# ---- what is no TOML


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\x7fELF\x02\x01\x01\x00" + bytes(range(256)), id="binary"),
        pytest.param(b"\xff\xfe" + LEAST.encode("utf-16-le"), id="utf-16"),
        pytest.param(LEAST + 'x = "caf\\xe9"', id="bad escape"),
        pytest.param(LEAST.encode() + 'x = "café"'.encode("latin-1"), id="latin-1"),
        pytest.param(LEAST + "x = " + "[" * 5000, id="deep, open"),
        pytest.param(LEAST + "x = " + "[" * 5000 + "]" * 5000, id="deep, closed"),
        pytest.param(LEAST + "x = " + "{a=" * 5000 + "1" + "}" * 5000, id="deep tables"),
        pytest.param(LEAST + "x = " + "[" * 300 + "]" * 300, id="deeper than JSON"),
        pytest.param(LEAST + "[" + ".".join("a" * 2000) + "]", id="dotted table"),
        pytest.param(".".join("a" * 2000) + " = 1\n" + LEAST, id="dotted key"),
        pytest.param(LEAST + "x = " + "9" * 5000, id="digits"),
        pytest.param(LEAST + "x = 0x" + "f" * 5000, id="hexadecimal digits"),
        pytest.param(LEAST + "x = nan", id="nan"),
        pytest.param(LEAST + "x = -inf", id="inf"),
        pytest.param(LEAST + "x = 1e999", id="overflow"),
        pytest.param(LEAST + "x = [1, {y = nan}]", id="nan inside"),
        pytest.param(LEAST + "x = 1\nx = 2", id="duplicate key"),
        pytest.param(LEAST + "[problem]\nkind = 'bell'", id="duplicate table"),
        pytest.param(LEAST + "[search]\nstarts = 1\n[search]\nseed = 1", id="table twice"),
        pytest.param(LEAST + "x = 'a\0b'", id="null"),
        pytest.param(LEAST + "x = 'a\x1bb'", id="escape"),
        pytest.param(LEAST + 'x = "\\ud800"', id="surrogate"),
        pytest.param(LEAST + "x = 1979-13-99", id="no date"),
        pytest.param("", id="empty"),
        pytest.param("# nothing", id="comment"),
        pytest.param("{}", id="JSON"),
        pytest.param("name: x\n", id="YAML"),
    ],
)
def test_a_malformed_file_is_a_configuration_error(file: Path, content: str | bytes) -> None:
    fault = fault_of(file, content)
    assert fault.source == str(file)
    assert len(str(fault)) < 2000


def test_where_the_text_stops_being_utf_8(file: Path) -> None:
    fault = fault_of(file, LEAST.encode() + b"# \xff\n")
    assert fault.message == f"not UTF-8 at byte {len(LEAST) + 2}"


def test_the_line_of_a_syntax_error(file: Path) -> None:
    assert "line 4" in fault_of(file, LEAST + "starts 3\n").message


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    loop = tmp_path / "loop.toml"
    loop.symlink_to(loop)
    for path in (tmp_path, tmp_path / "absent.toml", loop, tmp_path / ("x" * 300)):
        with pytest.raises(ConfigurationError) as caught:
            read_experiment(path)
        assert caught.value.source == str(path)


# ---- overrides


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("search.starts=64", 64),
        (" search.starts = 64 ", 64),
        ("search.starts=1_000", 1000),
        ("search.starts=0x10", 16),
        ("search.starts=7 # comment", 7),
    ],
)
def test_an_override_is_a_toml_value(file: Path, assignment: str, value: int) -> None:
    assert read(file, LEAST + "[search]\nstarts = 2", assignment).search.starts == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("word", "word"),
        ('"quoted"', "quoted"),
        ("'7'", "7"),
        ("a=b", "a=b"),
        ("two words", "two words"),
        ("", ""),
        ("[1, [2.5]]", [1, [2.5]]),
        ("{a = 1}", {"a": 1}),
        ("true", True),
        ("True", "True"),
        ("1\nother = 2", "1\nother = 2"),
        ("[", "["),
        ("package.module:Class", "package.module:Class"),
        ("/some/file.txt", "/some/file.txt"),
    ],
)
def test_a_value_that_is_no_toml_is_a_word(text: str, value: Any) -> None:
    asked = parse_experiment({"name": "x", "problem": {"kind": "bell"}}, [f"problem.key={text}"])
    assert asked.problem.settings == {"key": value}


def test_overrides_make_tables_and_the_last_one_counts(file: Path) -> None:
    asked = read(file, LEAST, "quantum.shots=5", "quantum={shots=6}", "quantum.seed=9", "name=y")
    assert (asked.quantum.shots, asked.quantum.seed, asked.name) == (6, 9, "y")


def test_overrides_leave_the_table_they_are_given_alone() -> None:
    table = {"name": "x", "problem": {"kind": "bell", "list": [1]}}
    parse_experiment(table, ["name=y", "problem.kind=ising", "search.starts=3"])
    assert table == {"name": "x", "problem": {"kind": "bell", "list": [1]}}


@pytest.mark.parametrize("assignment", ["", "search", "=3", ".a=3", "a.=3", "a..b=3", " =1"])
def test_an_override_without_key_or_value(file: Path, assignment: str) -> None:
    fault = fault_of(file, LEAST, assignment)
    assert (fault.source, fault.message) == ("--set", "an override is KEY=VALUE")
    assert fault.found == repr(assignment)


def test_an_override_into_a_value(file: Path) -> None:
    fault = fault_of(file, LEAST, "problem.kind.deep.er=3")
    assert (fault.source, fault.key) == ("--set", "problem.kind")
    assert fault.message == "is a value, not a table"


@pytest.mark.parametrize(
    ("overrides", "source", "key"),
    [
        (["search.starts=0"], "--set", "search.starts"),
        (["search.bogus=1"], "--set", "search.bogus"),
        (["search={starts=0}"], "--set", "search.starts"),
        (["serach.starts=1"], "--set", "serach"),
        (
            ["search.threads=1", "resources.num_ranks=9", "resources.ranks_per_node=2"],
            "--set",
            "resources",
        ),
        (["quantum.shots=3"], "FILE", "search.threads"),
        (["search.thread=3"], "--set", "search.thread"),
    ],
)
def test_a_fault_is_told_of_where_it_was_written(
    file: Path, overrides: list[str], source: str, key: str
) -> None:
    fault = fault_of(file, LEAST + "[search]\nthreads = 0", *overrides)
    assert fault.source == (str(file) if source == "FILE" else source)
    assert fault.key == key


@pytest.mark.parametrize(
    "assignment",
    [
        "search.starts=\udcff",
        "sear\udcffch.starts=1",
        "name=\udcff",
        "problem.x=nan",
        f"problem.{'a.' * 3000}b=1",
        f"{'a.' * 3000}b=1",
        f"problem.x={'[' * 300}{']' * 300}",
        f"search.starts={'9' * 5000}",
        f"problem.x=0x{'f' * 5000}",
    ],
)
def test_an_override_that_cannot_be_used(file: Path, assignment: str) -> None:
    fault = fault_of(file, LEAST, assignment)
    assert fault.source == "--set"
    str(fault).encode()


def test_the_origin_of_a_key() -> None:
    overrides = ["search.starts=3", "quantum = {}"]
    assert origin("search.starts", overrides, "a.toml") == "--set"
    assert origin("search.starts.x", overrides, "a.toml") == "--set"
    assert origin("quantum.shots", overrides, "a.toml") == "--set"
    assert origin("search", overrides, "a.toml") == "--set"
    assert origin("resources", overrides, "a.toml") == "a.toml"
    assert origin("search.start", overrides, "a.toml") == "a.toml"
    assert origin("search.starts_more", overrides, None) is None
    assert origin(None, overrides, "a.toml") == "a.toml"


# ---- the small functions


def test_faults_of_a_table_are_told_with_its_name() -> None:
    with pytest.raises(ValidationError) as caught:
        Experiment.model_validate({"name": "x", "problem": {"kind": ""}})
    assert explain(caught.value, Experiment, "outer").key == "outer.problem.kind"


# ---- any experiment there and back


NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    NUMBERS | TEXT | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    extra=st.dictionaries(TEXT.filter(lambda key: key != "kind"), VALUES, max_size=4),
    layers=st.integers(1, 128),
    tolerance=st.floats(0, 1, exclude_min=True, exclude_max=True),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_is_written_down_is_read_as_the_same_experiment(
    extra: dict[str, Any], layers: int, tolerance: float, seed: int
) -> None:
    asked = parse_experiment(
        {
            "name": "x",
            "problem": {"kind": "ising", **extra},
            "ansatz": {"layers": layers},
            "search": {"tolerance": tolerance, "seed": seed},
            "resources": {"num_nodes": 3},
        }
    )
    text = tomli_w.dumps(asked.model_dump(mode="json", exclude_none=True))
    again = parse_experiment(tomllib.loads(text))
    assert again == asked
    assert again.search_key == asked.search_key


# ---- 10 000 damaged experiments


def outcome_of(damaged: bytes | dict[str, Any], file: Path) -> str:
    """Read a damaged experiment: it is valid through and through, or told to be wrong."""
    try:
        if isinstance(damaged, dict):
            asked = parse_experiment(damaged, (), "damaged.toml")
        else:
            file.write_bytes(damaged)
            asked = read_experiment(file)
    except ConfigurationError as error:
        fault = error
    else:
        fault = None
    if fault is not None:
        assert fault.source in (str(file), "damaged.toml")
        lines = str(fault).split("\n")
        assert all(line.isprintable() for line in lines)
        assert len(lines) <= 4
        return "refused"
    text = tomli_w.dumps(asked.model_dump(mode="json", exclude_none=True))
    assert parse_experiment(tomllib.loads(text)) == asked
    assert len(asked.search_key) == 64
    return "valid"


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("form", ["text", "table"])
def test_damaged_experiments_are_valid_or_refused(form: str, file: Path) -> None:
    generator = random.Random(form)
    damage = damaged_text if form == "text" else damaged_table
    n_inputs = 5000 if is_required("thorough") else 500
    outcomes = [outcome_of(damage(generator), file) for _ in range(n_inputs)]
    assert outcomes.count("refused") > n_inputs / 5  # the damage is done
    assert outcomes.count("valid") > n_inputs / 25  # and is not the same each time


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    content=st.binary(max_size=60)
    | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
def test_any_bytes_are_refused(content: bytes, file: Path) -> None:
    assert outcome_of(content, file) == "refused"


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    table=st.sampled_from(sorted(WHOLE)),
    value=VALUES | st.dictionaries(st.sampled_from(["starts", "kind", "seed", "x"]), VALUES),
)
def test_any_value_in_place_of_a_table(table: str, value: Any) -> None:
    try:
        asked = parse_experiment({**WHOLE, table: value}, (), "a.toml")
    except ConfigurationError as error:
        told = (error.source, str(error.key).partition(".")[0])
    else:
        assert isinstance(asked, Experiment)
        told = ("a.toml", table)
    assert told == ("a.toml", table)
