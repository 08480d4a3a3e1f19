from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import ProblemTable
from hybrid_parsl.problems import Problem
from hybrid_parsl.problems.contract import check_contract, compare_with_observable
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
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # it may change within one second
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


EARLIER = """
import math
import numpy as np
from pydantic import BaseModel, ConfigDict

class TwoLevel:
    class Settings(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        scale: float = 1.0

    ansatz = "circuit"
    n_qubits = 1

    def __init__(self, settings):
        self.scale = settings.scale

    @classmethod
    def embed(cls, settings, folder):
        return settings

    def bounds(self, layers):
        return np.array([[0.0, math.pi]])

    def cost_diagonal(self):
        return np.array([self.scale, -self.scale])

    def observable(self):
        from qiskit.quantum_info import SparsePauliOp

        return SparsePauliOp(["Z"], [self.scale])

    def circuit(self, parameters):
        from qiskit import QuantumCircuit

        circuit = QuantumCircuit(1)
        circuit.rx(parameters[0], 0)
        return circuit

    def energies(self, bitstrings):
        return np.array([self.scale * (1 - 2 * int(bits)) for bits in bitstrings])

    def spectrum(self):
        return (-abs(self.scale), abs(self.scale))
"""


def test_a_class_that_states_its_cost_four_times_still_works(module: Path) -> None:
    module.write_text(EARLIER)
    kind = f"{module.stem}:TwoLevel"
    table = ProblemTable.model_validate({"kind": kind, "scale": 2.0})
    problem = build_problem(table)
    check_contract(problem, 1)
    compare_with_observable(problem, 1)
    assert problem.energies(["0", "1"]).tolist() == [2, -2]
    module.write_text(EARLIER.replace("1 - 2 * int(bits)", "2 * int(bits) - 1"))
    sys.modules.pop(module.stem)
    with pytest.raises(ConfigurationError, match="opposite sign") as caught:
        compare_with_observable(build_problem(table), 1)
    assert (caught.value.found, caught.value.valid) == ("-2", "2")
