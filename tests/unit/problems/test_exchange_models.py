"""The Heisenberg and the XXZ model against dense matrices and published energies."""

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


def model(kind: str, **keys: Any) -> Any:
    return build_problem(ProblemTable.model_validate({"kind": kind, **keys}))


@pytest.mark.usefixtures("thorough")
@settings(max_examples=25, deadline=None)
@given(
    sites=st.integers(2, 7),
    coupling=STRENGTHS,
    field=STRENGTHS,
    anisotropy=STRENGTHS,
    periodic=st.booleans(),
)
def test_operator_and_spectrum_are_those_of_a_dense_matrix(
    sites: int, coupling: float, field: float, anisotropy: float, *, periodic: bool
) -> None:
    if coupling == field == 0:
        return
    keys = {"sites": sites, "coupling": coupling, "field": field, "periodic": periodic}
    for kind, delta in (("xxz", anisotropy), ("heisenberg", 1.0)):
        extra = {"anisotropy": delta} if kind == "xxz" else {}
        problem = model(kind, **keys, **extra)
        weights = {"X": coupling, "Y": coupling, "Z": coupling * delta}
        expected = two_site_sum(sites, weights, chain(sites, periodic=periodic))
        expected -= field * field_sum(sites, "Z")
        np.testing.assert_allclose(problem.observable().to_matrix(), expected, atol=1e-12)
        levels = np.linalg.eigvalsh(expected)
        np.testing.assert_allclose(problem.spectrum(), levels[[0, -1]], atol=1e-9)


@pytest.mark.parametrize(
    ("keys", "energy"),
    [
        ({"sites": 10}, -4.258035207),
        ({"sites": 4, "periodic": True}, -2.0),
        ({"sites": 4}, -1.616025404),
        ({"sites": 2}, -0.75),
    ],
)
def test_the_heisenberg_chain_has_the_published_energy(keys: Any, energy: float) -> None:
    """In units of J of ``J sum S_i S_j``, a quarter of the coupling of Pauli operators."""
    lowest, highest = model("heisenberg", **keys).spectrum()
    n_bonds = keys["sites"] - (0 if keys.get("periodic") else 1)
    assert lowest / 4 == pytest.approx(energy, abs=1e-9)
    assert highest == pytest.approx(n_bonds)


def test_a_torus_is_compared_with_a_dense_matrix() -> None:
    problem = model("xxz", sites=6, width=3, anisotropy=-0.3, periodic=True)
    rows = [(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3)]
    columns = [(0, 3), (1, 4), (2, 5)] * 2
    expected = two_site_sum(6, {"X": 1, "Y": 1, "Z": -0.3}, [*rows, *columns])
    np.testing.assert_allclose(problem.observable().to_matrix(), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("coupling", "anisotropy", "field", "energy"),
    [
        (1.0, 1.0, 0.0, -3.0),  # singlet
        (-1.0, 0.0, 0.0, -2.0),  # triplet
        (-1.0, 1.0, 0.3, -1.6),  # parallel, up
        (-1.0, 1.0, -0.3, -1.6),  # parallel, down
        (1.0, -2.0, 0.0, -2.0),  # parallel
        (0.0, 1.0, -1.0, -2.0),  # field alone
    ],
)
def test_the_circuit_starts_in_the_ground_state_of_a_pair(
    coupling: float, anisotropy: float, field: float, energy: float
) -> None:
    problem = model("xxz", sites=2, coupling=coupling, anisotropy=anisotropy, field=field)
    state = Statevector(problem.circuit([0.0] * len(problem.bounds(1))))
    assert state.expectation_value(problem.observable()) == pytest.approx(energy)
    assert problem.spectrum()[0] == pytest.approx(energy)


@pytest.mark.parametrize(
    ("kind", "keys", "n_groups"),
    [
        ("heisenberg", {"sites": 2}, 1),
        ("heisenberg", {"sites": 6}, 2),
        ("heisenberg", {"sites": 5, "periodic": True}, 3),
        ("heisenberg", {"sites": 12, "width": 4}, 4),
        ("xxz", {"sites": 6}, 4),
    ],
)
def test_a_layer_has_an_angle_for_each_group(kind: str, keys: Any, n_groups: int) -> None:
    problem = model(kind, **keys)
    assert problem.bounds(3).shape == (3 * n_groups, 2)
    for group in problem.groups():
        if {term.letters for term in group} >= {"XX", "YY"}:
            sites = [q for term in group if term.letters == "XX" for q in term.qubits]
            assert len(sites) == len(set(sites))


@pytest.mark.usefixtures("thorough")
def test_one_layer_gives_the_ground_state_of_a_ring_of_four() -> None:
    problem = model("heisenberg", sites=4, periodic=True)
    energies = [
        Statevector(problem.circuit([odd, even])).expectation_value(problem.observable()).real
        for odd in np.linspace(0, np.pi / 4, 16)
        for even in np.linspace(0, np.pi / 4, 16)
    ]
    assert min(energies) == pytest.approx(-8.0, abs=0.1)


@pytest.mark.parametrize(
    ("kind", "keys", "key"),
    [
        ("heisenberg", {"sites": 4, "anisotropy": 1.0}, "problem.anisotropy"),
        ("xxz", {"sites": 4, "anisotropy": math.inf}, "problem.anisotropy"),
        ("xxz", {"sites": 4, "coupling": 1e90, "anisotropy": 1e90}, "problem.anisotropy"),
        ("xxz", {"sites": 4, "coupling": 1e-90, "anisotropy": 1e-90}, "problem.anisotropy"),
        ("xxz", {"sites": True}, "problem.sites"),
    ],
)
def test_what_is_no_model_is_refused(kind: str, keys: Any, key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        model(kind, **keys)
    assert caught.value.key == key
