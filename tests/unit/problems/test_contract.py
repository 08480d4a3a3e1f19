"""What others' classes give is checked before a run relies on it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from hybrid_parsl.errors import ConfigurationError, ResultError
from hybrid_parsl.problems.bell import Bell, BellSettings
from hybrid_parsl.problems.contract import check_contract, check_diagonal, energies_of


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
