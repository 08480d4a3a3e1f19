from __future__ import annotations

import numpy as np

from hybrid_parsl.problems.ising_form import IsingForm
from hybrid_parsl.problems.ising_problem import IsingProblem


def test_it_is_its_form() -> None:
    form = IsingForm(3, np.ones(3), np.array([[0, 2]]), np.array([0.5]), 1.0)
    problem = IsingProblem(form)
    assert problem.ansatz == "alternating"
    assert problem.n_qubits == 3
    np.testing.assert_array_equal(problem.bounds(2), form.bounds(2))
    np.testing.assert_array_equal(problem.cost_diagonal(), form.cost_diagonal())
    assert problem.observable() == form.observable()
    assert problem.circuit([0.1, 0.2]) == form.circuit([0.1, 0.2])
    np.testing.assert_array_equal(problem.energies(["001"]), form.energies(["001"]))
    assert problem.spectrum() == form.spectrum()
