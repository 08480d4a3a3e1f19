from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit.quantum_info import Statevector

from hybrid_parsl.errors import ConfigurationError, ResultError
from hybrid_parsl.problems.ising_form import IsingForm, abreast, spins_of
from hybrid_parsl.simulate.alternating import AlternatingState


def random_form(n_qubits: int, seed: int, fill: float = 0.6) -> IsingForm:
    generator = np.random.default_rng(seed)
    pairs = list(itertools.combinations(range(n_qubits), 2))
    pairs = [pair[:: generator.choice([1, -1])] for pair in pairs if generator.random() < fill]
    return IsingForm(
        n_qubits,
        generator.normal(size=n_qubits) * (generator.random(n_qubits) < fill),
        np.array(pairs, dtype=np.int64).reshape(-1, 2),
        generator.normal(size=len(pairs)),
        float(generator.normal()),
    )


def all_bitstrings(n_qubits: int) -> list[str]:
    return [f"{index:0{n_qubits}b}" for index in range(2**n_qubits)]


def energy_by_hand(form: IsingForm, bits: str) -> float:
    z = [1 - 2 * int(bit) for bit in reversed(bits)]
    total = form.offset + sum(h * s for h, s in zip(form.linear, z, strict=True))
    for (i, j), value in zip(form.pairs.tolist(), form.couplings, strict=True):
        total += value * z[i] * z[j]
    return float(total)


FORMS = st.builds(random_form, st.integers(1, 6), st.integers(0, 10_000))


@given(form=FORMS)
def test_diagonal_energies_and_operator_agree(form: IsingForm) -> None:
    bitstrings = all_bitstrings(form.n_qubits)
    expected = [energy_by_hand(form, bits) for bits in bitstrings]
    np.testing.assert_allclose(form.energies(bitstrings), expected, atol=1e-12)
    np.testing.assert_allclose(form.cost_diagonal(), expected, atol=1e-12)
    matrix = form.observable().to_matrix()
    np.testing.assert_allclose(matrix, np.diag(expected), atol=1e-12)
    assert form.spectrum() == pytest.approx((min(expected), max(expected)))


@settings(max_examples=25)
@given(form=FORMS, layers=st.integers(1, 3), seed=st.integers(0, 1000))
def test_the_circuit_is_the_alternating_state(form: IsingForm, layers: int, seed: int) -> None:
    angles = np.random.default_rng(seed).uniform(-3, 3, 2 * layers)
    circuit_state = Statevector(form.circuit(angles.tolist()))
    state = AlternatingState(form.cost_diagonal(), layers)
    np.testing.assert_allclose(
        circuit_state.probabilities(), state.probabilities(angles), atol=1e-10
    )
    energy = circuit_state.expectation_value(form.observable()).real
    assert energy == pytest.approx(state.energy(angles), abs=1e-9)


def test_energies_need_no_state_of_that_size() -> None:
    form = random_form(40, 3, fill=1.0)
    bitstrings = [f"{index * 7919:040b}" for index in range(500)]
    expected = [energy_by_hand(form, bits) for bits in bitstrings]
    np.testing.assert_allclose(form.energies(bitstrings), expected)
    assert form.spectrum() is None
    assert form.energies([]).shape == (0,)


def test_the_spectrum_by_blocks_is_that_of_the_diagonal(monkeypatch: pytest.MonkeyPatch) -> None:
    form = random_form(9, 4)
    diagonal = form.cost_diagonal()
    monkeypatch.setattr("hybrid_parsl.problems.ising_form._BLOCK", 4)
    assert form.spectrum() == pytest.approx((diagonal.min(), diagonal.max()))


@pytest.mark.parametrize("bits", ["01", "0101", "01x", "", "0 1", "\u0660\u0661\u0660"])
def test_what_is_not_a_bitstring_is_refused(bits: str) -> None:
    with pytest.raises(ResultError, match="is not a bitstring of 3 qubits"):
        spins_of(["000", bits], 3)


def test_qubit_0_is_the_rightmost_bit() -> None:
    np.testing.assert_array_equal(spins_of(["001"], 3), [[-1.0, 1.0, 1.0]])


@pytest.mark.parametrize("angles", [[], [0.1], [0.1, 0.2, 0.3]])
def test_a_wrong_number_of_angles(angles: list[float]) -> None:
    with pytest.raises(ConfigurationError, match="number of angles") as caught:
        random_form(2, 0).circuit(angles)
    assert caught.value.found == str(len(angles))


def test_bounds_follow_the_scale_of_the_cost() -> None:
    ring, ones = np.array([[0, 1], [1, 2], [2, 0]]), np.ones(3)
    unit = IsingForm(3, np.zeros(3), ring, ones, 5.0)
    gamma, beta = [0, 1 / 2**0.5], [-np.pi / 4, 0]
    np.testing.assert_allclose(unit.bounds(2), [gamma, gamma, beta, beta])
    large = IsingForm(3, np.zeros(3), ring, 100 * ones, 0.0)
    np.testing.assert_allclose(large.bounds(1), [[0, 0.01 / 2**0.5], beta])
    field = IsingForm(3, 7**0.5 * ones, ring, ones, 0.0)
    np.testing.assert_allclose(field.bounds(1), [[0, 1 / 3], beta])


@pytest.mark.parametrize("seed", range(4))
def test_one_layer_has_good_angles_in_the_box(seed: int) -> None:
    form = random_form(6, seed)
    diagonal = form.cost_diagonal()
    state = AlternatingState(diagonal, 1)
    (gamma, beta) = (np.linspace(low, high, 12) for low, high in form.bounds(1))
    inside = min(state.energy(np.array([g, b])) for g in gamma for b in beta)
    wide = np.linspace(-np.pi / 2, np.pi / 2, 24)
    anywhere = min(state.energy(np.array([g, b])) for g in wide * 3 for b in wide)
    mean = diagonal.mean()
    assert mean - inside > 0.85 * (mean - anywhere)


@pytest.mark.parametrize("value", [0.0, 1e-300, 1e100])
def test_bounds_are_finite_at_any_scale(value: float) -> None:
    form = IsingForm(2, np.zeros(2), np.array([[0, 1]]), np.array([value]), 0.0)
    bounds = form.bounds(3)
    assert np.isfinite(bounds).all()
    assert (bounds[:, 0] < bounds[:, 1]).all()


def test_gates_abreast_share_no_qubit_within_a_moment() -> None:
    pairs = np.array(list(itertools.combinations(range(8), 2)))
    assert sorted(abreast(pairs)) == list(range(28))
    ring = np.array([[k, (k + 1) % 8] for k in range(8)])
    form = IsingForm(8, np.zeros(8), ring, np.ones(8), 0.0)
    assert form.circuit([0.1, 0.2]).depth() == 4
