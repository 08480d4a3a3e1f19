from __future__ import annotations

import ast
import importlib
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hybrid_parsl.experiment import Experiment
from hybrid_parsl.own_code import OwnCode, SourceFile
from hybrid_parsl.quantum.aer import AerBackend
from hybrid_parsl.results import Execution, SearchResult
from hybrid_parsl.reuse import call_key as module
from hybrid_parsl.reuse.call_key import USED_TABLES, call_key
from hybrid_parsl.stage_function import StageFunction
from hybrid_parsl.stages.analysis import analyse
from hybrid_parsl.stages.quantum import sample
from hybrid_parsl.stages.search import search

if TYPE_CHECKING:
    from collections.abc import Callable

VERSIONS = {"hybrid-parsl": "1+abc", "numpy": "2.0"}
MAXCUT = Experiment.model_validate(
    {"name": "one", "problem": {"kind": "maxcut", "nodes": 4, "degree": 2}}
)


def own(text: bytes, name: str = "apps/mine.py") -> OwnCode:
    return OwnCode((SourceFile("/folder", name, text),))


def mine(experiment: Experiment | None = None, seed: int | None = 1, *others: Any) -> None:
    """Stand for a stage of a project."""


def found(**changes: Any) -> SearchResult:
    execution = Execution(duration_s=1.0, n_ranks=1, hosts=["a"])
    fields: dict[str, Any] = {
        "parameters": [0.1, 0.2],
        "energy": -1.0,
        "method": "draw",
        "best_start": 0,
        "energies": [-1.0],
        "trace": [-1.0],
        "n_evaluations": 1,
        "execution": execution,
    }
    return SearchResult(**{**fields, **changes})


def key(
    function: Callable[..., Any],
    *arguments: Any,
    code: OwnCode | None = None,
    versions: dict[str, str] = VERSIONS,
    software: str = "",
    task: str = "a",
    **keywords: Any,
) -> str | None:
    called = StageFunction(function, task, code or OwnCode())
    return call_key(called, arguments, keywords, versions, software)


def changed(**update: Any) -> Experiment:
    return MAXCUT.model_copy(
        update={name.replace("__", "."): each for name, each in update.items()}
    )


def test_equal_calls_have_one_key_however_they_are_written() -> None:
    first = key(search, MAXCUT)
    assert first is not None
    assert len(first) == 64
    assert first == key(search, MAXCUT, None) == key(search, experiment=MAXCUT, task="b")


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(
    ("update", "again"),
    [
        ({"quantum__shots": 7}, {"quantum"}),
        ({"quantum__seed": 7}, {"quantum"}),
        ({"quantum__options": {"precision": "single"}}, {"quantum"}),
        ({"quantum__method": "statevector"}, {"quantum"}),
        ({"search__seed": 7}, {"search"}),
        ({"search__precision": "single"}, {"search"}),
        ({"ansatz__layers": 2}, {"search", "quantum", "analysis"}),
        ({"analysis__bootstrap": 70}, {"analysis"}),
        ({"analysis__seed": 7}, {"analysis"}),
        ({"problem__seed": 7}, {"search", "quantum", "analysis"}),
        ({"resources__num_ranks": 4, "resources__ranks_per_node": 4}, set()),
        ({"name": "two"}, set()),
        ({"problem__seed": 0}, set()),  # its default
    ],
)
def test_a_stage_is_computed_again_if_a_table_that_it_reads_changes(
    update: dict[str, Any], again: set[str]
) -> None:
    other = changed(**update)
    calls: dict[str, tuple[Any, ...]] = {
        "search": (search,),
        "quantum": (sample, found()),
        "analysis": (analyse, found(), found()),
    }
    differ = {
        name
        for name, (stage, *others) in calls.items()
        if key(stage, MAXCUT, *others) != key(stage, other, *others)
    }
    assert differ == again
    assert key(mine, MAXCUT) != key(mine, other)  # it may read everything


