"""What others' classes give is checked before a run relies on it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from hybrid_parsl.errors import ConfigurationError, ResultError
from hybrid_parsl.experiment import ProblemTable
from hybrid_parsl.problems import Problem
from hybrid_parsl.problems.bell import Bell, BellSettings
from hybrid_parsl.problems.contract import (
    check_contract,
    check_diagonal,
    compare_diagonal,
    compare_with_observable,
    energies_of,
    gives_energies,
)
from hybrid_parsl.problems.registry import build_problem


class Broken(Bell):
    """A Bell problem, one method of which says something else."""

    def __init__(self, method: str, answer: Any) -> None:
        super().__init__(BellSettings())
        self._method, self._answer = method, answer

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_") or name != self._method:
            return super().__getattribute__(name)
        answer = self._answer
        return answer if name == "n_qubits" else lambda *_: answer() if callable(answer) else answer


def fail() -> None:
    message = "told to fail"
    raise ValueError(message)


@pytest.mark.parametrize(
    ("method", "answer", "told"),
    [
        ("n_qubits", 0, "at least 1"),
        ("n_qubits", 2.0, "'float' object cannot be interpreted as an integer"),
        ("bounds", np.zeros(3), r"shape \(3,\)"),
        ("bounds", np.zeros((0, 2)), r"shape \(0, 2\)"),
        ("bounds", [[1.0, 0.0]], "the lower one first"),
        ("bounds", [[0.0, math.inf]], "finite numbers"),
        ("bounds", fail, r"bounds\(layers\) raises ValueError: told to fail"),
        ("spectrum", (3, 1), r"\(3, 1\)"),
        ("spectrum", (1.0, math.nan), "the lowest and the highest cost"),
        ("spectrum", 7, "None, or"),
        ("energies", np.zeros(3), r"shape \(3,\)"),
        ("energies", [1.0, math.nan], "not finite"),
        ("energies", ["a", "b"], "one finite number a bitstring"),
        ("energies", fail, "raises ValueError: told to fail"),
    ],
)
def test_a_method_that_says_something_else_is_named(method: str, answer: Any, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        check_contract(Broken(method, answer), 1)
    assert caught.value.key == "problem.kind"
    assert f"its {method}" in str(caught.value)


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("n_qubits", np.int64(2)),
        ("spectrum", None),
        ("spectrum", (1, 1)),
        ("energies", [0, 1]),
        ("bounds", [[0, 1]]),
    ],
)
def test_what_is_meant_well_is_taken(method: str, answer: Any) -> None:
    check_contract(Broken(method, answer), 1)


def test_the_energies_of_a_sample_are_finite_numbers() -> None:
    assert energies_of(Broken("energies", [1, 2]), ["00", "11"]).tolist() == [1.0, 2.0]
    with pytest.raises(ResultError, match="a number that is not finite for 2 bitstrings"):
        energies_of(Broken("energies", [1, math.inf]), ["00", "11"])


@pytest.mark.parametrize(
    ("diagonal", "told"),
    [(np.zeros(2), r"shape \(4,\) for 2 qubits"), (np.array([1, math.nan, 0, 0]), "not finite")],
)
def test_a_diagonal_that_is_none_is_refused(diagonal: Any, told: str) -> None:
    check_diagonal(np.arange(4.0), 2)
    with pytest.raises(ConfigurationError, match=told):
        check_diagonal(diagonal, 2)


# ---- what is overridden for speed agrees with the observable


class Zs(Problem):
    """Two qubits, turned by one angle each; the cost is ``2 Z0 - Z0 Z1 + 1``."""

    def circuit(self, parameters: Any) -> QuantumCircuit:
        circuit = QuantumCircuit(2)
        circuit.rx(parameters[0], 0)
        circuit.rx(parameters[1], 1)
        return circuit

    def observable(self) -> SparsePauliOp:
        return SparsePauliOp(["IZ", "ZZ", "II"], [2, -1, 1])

    def bounds(self, layers: int) -> Any:  # noqa: ARG002
        return [[0, math.pi], [0, math.pi]]


COSTS = [2, 0, 4, -2]  # of 00, 01, 10, 11


def test_everything_is_derived_from_the_observable() -> None:
    problem = Zs()
    assert problem.n_qubits == 2
    assert problem.energies(["00", "01", "10", "11", "00"]).tolist() == [*COSTS, 2]
    assert problem.cost_diagonal().tolist() == COSTS
    assert problem.spectrum() == (-2, 4)
    assert problem.embed({"a": 1}, Path()) == {"a": 1}
    assert problem.ansatz == "circuit"
    check_contract(problem, 1)
    compare_with_observable(problem, 1)


@pytest.mark.parametrize(
    ("member", "value", "found", "valid"),
    [
        ("energies", lambda _, bits: [-COSTS[int(each, 2)] for each in bits], "-2", "2"),
        ("energies", lambda _, bits: [COSTS[int(each[::-1], 2)] for each in bits], "4", "0"),
        ("cost_diagonal", lambda _: -np.array(COSTS), "-4", "4"),
        ("cost_diagonal", lambda _: np.zeros(2), "shape (2,)", "shape (4,) for 2 qubits"),
        ("spectrum", lambda _: (-3.0, 4.0), "-3", "-2"),
        ("spectrum", lambda _: (-2.0, 3.0), "3", "4"),
        ("n_qubits", 3, "n_qubits: 3, circuit(parameters): 2, observable(): 2", "the same"),
        ("observable", lambda _: "ZZ", "'ZZ'", "a SparsePauliOp"),
        ("circuit", lambda *_: 1, "1", "a QuantumCircuit"),
    ],
)
def test_what_disagrees_with_the_observable_is_named(
    member: str, value: Any, found: str, valid: str
) -> None:
    wrong = type("Wrong", (Zs,), {member: value})
    with pytest.raises(ConfigurationError) as caught:
        compare_with_observable(wrong(), 1)
    assert caught.value.key == "problem.kind"
    assert caught.value.found == found
    assert str(caught.value.valid).startswith(valid)
    assert member in str(caught.value)


def test_a_wrong_sign_is_called_one_beside_a_large_offset() -> None:
    class Far(Zs):
        def observable(self) -> SparsePauliOp:
            return SparsePauliOp(["IZ", "II"], [1, 1e6])

        def energies(self, bitstrings: Any) -> Any:
            return [1e6 - 1 + 2 * int(bits[-1]) for bits in bitstrings]

    with pytest.raises(ConfigurationError, match="differs") as caught:
        compare_with_observable(Far(), 1)
    assert (caught.value.found, caught.value.valid) == ("999999", "1000001")


def test_an_observable_that_is_not_diagonal_has_no_energies_of_bitstrings() -> None:
    class Field(Zs):
        def observable(self) -> SparsePauliOp:
            return SparsePauliOp(["ZZ", "IX"], [1, 1])

    assert Field().cost_diagonal() is None
    assert Field().spectrum() == pytest.approx((-(2**0.5), 2**0.5))
    assert not gives_energies(Field())
    check_contract(Field(), 1)
    compare_with_observable(Field(), 1)
    with pytest.raises(ConfigurationError) as caught:
        Field().energies(["00"])
    assert (caught.value.key, caught.value.found) == ("problem.kind", "'IX'")
    own = type("Own", (Field,), {"energies": lambda _, bits: [0.0 for _ in bits]})
    assert gives_energies(own())
    with pytest.raises(ConfigurationError, match=r"energies\(\) of 00 differs"):
        compare_with_observable(own(), 1)
    wrong = type("Wrong", (Field,), {"spectrum": lambda _: (-2.0, 2.0)})
    with pytest.raises(ConfigurationError, match="lowest cost of spectrum"):
        compare_with_observable(wrong(), 1)


@pytest.mark.parametrize("kind", ["maxcut", "ising"])
@pytest.mark.parametrize("sign", [1, -1])
def test_an_alternating_circuit_is_compared_with_its_kernels(kind: str, sign: int) -> None:
    keys: dict[str, Any] = {"nodes": 4} if kind == "maxcut" else {"h": [1.0, 0.5], "J": [[0, 1, 2]]}
    problem = build_problem(ProblemTable.model_validate({"kind": kind, **keys}))

    class Turned(type(problem)):  # type: ignore[misc]
        def __init__(self) -> None:
            vars(self).update(vars(problem))

        def circuit(self, parameters: Any) -> Any:
            return super().circuit([sign * parameters[0], *parameters[1:]])

    if sign == 1:
        compare_with_observable(Turned(), 1)
        return
    with pytest.raises(ConfigurationError, match="alternating-operator state"):
        compare_with_observable(Turned(), 1)


def test_a_large_diagonal_is_compared_when_it_is_there() -> None:
    observable = SparsePauliOp.from_sparse_list([("Z", [0], 1.0)], num_qubits=16)
    right = np.tile([1.0, -1.0], 2**15)
    compare_diagonal(right, observable)
    with pytest.raises(ConfigurationError, match="opposite sign") as caught:
        compare_diagonal(-right, observable)
    assert (caught.value.found, caught.value.valid) == ("-1", "1")


def test_the_range_of_many_qubits_holds_their_energies() -> None:
    class Many(Zs):
        def circuit(self, parameters: Any) -> QuantumCircuit:  # noqa: ARG002
            return QuantumCircuit(30)

        def observable(self) -> SparsePauliOp:
            return SparsePauliOp.from_sparse_list([("Z", [0], 1.0)], num_qubits=30)

    assert Many().spectrum() is None
    compare_with_observable(Many(), 1)
    wrong = type("Wrong", (Many,), {"spectrum": lambda _: (0.0, 1.0)})
    with pytest.raises(ConfigurationError, match="holds -1") as caught:
        compare_with_observable(wrong(), 1)
    assert caught.value.found == "(0, 1)"
