"""The transverse-field Ising model against dense matrices and published energies."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from dense_matrices import chain, field_sum, two_site_sum
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit.quantum_info import Statevector

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import ProblemTable
from hybrid_parsl.problems.registry import build_problem

STRENGTHS = st.sampled_from([0.0, 1.0, -1.0]) | st.floats(-3, 3).filter(lambda x: abs(x) > 1e-6)


def tfim(**keys: Any) -> Any:
    return build_problem(ProblemTable.model_validate({"kind": "tfim", **keys}))


@pytest.mark.usefixtures("thorough")
@settings(max_examples=25, deadline=None)
@given(sites=st.integers(2, 7), coupling=STRENGTHS, field=STRENGTHS, periodic=st.booleans())
def test_operator_and_spectrum_are_those_of_a_dense_matrix(
    sites: int, coupling: float, field: float, *, periodic: bool
) -> None:
    if coupling == field == 0:
        return
    problem = tfim(sites=sites, coupling=coupling, field=field, periodic=periodic)
    expected = two_site_sum(sites, {"Z": -coupling}, chain(sites, periodic=periodic))
    expected = expected - field * field_sum(sites, "X")
    np.testing.assert_allclose(problem.observable().to_matrix(), expected, atol=1e-12)
    levels = np.linalg.eigvalsh(expected)
    np.testing.assert_allclose(problem.spectrum(), levels[[0, -1]], atol=1e-9)


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("coupling", [1.0, -1.0])
@pytest.mark.parametrize("field", [0.0, 0.5, -1.0, 2.0])
def test_eight_spins(*, periodic: bool, coupling: float, field: float) -> None:
    problem = tfim(sites=8, coupling=coupling, field=field, periodic=periodic)
    levels = np.linalg.eigvalsh(problem.observable().to_matrix())
    np.testing.assert_allclose(problem.spectrum(), levels[[0, -1]], atol=1e-9)


@pytest.mark.parametrize("sites", [2, 3, 8, 9, 16, 40])
def test_the_critical_ring_has_the_published_energy(sites: int) -> None:
    """Pfeuty, Ann. Phys. 57, 79 (1970): -2 / sin(pi / 2N)."""
    lowest, _ = tfim(sites=sites, periodic=True).spectrum()
    assert lowest == pytest.approx(-2 / math.sin(math.pi / (2 * sites)), rel=1e-12)


@pytest.mark.parametrize("sites", [2, 5, 8, 40])
def test_the_critical_open_chain_has_the_published_energy(sites: int) -> None:
    """Burkhardt & Guim, J. Phys. A 18, L33 (1985): 1 - 1 / sin(pi / (4N + 2))."""
    lowest, _ = tfim(sites=sites).spectrum()
    assert lowest == pytest.approx(1 - 1 / math.sin(math.pi / (4 * sites + 2)), rel=1e-12)


def test_a_lattice_is_compared_with_a_dense_matrix() -> None:
    problem = tfim(sites=6, width=3, coupling=0.7, field=-0.4)
    bonds = [(0, 1), (1, 2), (3, 4), (4, 5), (0, 3), (1, 4), (2, 5)]
    expected = two_site_sum(6, {"Z": -0.7}, bonds) + 0.4 * field_sum(6, "X")
    np.testing.assert_allclose(problem.observable().to_matrix(), expected, atol=1e-12)
    levels = np.linalg.eigvalsh(expected)
    np.testing.assert_allclose(problem.spectrum(), levels[[0, -1]], atol=1e-9)


def test_a_large_lattice_has_no_known_spectrum() -> None:
    assert tfim(sites=24, width=4).spectrum() is None


def test_without_a_field_it_is_diagonal() -> None:
    problem = tfim(sites=3, field=0.0, periodic=True)
    np.testing.assert_allclose(problem.cost_diagonal(), [-3, 1, 1, 1, 1, 1, 1, -3])
    np.testing.assert_allclose(problem.energies(["000", "010"]), [-3, 1])
    assert problem.spectrum() == pytest.approx((-3, 1))


@pytest.mark.parametrize("field", [1.0, -1.0])
def test_the_circuit_starts_in_the_ground_state_of_the_field(field: float) -> None:
    problem = tfim(sites=3, coupling=0.0, field=field)
    state = Statevector(problem.circuit([0.0, 0.0]))
    assert state.expectation_value(problem.observable()) == pytest.approx(-3)


@pytest.mark.usefixtures("thorough")
def test_one_layer_gives_the_ground_state_of_two_spins() -> None:
    problem = tfim(sites=2, coupling=1.0, field=0.5)
    angles = np.linspace(0, np.pi / 2, 31)
    energies = [
        Statevector(problem.circuit([gamma, beta])).expectation_value(problem.observable()).real
        for gamma in angles
        for beta in angles
    ]
    assert min(energies) == pytest.approx(problem.spectrum()[0], abs=1e-2)


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({}, "problem.sites"),
        ({"sites": 1}, "problem.sites"),
        ({"sites": 41}, "problem.sites"),
        ({"sites": 6, "width": 4}, "problem.width"),
        ({"sites": 6, "width": 0}, "problem.width"),
        ({"sites": 4, "coupling": math.nan}, "problem.coupling"),
        ({"sites": 4, "coupling": 1e200}, "problem.coupling"),
        ({"sites": 4, "field": "1"}, "problem.field"),
        ({"sites": 4, "periodic": 1}, "problem.periodic"),
        ({"sites": 4, "anisotropy": 1.0}, "problem.anisotropy"),
        ({"sites": 4, "coupling": 0.0, "field": 0.0}, "problem"),
    ],
)
def test_what_is_no_model_is_refused(keys: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        tfim(**keys)
    assert caught.value.key == key
