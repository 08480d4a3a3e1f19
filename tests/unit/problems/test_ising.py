from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import Experiment, ProblemTable
from hybrid_parsl.problems.ising import Ising, qubo_form
from hybrid_parsl.problems.registry import build_problem, embed_files
from hybrid_parsl.problems.settings import is_coefficient

if TYPE_CHECKING:
    from pathlib import Path

MATRICES = st.integers(1, 5).flatmap(
    lambda n: arrays(np.float64, (n, n), elements=st.floats(-10, 10).filter(is_coefficient))
)


def made(**keys: Any) -> Ising:
    problem = build_problem(ProblemTable(kind="ising", **keys))
    assert isinstance(problem, Ising)
    return problem


@given(matrix=MATRICES, offset=st.floats(-5, 5))
def test_a_qubo_costs_what_its_matrix_says(matrix: np.ndarray, offset: float) -> None:
    form = qubo_form(matrix, offset)
    for bits in itertools.product([0, 1], repeat=len(matrix)):
        x = np.array(bits)
        bitstring = "".join(map(str, bits[::-1]))
        expected = x @ matrix @ x + offset
        assert form.energies([bitstring])[0] == pytest.approx(expected, abs=1e-9)


def test_fields_and_couplings() -> None:
    problem = made(h=[1, 0, 0.5], J=[[2, 0, -2]], offset=10)
    assert problem.n_qubits == 3
    np.testing.assert_allclose(problem.energies(["000", "001", "100"]), [9.5, 11.5, 12.5])


def test_couplings_alone_say_how_many_spins_there_are() -> None:
    assert made(J=[[0, 4, 1.0]]).n_qubits == 5
    assert made(h=[1.0], J=[]).spectrum() == (-1.0, 1.0)
    assert made(h=[1.0, 2.0]).spectrum() == (-3.0, 3.0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(matrix=MATRICES, separator=st.sampled_from([",", " ", "\t", "; ", " , "]))
def test_a_matrix_is_read_as_it_was_written(
    tmp_path: Path, matrix: np.ndarray, separator: str
) -> None:
    lines = [separator.join(map(repr, row)) + " # row" for row in matrix.tolist()]
    (tmp_path / "q.txt").write_text("# Q\n\n" + "\r\n".join(lines))
    found = Ising.embed({"qubo": "q.txt", "format": "dense"}, tmp_path)["qubo"]
    np.testing.assert_array_equal(found, matrix)


@pytest.mark.parametrize("name", ["q.npy", "q.csv", "q.txt"])
def test_a_file_is_embedded(tmp_path: Path, name: str) -> None:
    matrix = np.array([[1, -2], [0, 1]])
    if name == "q.npy":
        np.save(tmp_path / name, matrix)
    else:
        np.savetxt(tmp_path / name, matrix, delimiter="," if name == "q.csv" else " ")
    experiment = Experiment(name="x", problem=ProblemTable(kind="ising", qubo=name))
    embedded = embed_files(experiment, tmp_path)
    assert embedded.problem.settings == {"qubo": [[1.0, -2.0], [0.0, 1.0]]}
    np.testing.assert_allclose(build_problem(embedded.problem).energies(["11", "01"]), [0, 1])


def test_settings_without_a_file_stay_as_they_are(tmp_path: Path) -> None:
    assert Ising.embed({"h": [1.0]}, tmp_path) == {"h": [1.0]}


def test_the_file_of_a_matrix_is_named(tmp_path: Path) -> None:
    bad: dict[str, bytes] = {
        "text.csv": b"1, 2\n3, x\n",
        "short.csv": b"1, 2\n# and\n3\n",
        "empty.csv": b"",
        "noise.npy": b"not numpy",
        "none.npy": b"",
        "zip.npy": b"PK\x03\x04 as of .npz",
    }
    arrays_ = {
        "flat.npy": np.zeros(3),
        "wide.npy": np.zeros((2, 3)),
        "complex.npy": np.zeros((2, 2), dtype=complex),
        "large.npy": np.zeros((41, 41)),
        "long.npy": np.zeros((2, 10_000)),
        "nan.npy": np.full((2, 2), np.nan),
        "zero.npy": np.zeros((0, 0)),
    }
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    for name, array in arrays_.items():
        np.save(tmp_path / name, array)
    np.save(tmp_path / "object.npy", np.array([[{}]]), allow_pickle=True)
    for name in [*bad, *arrays_, "object.npy", "absent.csv"]:
        with pytest.raises(ConfigurationError) as caught:
            Ising.embed({"qubo": name}, tmp_path)
        assert str(tmp_path / name) in str(caught.value)
        assert caught.value.key == "problem.qubo"


def test_nothing_of_a_numpy_file_is_left_aside(tmp_path: Path) -> None:
    with (tmp_path / "two.npy").open("wb") as file:
        np.save(file, np.eye(2))
        np.save(file, np.eye(2))
    with pytest.raises(ConfigurationError, match="holds more than a matrix"):
        Ising.embed({"qubo": "two.npy"}, tmp_path)
    np.save(tmp_path / "one.npy", np.eye(2))
    with pytest.raises(ConfigurationError, match="numbers its nodes itself") as caught:
        Ising.embed({"qubo": "one.npy", "first_node": 1}, tmp_path)
    assert caught.value.key == "problem.first_node"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2\n3 x", "line 2: problem.qubo: 'x' is not a number"),
        ("1 2\n\n3", "line 3: problem.qubo: has 1 numbers, but there are 2 rows"),
        ("1 2\n3 nan", "line 2: problem.qubo: nan is not a number"),
        ("", "has no rows"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "q.txt").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        Ising.embed({"qubo": "q.txt", "format": "dense"}, tmp_path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "key", "words"),
    [
        ({}, "problem", ["h and J, or qubo"]),
        ({"h": [1.0], "qubo": [[1.0]]}, "problem", ["twice", "h, qubo"]),
        ({"h": []}, "problem.h", ["at least 1"]),
        ({"h": [1.0] * 41}, "problem.h", ["at most 40"]),
        ({"h": ["a"]}, "problem.h.0", ["number"]),
        ({"h": [float("nan")]}, "problem.h.0", []),
        ({"h": [1e200]}, "problem.h.0", ["from 1e-100 to 1e+100"]),
        ({"J": []}, "problem.J", ["no edge"]),
        ({"J": 3}, "problem.J", ["list"]),
        ({"J": [[0, 1]]}, "problem.J[0]", ["no value", "[i, j, value]"]),
        ({"h": [0.0, 0.0], "J": [[0, 2, 1.0]]}, "problem.J[0]", ["from 0 to 1"]),
        ({"qubo": 3}, "problem.qubo", ["a file name"]),
        ({"qubo": "q.csv"}, "problem.qubo", ["not read in"]),
        ({"qubo": []}, "problem.qubo", ["no rows"]),
        ({"qubo": [[1.0] * 41] * 41}, "problem.qubo", ["41 rows"]),
        ({"qubo": [[1.0, 2.0]]}, "problem.qubo", ["row 1 has 2 numbers"]),
        ({"qubo": [3]}, "problem.qubo", ["row 1 is not a row"]),
        ({"qubo": [[True]]}, "problem.qubo", ["holds True"]),
        ({"h": [1.0], "offset": "2"}, "problem.offset", ["number"]),
        ({"h": [1.0], "Q": 1}, "problem.Q", ["unknown key", "qubo"]),
    ],
)
def test_bad_keys_say_what_is_valid(keys: dict[str, Any], key: str, words: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        made(**keys)
    assert caught.value.key == key
    for word in words:
        assert word in str(caught.value)
