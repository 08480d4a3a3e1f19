"""What every quantum backend has to do, as a class of tests for pytest.

Subclass it in a test module, with the name of the backend::

    from hybrid_parsl.testing.backend_contract import QuantumBackendContract


    class TestMine(QuantumBackendContract):
        backend = "mine"
        options = {"error": 0.001}
        tolerance = 0.05
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp, Statevector

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import Quantum
from hybrid_parsl.quantum.backend import Estimator, QuantumBackend, Sampler
from hybrid_parsl.quantum.registry import open_backend
from hybrid_parsl.stages.quantum import mean_energy, measure


class QuantumBackendContract:
    """Tests of a backend with at least 4 qubits.

    Attributes
    ----------
    backend
        ``quantum.backend`` of an experiment.
    options
        ``[quantum.options]``.
    shots
        Shots of each test.
    tolerance
        The largest error of a probability, and half that of an expectation value of a Pauli
        string, which noise may cause.
    is_reproducible
        Whether the same seed gives the same counts.
    """

    backend: ClassVar[str]
    options: ClassVar[dict[str, Any]] = {}
    shots: ClassVar[int] = 2000
    tolerance: ClassVar[float] = 0.0
    is_reproducible: ClassVar[bool] = True

    @pytest.fixture
    def opened(self) -> QuantumBackend:
        """Return the backend under test."""
        return self.open()

    def open(self, **changes: Any) -> QuantumBackend:
        """Return the backend, with changes of the table ``[quantum]``."""
        table = {"backend": self.backend, "options": self.options, "shots": self.shots, "seed": 7}
        return open_backend(Quantum.model_validate({**table, **changes}))

    @property
    def statistical(self) -> float:
        """Five standard deviations of the frequency of an outcome of probability 1/2."""
        return 2.5 / float(np.sqrt(self.shots))

    def test_it_has_a_name_and_a_fingerprint(self, opened: QuantumBackend) -> None:
        """Two of the same settings have the same."""
        again = self.open()
        assert opened.name
        assert opened.name == again.name
        assert opened.fingerprint == again.fingerprint

    def test_an_unknown_option_is_an_error(self) -> None:
        """The error names the key."""
        with pytest.raises(ConfigurationError) as caught:
            self.open(options={**self.options, "no_such_option": 1})
        assert caught.value.key == "quantum.options.no_such_option"
        assert caught.value.valid

    def test_it_gives_primitives(self, opened: QuantumBackend) -> None:
        """They have the methods of SamplerV2 and EstimatorV2."""
        assert isinstance(opened.sampler(), Sampler)
        assert isinstance(opened.estimator(), Estimator)

    def test_qubit_0_is_the_rightmost_bit(self, opened: QuantumBackend) -> None:
        """Qiskit's order of bits, whatever the layout on a device."""
        circuit = QuantumCircuit(3)
        circuit.x(0)
        counts = measure(circuit, opened)
        assert sum(counts.values()) == self.shots
        assert counts.get("001", 0) >= (1 - self.tolerance) * self.shots - 1e-9

    def test_a_bell_pair_is_correlated(self, opened: QuantumBackend) -> None:
        """Its outcomes 00 and 11 come equally often."""
        counts = measure(bell_pair(), opened)
        for outcome, probability in {"00": 0.5, "01": 0.0, "10": 0.0, "11": 0.5}.items():
            error = abs(counts.get(outcome, 0) / self.shots - probability)
            assert error <= self.tolerance + (self.statistical if probability else 0)

    def test_the_mean_cut_is_right(self, opened: QuantumBackend) -> None:
        """The sampled cut of a MaxCut circuit is the exact one within its error."""
        circuit = maxcut()
        counts = measure(circuit, opened)
        cuts = np.array([cut(bits) for bits in counts], dtype=np.float64)
        mean, error = mean_energy(cuts, np.array(list(counts.values()), dtype=np.float64))
        exact = Statevector(circuit).probabilities_dict()
        expected = sum(probability * cut(bits) for bits, probability in exact.items())
        assert abs(mean - expected) <= 5 * error + self.tolerance * cut("0101")

    def test_several_circuits_keep_their_order(self, opened: QuantumBackend) -> None:
        """One call of the sampler takes several PUBs, each with shots of its own."""
        flipped = [QuantumCircuit(2) for _ in range(3)]
        for index, circuit in enumerate(flipped[1:]):
            circuit.x(index)
        pubs = [
            (opened.prepare(circuit.measure_all(inplace=False)), None, self.shots // (1 + index))
            for index, circuit in enumerate(flipped)
        ]
        results = opened.sampler().run(pubs).result()
        frequent = [result.data.meas.get_counts() for result in results]
        assert [max(counts, key=counts.__getitem__) for counts in frequent] == ["00", "01", "10"]
        assert [sum(counts.values()) for counts in frequent] == [pub[2] for pub in pubs]

    def test_the_same_seed_gives_the_same_counts(self) -> None:
        """In a new object, as in a run that is resumed."""
        if not self.is_reproducible:
            pytest.skip("the backend is not reproducible")
        circuit = maxcut()
        first, again = (measure(circuit, self.open()) for _ in range(2))
        assert first == again
        assert measure(circuit, self.open(seed=8)) != first

    @pytest.mark.parametrize(
        ("pauli", "expected"), [("ZZ", 1.0), ("XX", 1.0), ("YY", -1.0), ("ZI", 0.0), ("IX", 0.0)]
    )
    def test_expectation_values(self, opened: QuantumBackend, pauli: str, expected: float) -> None:
        """Those of a Bell pair, at a precision of 0.02."""
        circuit = opened.prepare(bell_pair())
        observable = SparsePauliOp([pauli])
        if circuit.layout is not None:
            observable = observable.apply_layout(circuit.layout)
        job = opened.estimator().run([(circuit, observable)], precision=0.02)
        assert abs(float(job.result()[0].data.evs) - expected) <= 0.1 + 2 * self.tolerance

    def test_a_prepared_circuit_fits_the_target(self, opened: QuantumBackend) -> None:
        """Each gate is one of the target, on qubits that have it."""
        prepared = opened.prepare(maxcut().measure_all(inplace=False))
        if opened.target is None:
            assert prepared.num_qubits == maxcut().num_qubits
            return
        for instruction in prepared.data:
            qubits = tuple(prepared.find_bit(qubit).index for qubit in instruction.qubits)
            name = instruction.operation.name
            assert name == "barrier" or opened.target.instruction_supported(name, qubits)

    def test_a_possible_circuit_passes_the_check(self, opened: QuantumBackend) -> None:
        """It also passes the check of the memory of this host."""
        opened.check(maxcut)
        opened.check_memory(maxcut().num_qubits, "problem.nodes")

    def test_too_many_qubits_fail_the_check(self, opened: QuantumBackend) -> None:
        """Of a device; without one, there is no fixed limit."""
        if opened.target is None or opened.target.num_qubits is None:
            return
        n_qubits = opened.target.num_qubits + 1
        with pytest.raises(ConfigurationError):
            opened.check(lambda: QuantumCircuit(n_qubits))


def bell_pair() -> QuantumCircuit:
    """Return a circuit for (00 + 11) / sqrt 2, without measurements."""
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    return circuit


def maxcut() -> QuantumCircuit:
    """Return a circuit of QAOA for the maximum cut of 4 nodes in a line, without measurements."""
    circuit = QuantumCircuit(4)
    circuit.h(range(4))
    for node in range(3):
        circuit.rzz(-0.7, node, node + 1)
    circuit.rx(0.8, range(4))
    return circuit


def cut(bits: str) -> int:
    """Return the number of edges that a bitstring cuts."""
    return sum(here != there for here, there in pairwise(bits))
