"""The Jordan-Wigner and the parity mapping against their algebra and dense matrices."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from fcidump_files import GROUND, H2, HARTREE_FOCK
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit.quantum_info import SparsePauliOp, Statevector

from hybrid_parsl.problems.electrons import Electrons, read_fcidump
from hybrid_parsl.problems.fermion_mapping import (
    add_product,
    excitation,
    hamiltonian,
    label_of,
    ladder,
    occupation,
    real_part,
    to_parity,
)
from hybrid_parsl.simulate.circuit_program import Pauli

MODES = 5
MODE = st.integers(0, MODES - 1)


def matrix(terms: Any, n_qubits: int) -> Any:
    rows = [(label_of(term, n_qubits), value) for term, value in terms.items()]
    return SparsePauliOp.from_list(rows, num_qubits=n_qubits).to_matrix()


def product(*factors: tuple[int, bool]) -> dict[Pauli, complex]:
    """Return a product of ladder operators, as (mode, creates)."""
    total: dict[Pauli, complex] = defaultdict(complex)
    add_product(total, [ladder(mode, creates=creates) for mode, creates in factors], 1.0)
    return total


def molecule(seed: int, n: int, n_alpha: int, n_beta: int) -> Electrons:
    """Return electrons with random integrals that have the symmetries of real ones."""
    generator = np.random.default_rng(seed)
    one, two = generator.normal(size=(n, n)), generator.normal(size=(n, n, n, n))
    for axes in ((1, 0, 2, 3), (0, 1, 3, 2), (2, 3, 0, 1)):
        two = two + two.transpose(axes)
    return Electrons(float(generator.normal()), one + one.T, two, n_alpha, n_beta)


def sector(n: int, n_alpha: int, n_beta: int) -> list[int]:
    """Return the basis states after Jordan and Wigner with these numbers of electrons."""
    below = (1 << n) - 1
    counts = [((state & below).bit_count(), (state >> n).bit_count()) for state in range(4**n)]
    return [state for state, found in enumerate(counts) if found == (n_alpha, n_beta)]


@given(first=MODE, second=MODE, creates=st.booleans(), other=st.booleans())
def test_ladder_operators_anticommute(
    first: int, second: int, *, creates: bool, other: bool
) -> None:
    total = product((first, creates), (second, other))
    for term, value in product((second, other), (first, creates)).items():
        total[term] += value
    found = {term: value for term, value in total.items() if abs(value) > 1e-14}
    assert found == ({Pauli(0, 0, 0): 1.0} if first == second and creates != other else {})


@given(mode=MODE, state=st.integers(0, 2**MODES - 1))
def test_a_mode_is_filled_with_the_sign_of_those_below(mode: int, state: int) -> None:
    found = matrix(product((mode, True)), MODES)[:, state]
    sign = (-1) ** (state & ((1 << mode) - 1)).bit_count()
    expected = np.zeros(2**MODES)
    if not state >> mode & 1:
        expected[state | 1 << mode] = sign
    np.testing.assert_allclose(found, expected, atol=1e-14)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), counts=st.tuples(st.integers(0, 3), st.integers(0, 3)))
def test_both_mappings_have_the_same_spectrum(seed: int, counts: tuple[int, int]) -> None:
    electrons = molecule(seed, 3, *counts)
    terms = hamiltonian(electrons)
    full = matrix(terms, 6)
    states = sector(3, *counts)
    np.testing.assert_allclose(full, full.conj().T, atol=1e-12)
    outside = [state for state in range(64) if state not in states]
    np.testing.assert_allclose(full[np.ix_(outside, states)], 0, atol=1e-12)
    levels = np.linalg.eigvalsh(full[np.ix_(states, states)])
    reduced = matrix(to_parity(terms, 3, *counts), 4)
    parity = [
        state
        for state in range(64)
        if (state & 7).bit_count() % 2 == counts[0] % 2 and state.bit_count() % 2 == sum(counts) % 2
    ]
    expected = np.linalg.eigvalsh(full[np.ix_(parity, parity)])
    np.testing.assert_allclose(np.linalg.eigvalsh(reduced), expected, atol=1e-10)
    assert min(expected) <= min(levels) + 1e-10


@pytest.mark.parametrize("mapping", ["jordan_wigner", "parity"])
def test_the_occupation_has_the_hartree_fock_energy(mapping: Any) -> None:
    electrons = read_fcidump(H2, "h2")
    terms = hamiltonian(electrons)
    n_qubits = 4
    if mapping == "parity":
        terms, n_qubits = to_parity(terms, 2, 1, 1), 2
    state = sum(1 << qubit for qubit in occupation(mapping, 2, 1, 1))
    found = matrix(terms, n_qubits)
    assert found[state, state].real == pytest.approx(HARTREE_FOCK, abs=1e-10)
    assert np.linalg.eigvalsh(found)[0] == pytest.approx(GROUND, abs=1e-10)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), counts=st.tuples(st.integers(0, 3), st.integers(0, 3)))
def test_the_energy_of_an_occupation_is_that_of_its_integrals(
    seed: int, counts: tuple[int, int]
) -> None:
    electrons = molecule(seed, 3, *counts)
    h, g = electrons.one_body, electrons.two_body
    filled = [(p, s) for s, count in enumerate(counts) for p in range(count)]
    expected = electrons.constant + sum(h[p, p] for p, _ in filled)
    for p, s in filled:
        for q, t in filled:
            expected += 0.5 * (g[p, p, q, q] - (g[p, q, q, p] if s == t else 0.0))
    terms = hamiltonian(electrons)
    state = sum(1 << qubit for qubit in occupation("jordan_wigner", 3, *counts))
    assert matrix(terms, 6)[state, state].real == pytest.approx(expected, abs=1e-10)
    state = sum(1 << qubit for qubit in occupation("parity", 3, *counts))
    reduced = matrix(to_parity(terms, 3, *counts), 4)
    assert reduced[state, state].real == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(
    ("source", "target"), [((0,), (1,)), ((3,), (5,)), ((0, 3), (2, 4)), ((0, 1), (2, 4))]
)
def test_an_excitation_moves_electrons(source: tuple[int, ...], target: tuple[int, ...]) -> None:
    terms = excitation(source, target)
    generator = matrix(terms, 6)
    np.testing.assert_allclose(generator, generator.conj().T, atol=1e-14)
    here, there = (sum(1 << mode for mode in modes) for modes in (source, target))
    moved = generator @ Statevector.from_int(here, 64).data
    assert abs(moved[there]) == pytest.approx(1)
    assert np.linalg.norm(moved) == pytest.approx(1)
    labels = list(terms)
    assert len(labels) == 2 ** (2 * len(source) - 1)
    assert not any(a.anticommutes(b) for a in labels for b in labels)


def test_what_cancels_is_left_out() -> None:
    assert real_part({Pauli(1, 0, 0): 1e-16, Pauli(0, 1, 0): 2.0 + 0j}) == {Pauli(0, 1, 0): 2.0}
