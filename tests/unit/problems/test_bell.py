from __future__ import annotations

from math import cos, pi
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit.quantum_info import Statevector

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import ProblemTable
from hybrid_parsl.problems.bell import Bell
from hybrid_parsl.problems.registry import build_problem

if TYPE_CHECKING:
    from pathlib import Path

BELL = build_problem(ProblemTable(kind="bell"))
ANGLES = st.floats(-10, 10)


@given(theta=ANGLES, phi=ANGLES)
def test_the_energy_is_the_cosine_of_theta(theta: float, phi: float) -> None:
    state = Statevector(BELL.circuit([theta, phi]))
    assert state.expectation_value(BELL.observable()).real == pytest.approx(cos(theta), abs=1e-12)


def test_the_parity_of_each_state() -> None:
    diagonal = BELL.cost_diagonal()
    assert diagonal is not None
    np.testing.assert_array_equal(diagonal, [1, -1, -1, 1])
    np.testing.assert_array_equal(BELL.energies(["00", "01", "10", "11"]), diagonal)
    np.testing.assert_array_equal(np.diag(BELL.observable().to_matrix()), diagonal)
    assert BELL.spectrum() == (-1.0, 1.0)


def test_layers_do_not_matter() -> None:
    np.testing.assert_array_equal(BELL.bounds(7), [[0, pi], [0, pi]])
    assert BELL.n_qubits == 2


def test_it_names_no_file(tmp_path: Path) -> None:
    assert Bell.embed({}, tmp_path) == {}


def test_a_wrong_number_of_angles() -> None:
    with pytest.raises(ConfigurationError, match="theta and phi"):
        BELL.circuit([0.1])


def test_it_has_no_keys() -> None:
    with pytest.raises(ConfigurationError, match=r"problem\.theta: unknown key"):
        build_problem(ProblemTable.model_validate({"kind": "bell", "theta": 1}))
