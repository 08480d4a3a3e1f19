"""Sums of Pauli operators: what is read, what is refused, and the circuit."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from dense_matrices import pauli_matrix
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit.quantum_info import Statevector

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import ProblemTable
from hybrid_parsl.experiment_file import parse_experiment
from hybrid_parsl.problems.pauli_terms import check_terms, read_terms
from hybrid_parsl.problems.registry import build_problem, embed_files

if TYPE_CHECKING:
    from pathlib import Path


def pauli(*terms: list[Any]) -> Any:
    table = {"kind": "pauli", "observable": list(terms)}
    return build_problem(ProblemTable.model_validate(table))


def read(folder: Path, text: str | bytes) -> ProblemTable:
    (folder / "h.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    table = {"name": "x", "problem": {"kind": "pauli", "observable": "h.txt"}}
    return embed_files(parse_experiment(table), folder).problem


EXPECTED = [["IIXZ", 0.5], ["ZIII", -1.0], ["IIII", 2.0]]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(EXPECTED),
        "# a comment\n0.5 IIXZ\n-1 ZIII\n\n2.0 IIII # the constant\n",
        "IIXZ 0.5\r\nZIII -1\nIIII,2e0\n",
        "0.5 Z0 X1\n-1 Z3\n2 I\n",
        "X1 Z0 0.25\nZ3 -1\n2 I0\n0.25 Z0 X1\n",
        json.dumps([["X1 Z0", 0.5], ["Z3", -1], ["I", 2]]),
    ],
)
def test_all_forms_of_a_file_say_the_same(tmp_path: Path, text: str) -> None:
    table = read(tmp_path, text)
    assert table.settings["observable"] == EXPECTED
    assert table.read_from is not None
    assert (table.read_from.nodes, table.read_from.edges) == (4, 3)
    assert "operator" in str(table.read_from)
    assert "4 qubits, 3 terms" in str(table.read_from)
    matrix = build_problem(table).observable().to_matrix()
    expected = 0.5 * pauli_matrix(4, {0: "Z", 1: "X"}) - pauli_matrix(4, {3: "Z"})
    np.testing.assert_allclose(matrix, expected + 2 * np.eye(16))


def test_an_inline_list_is_taken_as_it_is() -> None:
    assert pauli(["X1 Z0", 0.5], ["Z3", -1]).terms == {"IIXZ": 0.5, "ZIII": -1.0}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no terms"),
        ("# nothing\n", "no terms"),
        ("[]", "no terms"),
        ('{"ZZ": 1}', "should be a list"),
        ("[[", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('[["ZZ", NaN]]', "not JSON"),
        ('[["ZZ", 1e999]]', "not JSON"),
        ('[["ZZ"]]', "not a pair"),
        ('["ZZ", 1]', "not a pair"),
        ('[["ZZ", [1, 0]]]', "complex"),
        ('[["ZZ", "1+1j"]]', "complex"),
        ('[["ZZ", true]]', "not a number"),
        ('[["ZZ", null]]', "not a number"),
        ("[[1, 1]]", "no label"),
        ('[["", 1]]', "no label"),
        ('[["ZZ", 1e200]]', "1e\\+100"),
        ("1e-200 ZZ", "1e-100"),
        ("1e-400 ZZ", "line 1: '1e-400' is too small"),
        ('[["ZZ", 1e-400]]', "1e-400, which is 0"),
        ("ZZ 1+2j", "complex"),
        ("(0.5+0j) ZZ", "complex"),
        ("1j ZZ", "complex"),
        ("nan ZZ", "no finite coefficient"),
        ("ZZ inf", "no finite coefficient"),
        ("ZZ -inf", "not 0, or a magnitude"),
        ("ZZ", "no coefficient"),
        ("0.5", "no coefficient"),
        ("1 ZA", "'ZA'"),
        ("1 zz", "'zz'"),
        ("1 X0 Z0", "names a qubit twice"),
        ("1 X0 Z", "'Z'"),
        ("1 X99999", "'X99999'"),
        ("1 X-1", "'X-1'"),
        ("1 ZZ\n2 Z", "another number of qubits"),
        ("1 ZZ\n2 X0", "without qubits"),
        ("1 X40", "more qubits"),
        (f"1 {'Z' * 41}", "more qubits"),
        ("1 II", "nothing but a constant"),
        ("0 ZZ", "nothing but a constant"),
        ("1 ZZ\n-1 ZZ", "nothing but a constant"),
        ("1e100 ZZ\n1e100 ZZ", "add up"),
        ("1 X0\n" * 20_000, "too many terms"),
        ("x" * 2**20, "too large"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, text: str | bytes, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        read(tmp_path, text)
    assert caught.value.key == "problem.observable"
    assert "h.txt" in str(caught.value.source)


@pytest.mark.parametrize("observable", [None, 3, 1.5, {"ZZ": 1}, "h.txt", [["ZZ", 1 + 2j]], [3]])
def test_a_bad_value_is_refused(observable: Any) -> None:
    keys = {"kind": "pauli", "observable": observable}
    with pytest.raises(ConfigurationError) as caught:
        build_problem(ProblemTable.model_validate(keys))
    assert caught.value.key == "problem.observable"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    table = {"name": "x", "problem": {"kind": "pauli", "observable": "none.txt"}}
    with pytest.raises(ConfigurationError, match=r"no such file.*none\.txt"):
        embed_files(parse_experiment(table), tmp_path)


@settings(max_examples=200, deadline=None)
@given(st.text() | st.text('IXYZ01 .-+ej\n[],"#', max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ConfigurationError):
        found = check_terms(read_terms(text, "file")[1], "file")
        assert len({len(label) for label in found}) == 1


def test_groups_commute_qubit_by_qubit() -> None:
    problem = pauli(["ZZI", 2.0], ["IZZ", -1.0], ["XII", 0.5], ["IXX", 0.25], ["YII", 3.0])
    shapes = [[(term.letters, term.weight) for term in group] for group in problem.groups()]
    assert shapes == [[("ZZ", 1.0), ("ZZ", -0.5)], [("X", 1.0), ("XX", 0.5)], [("Y", 1.0)]]
    assert problem.bounds(2).shape == (6 + 2 * 3, 2)


def test_a_single_group_gets_a_mixer() -> None:
    mixers = [term.letters for term in pauli(["XZI", 1.0]).groups()[1]]
    assert mixers == ["X", "X", "Z"]


@pytest.mark.parametrize("label", ["X", "Y", "Z", "XX", "YY", "ZZ", "XY", "ZYX", "YIZX"])
def test_a_layer_evolves_under_the_terms(label: str) -> None:
    problem = pauli([label, 2.0])
    angles = np.random.default_rng(1).normal(size=len(problem.bounds(1)))
    angles[-1] = 0.0
    state = Statevector(problem.circuit(angles.tolist())).data
    angles[-2] = 0.0
    start = Statevector(problem.circuit(angles.tolist())).data
    angle = np.random.default_rng(1).normal(size=len(angles))[-2]
    matrix = pauli_matrix(len(label), dict(enumerate(reversed(label))))
    expected = np.cos(angle) * start - 1j * np.sin(angle) * matrix @ start
    np.testing.assert_allclose(state, expected, atol=1e-12)


def test_the_start_holds_any_product_state() -> None:
    problem = pauli(["IY", 1.0], ["XI", -1.0])
    angles = [np.pi / 2, np.pi / 2, -np.pi / 2, 0.0, *[0.0] * len(problem.group_bounds())]
    state = Statevector(problem.circuit(angles))
    assert state.expectation_value(problem.observable()) == pytest.approx(-2.0)
