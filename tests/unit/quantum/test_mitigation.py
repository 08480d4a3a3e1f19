"""Mitigated expectation values of devices whose noise is known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.primitives import BitArray, DataBin
from qiskit.quantum_info import SparsePauliOp, Statevector

from hybrid_parsl.experiment import Quantum
from hybrid_parsl.quantum.backend import QuantumBackend
from hybrid_parsl.quantum.mitigation import MitigatedEstimate, mitigated_estimate
from hybrid_parsl.quantum.pauli_estimator import REGISTER
from hybrid_parsl.quantum.registry import open_backend

OBSERVABLE = SparsePauliOp(["ZZI", "IZZ", "XII", "IXI", "IIX", "III"], [-1, -0.5, 0.7, 1, 0.3, 2])


def turned() -> QuantumCircuit:
    """Return a circuit of three qubits with two gates on two of them."""
    circuit = QuantumCircuit(3)
    for qubit, angle in enumerate([0.4, 1.1, 2.0]):
        circuit.ry(angle, qubit)
    circuit.cz(0, 1)
    circuit.ry(0.6, 1)
    circuit.cz(1, 2)
    return circuit


EXACT = float(Statevector(turned()).expectation_value(OBSERVABLE).real)


def probabilities(circuit: QuantumCircuit) -> Any:
    gates = [each for each in circuit.data if each.name not in ("measure", "barrier")]
    places = [tuple(circuit.find_bit(qubit).index for qubit in each.qubits) for each in gates]
    bare = QuantumCircuit(3)
    for each, qubits in zip(gates, places, strict=True):
        bare.append(each.operation, qubits)
    return Statevector(bare).probabilities()


class Device(QuantumBackend):
    """A device of three qubits: each CZ mixes the state, and reading is wrong by qubit."""

    gate_error = 0.0
    wrong_0 = (0.02, 0.01, 0.04)  # 0 read as 1
    wrong_1 = (0.09, 0.06, 0.03)
    both_01 = 0.05  # qubits 0 and 1 are both read wrongly

    def sampler(self) -> Any:
        self.rng = np.random.default_rng(self.settings.seed)
        return self

    def estimator(self) -> Any:
        raise NotImplementedError

    def run(self, pubs: Any, *, shots: int | None = None) -> Any:
        results = [self._sample(circuit, shots) for circuit in pubs]
        return SimpleNamespace(result=lambda: results)

    def _sample(self, circuit: QuantumCircuit, shots: int) -> Any:
        kept = (1 - self.gate_error) ** circuit.count_ops().get("cz", 0)
        chances = kept * probabilities(circuit) + (1 - kept) / 8
        numbers = self.rng.multinomial(shots, chances @ self._confusion())
        counts = {f"{k:03b}": int(n) for k, n in enumerate(numbers) if n}
        data = DataBin(**{REGISTER: BitArray.from_counts(counts, num_bits=3)})
        return SimpleNamespace(data=data)

    def _confusion(self) -> Any:
        """Return the probability of each reading (column) of each state (row)."""
        matrix = np.ones((1, 1))
        for wrong_0, wrong_1 in zip(self.wrong_0, self.wrong_1, strict=True):
            of_qubit = np.array([[1 - wrong_0, wrong_0], [wrong_1, 1 - wrong_1]])
            matrix = np.kron(of_qubit, matrix)
        return (1 - self.both_01) * matrix + self.both_01 * matrix[:, np.arange(8) ^ 3]


class NoisyGates(Device):
    gate_error = 0.1


class Perfect(Device):
    wrong_0 = wrong_1 = (0.0, 0.0, 0.0)
    both_01 = 0.0


class Unreadable(Device):
    wrong_0 = wrong_1 = (0.5, 0.5, 0.5)


def mitigated(device: type[QuantumBackend], method: Any, **table: Any) -> MitigatedEstimate:
    settings = Quantum(mitigation=method, **table)
    options = settings.mitigation_settings
    assert options is not None
    return mitigated_estimate(turned(), OBSERVABLE, device(settings), options)


def over_seeds(n: int, device: type[Device], method: Any, **table: Any) -> tuple[Any, Any]:
    found = [mitigated(device, method, seed=seed, **table) for seed in range(n)]
    return np.array([(each.value, each.standard_error) for each in found]).T


@pytest.mark.usefixtures("thorough")
def test_readout_mitigation_is_unbiased_and_its_error_bar_holds() -> None:
    """Of correlated readout errors too, with a calibration that adds to the error bar."""
    options = {"twirls": 4}
    values, errors = over_seeds(50, Device, "readout", shots=1600, mitigation_options=options)
    assert abs(values.mean() - EXACT) < 4 * values.std() / 50**0.5
    assert abs(values.mean() - EXACT) < errors.mean() / 2  # the raw bias is some 5 errors
    assert values.std(ddof=1) == pytest.approx(errors.mean(), rel=0.3)
    assert np.mean(np.abs(values - EXACT) < 2 * errors) > 0.86


@pytest.mark.usefixtures("thorough")
def test_extrapolation_removes_the_noise_of_the_gates() -> None:
    options = {"twirls": 2, "extrapolation": "exponential"}  # mixing is exponential
    values, errors = over_seeds(30, NoisyGates, "zne", shots=1600, mitigation_options=options)
    assert abs(values.mean() - EXACT) < 4 * values.std() / 30**0.5
    assert values.std(ddof=1) == pytest.approx(errors.mean(), rel=0.4)
    readout = mitigated(NoisyGates, "readout", shots=200_000)
    assert abs(readout.value - EXACT) > 10 * readout.standard_error


def test_the_record_of_an_extrapolation() -> None:
    found = mitigated(NoisyGates, "zne", shots=999)
    assert found.noise_factors == [1, 3, 5]
    assert found.shots == (3 * 2 + 1) * 1000  # 8 patterns
    assert found.calibration_shots == 1000
    assert found.constant == 2
    assert len(found.values) == len(found.standard_errors) == 3
    assert 0.7 < found.least_readout < 0.9
    weights = np.array([15, -10, 3]) / 8
    assert found.value == pytest.approx(weights @ found.values)
    assert found.standard_error > found.standard_errors[0]


@pytest.mark.parametrize("method", ["readout", "zne"])
def test_without_noise_nothing_changes(method: Any) -> None:
    found = mitigated(Perfect, method, shots=4000)
    assert abs(found.value - EXACT) < 4 * found.standard_error
    assert found.least_readout == 1


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("method", ["readout", "zne"])
def test_on_the_simulator(method: Any) -> None:
    settings = Quantum(mitigation=method, shots=1000, seed=2)
    backend, options = open_backend(settings), settings.mitigation_settings
    assert options is not None
    prepared = backend.prepare(turned())
    first, again = (mitigated_estimate(prepared, OBSERVABLE, backend, options) for _ in range(2))
    assert first == again
    assert abs(first.value - EXACT) < 4 * first.standard_error


def test_a_readout_that_says_nothing() -> None:
    with pytest.raises(ValueError, match="impossible"):
        mitigated(Unreadable, "readout")


def test_a_constant_needs_no_circuits() -> None:
    settings = Quantum(mitigation="zne")
    options = settings.mitigation_settings
    assert options is not None
    found = mitigated_estimate(turned(), SparsePauliOp("III", 2.5), Device(settings), options)
    assert (found.value, found.standard_error, found.shots) == (2.5, 0.0, 0)


def test_results_that_are_missing() -> None:
    class Forgetful(Device):
        def run(self, pubs: Any, *, shots: int | None = None) -> Any:
            return super().run(pubs[1:], shots=shots)

    with pytest.raises(ValueError, match="results for"):
        mitigated(Forgetful, "readout")
