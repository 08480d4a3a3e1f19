"""Tests that every problem has to pass.

Examples
--------
>>> import pytest
>>> from hybrid_parsl.problems.bell import Bell
>>> class TestBell(ProblemContract):
...     @pytest.fixture
...     def problem(self):
...         return Bell()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hybrid_parsl.problems.contract import (
    check_contract,
    compare_with_observable,
    compared_states,
    energies_of,
    gives_energies,
)
from hybrid_parsl.problems.problem import Problem
from hybrid_parsl.testing.strictness import refuses

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray


class ProblemContract:
    """Inherit from it in a test module, and define a fixture ``problem`` that returns an instance.

    Attributes
    ----------
    layers
        The values of ``ansatz.layers`` that are tried.
    """

    layers: tuple[int, ...] = (1, 2)

    def test_it_is_a_problem(self, problem: Problem) -> None:
        """The class derives from `Problem`, and what it returns has the right shapes."""
        assert isinstance(problem, Problem)
        for layers in self.layers:
            check_contract(problem, layers)

    def test_it_agrees_with_its_observable(self, problem: Problem) -> None:
        """Energies, diagonal, spectrum and alternating circuit are those of the observable."""
        for layers in self.layers:
            compare_with_observable(problem, layers)

    def test_the_observable_is_hermitian(self, problem: Problem) -> None:
        """All coefficients are real."""
        coefficients = np.asarray(problem.observable().coeffs)
        np.testing.assert_array_equal(coefficients.imag, 0)

    def test_the_circuit_is_unitary(self, problem: Problem) -> None:
        """No angle is left open, and nothing is measured or reset."""
        for layers in self.layers:
            circuit = problem.circuit(_angles(problem, layers))
            assert not circuit.parameters, f"open parameters: {list(circuit.parameters)}"
            others = {"measure", "reset", "initialize"}.intersection(circuit.count_ops())
            assert not others, f"not unitary: {others}"

    def test_it_depends_on_its_arguments_alone(self, problem: Problem) -> None:
        """Repeated calls return the same: every rank makes the problem by itself."""
        angles = _angles(problem, 1)
        states = compared_states(problem.n_qubits)
        assert problem.circuit(angles) == problem.circuit(angles)
        assert problem.observable() == problem.observable()
        np.testing.assert_array_equal(problem.bounds(1), problem.bounds(1))
        if gives_energies(problem):
            first = energies_of(problem, states)
            np.testing.assert_array_equal(energies_of(problem, states), first)

    def test_energies_do_not_depend_on_their_order(self, problem: Problem) -> None:
        """A bitstring costs the same alone and among others, if bitstrings have a cost."""
        if not gives_energies(problem):
            return
        states = compared_states(problem.n_qubits)
        together = energies_of(problem, states)
        alone = [float(energies_of(problem, [bits])[0]) for bits in states]
        np.testing.assert_allclose(together, alone, rtol=1e-12, atol=1e-12)

    def test_settings_are_read_strictly(self, problem: Problem) -> None:
        """An unknown key of ``[problem]`` is refused."""
        unknown = {"no_such_key_of_any_problem": 1}
        assert refuses(problem.Settings, unknown), "Settings should have extra='forbid'"


def _angles(problem: Problem, layers: int) -> list[float]:
    """Return angles inside the box of a problem."""
    bounds: NDArray[float64] = np.asarray(problem.bounds(layers), dtype=float)
    return [float(angle) for angle in bounds.mean(axis=1)]
