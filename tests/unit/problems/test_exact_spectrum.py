"""The ends of a spectrum against dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
from dense_matrices import pauli_matrix
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit.quantum_info import SparsePauliOp

from hybrid_parsl.errors import InsufficientMemoryError
from hybrid_parsl.problems import exact_spectrum
from hybrid_parsl.problems.exact_spectrum import extreme_eigenvalues
from hybrid_parsl.simulate import free_memory


@st.composite
def operators(draw: st.DrawFn) -> list[tuple[str, float]]:
    n_qubits = draw(st.integers(1, 8))
    label = st.text("IXYZ", min_size=n_qubits, max_size=n_qubits)
    return draw(st.lists(st.tuples(label, st.floats(-2, 2)), min_size=1, max_size=8))


@settings(max_examples=25, deadline=None)
@given(operators())
def test_the_ends_are_those_of_the_dense_matrix(terms: list[tuple[str, float]]) -> None:
    n_qubits = len(terms[0][0])
    dense = sum(
        weight * pauli_matrix(n_qubits, dict(enumerate(reversed(label)))) for label, weight in terms
    )
    levels = np.linalg.eigvalsh(dense)
    found = extreme_eigenvalues(SparsePauliOp.from_list(terms))
    np.testing.assert_allclose(found, levels[[0, -1]], atol=1e-9)


def test_the_same_answer_every_time() -> None:
    operator = SparsePauliOp.from_sparse_list(
        [("XYZ", [k, (k + 1) % 9, (k + 2) % 9], 0.3 * k - 1) for k in range(9)], num_qubits=9
    )
    assert extreme_eigenvalues(operator) == extreme_eigenvalues(operator)


@pytest.mark.parametrize("unit", [1e-90, 1e90])
def test_the_unit_does_not_matter(unit: float) -> None:
    operator = SparsePauliOp(["XXIIIII", "IZZIIII", "YIIIIIY"], [1.0, 0.5, -0.3])
    expected = [unit * each for each in extreme_eigenvalues(operator) or ()]
    assert extreme_eigenvalues(unit * operator) == pytest.approx(expected, rel=1e-12, abs=0)


def test_large_operators_have_no_known_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    many = SparsePauliOp.from_sparse_list([("X", [0], 1.0)], num_qubits=21)
    assert extreme_eigenvalues(many) is None
    monkeypatch.setattr(exact_spectrum, "_MOST_ENTRIES", 10)
    assert extreme_eigenvalues(SparsePauliOp(["XIII", "ZIII"])) is None


def test_the_memory_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(free_memory, "available_bytes", lambda: 1000)
    monkeypatch.setattr(free_memory, "_PAUSE_S", 0)
    with pytest.raises(InsufficientMemoryError, match="8 qubits"):
        extreme_eigenvalues(SparsePauliOp(["XIIIIIII"]))
