from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import WorkflowTable
from hybrid_parsl.workflow import describe_options, find_workflow, workflows_in


def module_of(text: str) -> ModuleType:
    module = ModuleType("apps.workflows")
    module.__file__ = "apps/workflows.py"
    exec(text, vars(module))
    return module


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    made = module_of(
        "from __future__ import annotations\n"
        "from os.path import join\n"
        "def pipeline(experiment: Experiment): 'Search.\\n\\nMore.'\n"
        "def deep(experiment, *, target: float = 0.9, depths: list[int]): return target, depths\n"
        "def _hidden(experiment): ...\n"
    )
    monkeypatch.setitem(sys.modules, "apps.workflows", made)
    return made


def table(**options: Any) -> WorkflowTable:
    return WorkflowTable.model_validate({"name": "deep", **options})


def test_public_functions_of_the_project_are_its_workflows(module: ModuleType) -> None:
    found = workflows_in(module)
    assert list(found) == ["pipeline", "deep"]
    assert found["pipeline"].summary == "Search."
    assert describe_options(found["deep"]) == [
        {"option": "target", "type": "float", "default": "0.9"},
        {"option": "depths", "type": "list[int]", "default": "required"},
    ]


def test_options_come_from_the_table_and_the_signature(module: ModuleType) -> None:
    deep = find_workflow(module, "deep")
    assert deep.bind(table(depths=[1, 2])) == {"target": 0.9, "depths": [1, 2]}


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({}, "workflow.depths"),
        ({"depths": [1], "traget": 1.0}, "workflow.traget"),
        ({"depths": [1], "target": "high"}, "workflow.target"),
        ({"depths": ["a"]}, "workflow.depths.0"),
    ],
)
def test_an_option_that_is_not_valid(module: ModuleType, options: Any, key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        find_workflow(module, "deep").bind(table(**options))
    assert caught.value.key == key


def test_a_name_that_is_no_workflow(module: ModuleType) -> None:
    with pytest.raises(ConfigurationError) as caught:
        find_workflow(module, "pipline")
    assert (caught.value.key, caught.value.found) == ("workflow.name", "pipline")
    assert caught.value.suggestion == "pipeline"


@pytest.mark.parametrize(
    "text",
    ["def f(): ...", "def f(*, x): ...", "def f(e, **more): ...", "def f(e, *, name='x'): ..."],
)
def test_a_signature_that_no_workflow_has(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = module_of(text)
    monkeypatch.setitem(sys.modules, "apps.workflows", module)
    assert workflows_in(module) == {}
    with pytest.raises(ConfigurationError) as caught:
        find_workflow(module, "f")
    assert caught.value.source == "apps/workflows.py, workflow f"


def test_options_are_the_same_when_they_are_read_from_a_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = module_of(
        "from pathlib import Path\n"
        "def f(e, *, most: int | None = None, at: tuple[int, ...] = (1, 2), to: Path = Path('x')):"
        " ..."
    )
    monkeypatch.setitem(sys.modules, "apps.workflows", module)
    found = find_workflow(module, "f")
    whole = found.complete(WorkflowTable.model_validate({"name": "f"}))
    assert whole == {"name": "f", "at": [1, 2], "to": "x"}
    again = WorkflowTable.model_validate(whole)
    assert found.complete(again) == whole
    assert found.bind(again)["at"] == (1, 2)
