"""The circuits that ``ansatz.kind`` selects, and the kinds of problems that have a choice."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from qiskit.circuit import ParameterVector
from qiskit.circuit.library import efficient_su2
from qiskit.quantum_info import Operator

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment_file import parse_experiment
from hybrid_parsl.problems.registry import build_problem

TABLES: list[dict[str, Any]] = [
    {"kind": "tfim", "sites": 3},
    {"kind": "heisenberg", "sites": 3, "field": 0.5},
    {"kind": "xxz", "sites": 4, "anisotropy": 0.5, "periodic": True},
    {"kind": "pauli", "observable": [["XYZ", 0.5], ["ZZI", -1.0]]},
]
KINDS = ["alternating", "efficient_su2"]


def experiment(problem: dict[str, Any], kind: str | None = None) -> Any:
    ansatz = {} if kind is None else {"kind": kind}
    return parse_experiment({"name": "x", "problem": problem, "ansatz": ansatz})


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table["kind"])
def test_open_parameters_give_the_same_circuit(table: dict[str, Any], kind: str) -> None:
    problem = build_problem(experiment(table, kind).problem)
    angles = np.random.default_rng(0).normal(size=len(problem.bounds(2)))
    names = ParameterVector("t", len(angles))
    bound = problem.circuit(names).assign_parameters(dict(zip(names, angles, strict=True)))
    assert Operator(bound).equiv(Operator(problem.circuit(angles.tolist())))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table["kind"])
@pytest.mark.parametrize("n_angles", [0, 7, 25])
def test_a_wrong_number_of_angles_is_refused(table: Any, kind: str, n_angles: int) -> None:
    problem = build_problem(experiment(table, kind).problem)
    if n_angles in {len(problem.bounds(layers)) for layers in range(1, 26)}:
        pytest.skip("a valid number")
    with pytest.raises(ConfigurationError):
        problem.circuit([0.1] * n_angles)


@pytest.mark.parametrize("layers", [1, 3])
def test_the_hardware_efficient_circuit_is_that_of_qiskit(layers: int) -> None:
    problem = build_problem(experiment(TABLES[0], "efficient_su2").problem)
    bounds = problem.bounds(layers)
    assert bounds.shape == ((layers + 1) * 2 * 3, 2)
    angles = np.random.default_rng(0).normal(size=len(bounds)).tolist()
    reference = efficient_su2(3, entanglement="linear", reps=layers).assign_parameters(angles)
    assert Operator(problem.circuit(angles)).equiv(Operator(reference))


def test_the_default_is_the_alternating_circuit() -> None:
    assert build_problem(experiment(TABLES[0]).problem).ansatz_kind == "alternating"


@pytest.mark.parametrize(
    "table", [{"kind": "bell"}, {"kind": "maxcut", "nodes": 4}, {"kind": "ising", "h": [1.0]}]
)
def test_a_problem_without_a_choice_names_its_kind(table: dict[str, Any]) -> None:
    build_problem(experiment(table, "alternating").problem)
    with pytest.raises(ConfigurationError) as caught:
        build_problem(experiment(table, "efficient_su2").problem)
    assert (caught.value.key, caught.value.found) == ("ansatz.kind", "'efficient_su2'")
    assert caught.value.valid == "alternating"


def test_a_misspelt_kind_is_recognised() -> None:
    with pytest.raises(ConfigurationError) as caught:
        build_problem(experiment(TABLES[0], "eficient_su2").problem)
    assert caught.value.valid == "alternating, efficient_su2"
    assert caught.value.suggestion == "efficient_su2"


def test_the_ansatz_stays_with_the_problem() -> None:
    asked = experiment(TABLES[0], "efficient_su2")
    other = asked.model_copy(update={"ansatz.kind": "alternating"})
    again = [pickle.loads(pickle.dumps(asked)), type(asked).model_validate(asked.model_dump())]
    for each in [asked, *again, asked.with_own_code(asked.own_code)]:
        assert each.problem.ansatz_kind == "efficient_su2"
        assert each == asked
    assert other.problem.ansatz_kind == "alternating"
    assert other.search_key != asked.search_key
