from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import ProblemTable
from hybrid_parsl.problems import Problem
from hybrid_parsl.problems.registry import build_problem, problem_fingerprint

if TYPE_CHECKING:
    from pathlib import Path

MODULE = """
from hybrid_parsl.problems.bell import Bell

class Own(Bell):
    pass

class Failing(Bell):
    def __init__(self, settings):
        raise RuntimeError("no such instrument")

class Duck:
    'A class of no other.'

    circuit, observable, bounds = Bell.circuit, Bell.observable, Bell.bounds

    def __init__(self):
        self.n_qubits = 2

class WithKeys(Duck):
    class Settings(Bell.Settings):
        scale: float = 1.0

    def __init__(self, settings):
        self.scale = settings.scale

class Half:
    def circuit(self, parameters):
        pass

function = len
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "own_problems_for_tests.py"
    path.write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, path.stem, raising=False)
    return path


def test_a_class_that_cannot_be_made_says_why(module: Path) -> None:
    table = ProblemTable.model_validate({"kind": f"{module.stem}:Failing"})
    told = "cannot make it: RuntimeError: no such instrument"
    with pytest.raises(ConfigurationError, match=told) as caught:
        build_problem(table)
    assert caught.value.key == "problem.kind"


def test_the_file_of_anothers_class_has_a_fingerprint(module: Path) -> None:
    before = problem_fingerprint(f"{module.stem}:Own")
    assert len(before) == 16
    module.write_text(f"{MODULE}\n# changed\n")
    assert problem_fingerprint(f"{module.stem}:Own") != before
    assert problem_fingerprint("bell") == ""


def test_a_class_of_no_other_is_completed(module: Path) -> None:
    duck = build_problem(ProblemTable(kind=f"{module.stem}:Duck"))
    assert isinstance(duck, Problem)
    assert (duck.n_qubits, duck.spectrum()) == (2, (-1, 1))
    assert type(duck).__doc__ == "A class of no other."
    assert len(problem_fingerprint(f"{module.stem}:Duck")) == 16
    keyed = ProblemTable.model_validate({"kind": f"{module.stem}:WithKeys", "scale": 3.0})
    assert vars(build_problem(keyed))["scale"] == 3


@pytest.mark.parametrize(
    ("name", "told"),
    [("Half", "does not define bounds, observable"), ("function", "not a problem")],
)
def test_what_is_no_problem_is_refused(module: Path, name: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        build_problem(ProblemTable(kind=f"{module.stem}:{name}"))
    assert caught.value.key == "problem.kind"