@pytest.mark.parametrize("reference", USED_TABLES)
def test_the_stages_read_no_other_table(reference: str) -> None:
    """Where they ask for other attributes, these are no tables or decide no digits."""
    name = reference.partition(":")[0]
    modules = [name, *(["hybrid_parsl.report.figures"] if "analysis" in name else [])]
    read = set()
    for each in modules:
        for node in ast.walk(ast.parse(inspect.getsource(importlib.import_module(each)))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                read |= {node.attr} if node.value.id == "experiment" else set()
    assert read & set(Experiment.model_fields) <= set(USED_TABLES[reference])


def test_how_a_result_was_computed_decides_nothing_for_our_stages() -> None:
    slower = found(execution=Execution(duration_s=9.0, n_ranks=4, hosts=["b"]))
    assert key(sample, MAXCUT, found()) == key(sample, MAXCUT, slower)
    assert key(sample, MAXCUT, found()) != key(sample, MAXCUT, found(parameters=[0.1, 0.3]))
    assert key(mine, MAXCUT, 1, found()) != key(mine, MAXCUT, 1, slower)


def test_versions_software_function_and_source_are_part_of_the_key() -> None:
    calls = [
        key(search, MAXCUT),
        key(search, MAXCUT, versions={**VERSIONS, "numpy": "2.1"}),
        key(search, MAXCUT, versions={**VERSIONS, "hybrid-parsl": "1+abd"}),
        key(search, MAXCUT, software="image@sha256:1"),
        key(search, MAXCUT, [0.1, 0.2]),
        key(mine, MAXCUT),
        key(mine, MAXCUT, code=own(b"a = 1")),
        key(mine, MAXCUT, code=own(b"a = 2")),
        key(mine, MAXCUT, 2),
    ]
    assert None not in calls
    assert len(set(calls)) == len(calls)


def test_an_edited_problem_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "support"))
    importlib.import_module("failing_problems")
    there = Experiment.model_validate(
        {"name": "one", "problem": {"kind": "failing_problems:Waiting", "go": "file"}}
    )
    keys = {
        key(search, there.with_own_code(own(text, "failing_problems.py")))
        for text in (b"a = 1", b"a = 2")
    }
    installed = key(search, there)
    assert None not in {*keys, installed}
    assert len({*keys, installed}) == 3


def test_an_edited_module_of_an_installed_package_is_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "third_party_stages"
    package.mkdir()
    (tmp_path / "linked").mkdir()
    (package / "linked").symlink_to(tmp_path / "linked")
    (package / "__init__.py").write_text("")
    (package / "stage.py").write_text("def stage():\n    return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    stage = importlib.import_module("third_party_stages.stage").stage
    keys = []
    for file, text in (("helper", ""), ("helper", "V = 1"), ("linked/helper", "")):
        (package / f"{file}.py").write_text(text)
        module._package_fingerprint.cache_clear()
        keys.append(key(stage))
    for name in ("third_party_stages", "third_party_stages.stage"):
        del sys.modules[name]
    assert None not in keys
    assert len(set(keys)) == 3


def test_versions_of_all_packages_count_for_code_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(search, MAXCUT), key(mine, MAXCUT, code=own(b"a = 1"))
    monkeypatch.setattr(module, "_installed", lambda: "others")
    after = key(search, MAXCUT), key(mine, MAXCUT, code=own(b"a = 1"))
    assert before[0] == after[0]
    assert before[1] != after[1]


@pytest.mark.parametrize(
    ("arguments", "keywords"),
    [
        ((MAXCUT, None), {}),
        ((), {"seed": None}),
        ((None, 1, {"seed": None}), {}),
        ((None, 1, object()), {}),
        ((None, 1, Path("file")), {}),
        ((), {"unknown": 1}),
    ],
)
def test_calls_that_are_always_carried_out(
    arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> None:
    assert key(mine, *arguments, **keywords) is None


def test_an_argument_whose_form_fails_prevents_nothing_but_reuse() -> None:
    assert key(mine, None, 10**5000) is None  # has no decimal form


def test_a_function_without_source_is_always_called() -> None:
    assert key(math_hypot(), 1.0, 2.0) is None


def math_hypot() -> Any:
    import _operator

    return _operator.add


def test_counts_of_a_backend_that_is_not_reproducible_are_never_reused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert key(sample, MAXCUT, found()) is not None
    monkeypatch.setattr(AerBackend, "is_reproducible", False)
    assert key(sample, MAXCUT, found()) is None
    assert key(mine, MAXCUT) is None
    assert key(search, MAXCUT) is not None
