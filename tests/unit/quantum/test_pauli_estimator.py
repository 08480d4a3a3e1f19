"""Sampled expectation values, and whether their standard errors hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.primitives import BitArray, StatevectorSampler
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit.transpiler import generate_preset_pass_manager

from hybrid_parsl.problems.pauli_sum import is_diagonal
from hybrid_parsl.quantum.pauli_estimator import (
    PauliEstimator,
    estimate,
    in_basis,
    measured_groups,
    pauli_sum,
)

OBSERVABLE = SparsePauliOp(["XXI", "IYY", "ZIZ", "III", "IXX"], [1.0, -0.5, 0.75, 2.0, 0.25])


def turned() -> QuantumCircuit:
    """Return a circuit of three qubits with every Pauli string in its state."""
    circuit = QuantumCircuit(3)
    for qubit, angle in enumerate([0.4, 1.1, 2.0]):
        circuit.ry(angle, qubit)
        circuit.rz(angle / 2, qubit)
    circuit.cx(0, 1)
    circuit.rxx(0.6, 1, 2)
    return circuit


def estimator(seed: int = 3, precision: float = 0.05, **options: Any) -> PauliEstimator:
    return PauliEstimator(lambda each: StatevectorSampler(seed=each), seed, precision, **options)


@pytest.mark.usefixtures("thorough")
def test_a_standard_error_is_the_spread_over_seeds() -> None:
    """Of 300 seeds, 68.3 % are expected within one standard error and 95.4 % within two."""
    circuit, exact = turned(), Statevector(turned()).expectation_value(OBSERVABLE).real
    results = [estimator(seed).run([(circuit, OBSERVABLE)]).result()[0].data for seed in range(300)]
    values, errors = np.array([[float(each.evs), float(each.stds)] for each in results]).T
    away = np.abs(values - exact) / errors
    assert values.std(ddof=1) == pytest.approx(errors.mean(), rel=0.15)
    assert abs(np.mean(away < 1) - 0.683) < 0.11  # four standard deviations of the fraction
    assert abs(np.mean(away < 2) - 0.954) < 0.05


def test_correlated_terms_of_one_basis_do_not_add_up_as_independent_ones() -> None:
    state = QuantumCircuit(2)
    state.h(0)
    state.cx(0, 1)  # Z0 and Z1 are equal in each shot, and their difference is 0
    pubs = [(state, SparsePauliOp(["ZI", "IZ"], [1.0, sign])) for sign in (1.0, -1.0)]
    same, opposite = estimator(precision=0.01).run(pubs).result()
    assert float(same.data.stds) == pytest.approx(0.02, rel=0.01)
    assert (float(opposite.data.evs), float(opposite.data.stds)) == (0.0, 0.0)


def test_the_groups_hold_all_terms_but_the_identity() -> None:
    repeated = SparsePauliOp([*OBSERVABLE.paulis.to_labels(), "XXI"], [*OBSERVABLE.coeffs, 1.0])
    identity, groups = measured_groups(repeated)
    assert identity == 2.0
    assert len(groups) == 3
    together = sum(groups[1:], groups[0]) + SparsePauliOp("III", 2.0)
    assert together.equiv(repeated)
    assert measured_groups(SparsePauliOp(["XX", "XX", "II"], [1.0, -1.0, 0.5])) == (0.5, [])


def test_a_diagonal_observable_has_no_x_and_no_y() -> None:
    assert is_diagonal(SparsePauliOp(["ZZ", "II", "XI"], [1.0, 1.0, 0.0]))
    assert not is_diagonal(SparsePauliOp(["ZZ", "IY"], [1.0, 1.0]))


def test_parameters_and_observables_are_broadcast() -> None:
    angle = Parameter("a")
    circuit = QuantumCircuit(1)
    circuit.ry(angle, 0)
    pub = (circuit, [["Z"], ["X"]], {angle: [0.0, np.pi / 2]})
    result = estimator(precision=0.02).run([pub]).result()[0]
    assert result.data.evs == pytest.approx(np.array([[1.0, 0.0], [0.0, 1.0]]), abs=0.1)
    assert result.metadata == {"target_precision": 0.02, "shots": 2500, "n_bases": 4}


def test_each_basis_has_a_seed_of_its_own() -> None:
    seeds: list[int] = []

    def sampler(seed: int) -> StatevectorSampler:
        seeds.append(seed)
        return StatevectorSampler(seed=seed)

    pubs = [(turned(), OBSERVABLE)] * 2
    first = PauliEstimator(sampler, 1, 0.1).run(pubs).result()
    assert len(set(seeds)) == 6
    again = PauliEstimator(sampler, 1, 0.1).run(pubs).result()
    assert [float(each.data.evs) for each in first] == [float(each.data.evs) for each in again]


def test_projectors_are_observables_too() -> None:
    assert pauli_sum({"01": 2.0}).equiv(
        SparsePauliOp(["II", "ZI", "IZ", "ZZ"], [0.5, 0.5, -0.5, -0.5])
    )


def test_sampling_is_never_exact() -> None:
    with pytest.raises(ValueError, match="above 0"):
        estimator().run([(turned(), OBSERVABLE)], precision=0)


def test_only_the_qubits_of_the_terms_are_measured() -> None:
    measured = in_basis(turned(), SparsePauliOp(["XII", "IIY"]))
    places = [each.qubits[0] for each in measured if each.name == "measure"]
    assert [measured.find_bit(each).index for each in places] == [0, 2]
    assert measured.count_ops()["measure"] == 2
    assert measured.num_clbits == 2


def test_rotations_are_translated_to_a_target() -> None:
    device = GenericBackendV2(3, basis_gates=["cx", "id", "rz", "sx", "x"], seed=1)
    prepared = generate_preset_pass_manager(1, device, seed_transpiler=0).run(turned())
    observable = OBSERVABLE.apply_layout(prepared.layout)
    for group in measured_groups(observable)[1]:
        names = set(in_basis(prepared, group, device.target).count_ops())
        assert names <= {"cx", "rz", "sx", "x", "measure"}
    pub = (prepared, observable)
    found = estimator(precision=0.02, target=device.target).run([pub]).result()[0].data
    exact = Statevector(turned()).expectation_value(OBSERVABLE).real
    assert abs(float(found.evs) - exact) < 5 * float(found.stds)


def test_one_shot_has_the_largest_possible_variance() -> None:
    group = SparsePauliOp(["XI", "IX"], [1.0, -2.0])
    found = estimate(group, BitArray.from_counts({"01": 1}, num_bits=2))
    assert (found.value, found.variance) == (3.0, 9.0)
