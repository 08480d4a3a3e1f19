from __future__ import annotations

import hashlib
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit, qasm3
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit.transpiler import CouplingMap

from hybrid_parsl.errors import ConfigurationError, HybridParslError, QuantumJobError, ResultError
from hybrid_parsl.experiment import Experiment, Quantum
from hybrid_parsl.problems.bell import Bell
from hybrid_parsl.problems.registry import build_problem
from hybrid_parsl.quantum.adapter import FactoryBackend
from hybrid_parsl.quantum.aer import AerBackend
from hybrid_parsl.results import Execution, Sample, SearchResult
from hybrid_parsl.simulate.alternating import AlternatingState
from hybrid_parsl.stages.quantum import (
    describe,
    expectation,
    mean_energy,
    measure,
    mitigate,
    planned_shots,
    sample,
)

MAXCUT = {"kind": "maxcut", "nodes": 6, "weights": "integer"}
ANGLES = [0.1, 0.15, 0.9, 0.4]


def asked(problem: dict[str, Any], **quantum: Any) -> Experiment:
    return Experiment.model_validate({"name": "x", "problem": problem, "quantum": quantum})


def found(parameters: list[float]) -> SearchResult:
    return SearchResult(
        parameters=parameters,
        energy=0.0,
        method="draw",
        best_start=0,
        energies=[0.0],
        trace=[0.0],
        n_evaluations=1,
        execution=Execution(duration_s=0.0, n_ranks=1, hosts=["here"]),
    )


@pytest.mark.parametrize("method", ["automatic", "statevector", "matrix_product_state"])
def test_the_sampled_energy_is_the_exact_one_within_its_error(method: str) -> None:
    experiment = asked(MAXCUT, shots=4096, seed=3, method=method)
    measured = sample(experiment, found(ANGLES))
    diagonal = build_problem(experiment.problem).cost_diagonal()
    assert diagonal is not None
    state = AlternatingState(diagonal, 2)
    probabilities = state.probabilities(np.array(ANGLES))
    exact = float(probabilities @ diagonal)
    spread = float(probabilities @ (diagonal - exact) ** 2) ** 0.5
    assert measured.standard_error == pytest.approx(spread / 64, rel=0.1)
    assert abs(measured.energy - exact) < 5 * measured.standard_error
    assert measured.shots == sum(measured.counts.values()) == 4096
    assert list(measured.counts) == sorted(measured.counts)


def test_each_bitstring_comes_as_often_as_it_should() -> None:
    experiment = asked({"kind": "ising", "h": [1.0, 0.0, -0.5], "J": [[0, 1, 0.7]]}, shots=100_000)
    measured = sample(experiment, found([0.4, 0.7]))
    diagonal = build_problem(experiment.problem).cost_diagonal()
    assert diagonal is not None
    for index, p in enumerate(AlternatingState(diagonal, 1).probabilities(np.array([0.4, 0.7]))):
        count = measured.counts.get(f"{index:03b}", 0)
        assert abs(count - 1e5 * p) < 5 * (1e5 * p * (1 - p)) ** 0.5 + 1


def test_the_same_seed_gives_the_same_sample() -> None:
    first, again = (sample(asked(MAXCUT, seed=4), found(ANGLES)) for _ in range(2))
    other = sample(asked(MAXCUT, seed=5), found(ANGLES))
    assert first.counts == again.counts != other.counts
    assert first.circuit == again.circuit == other.circuit


def test_a_sample_survives_json() -> None:
    measured = sample(asked({"kind": "bell"}, shots=64), found([1.0, 0.5]))
    assert Sample.model_validate_json(measured.model_dump_json()) == measured
    assert measured.execution.n_ranks == 1
    assert len(measured.execution.hosts) == 1
    assert measured.execution.duration_s > 0


def test_the_circuit_is_on_record() -> None:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    record = describe(circuit)
    assert (record.n_qubits, record.depth, record.n_gates) == (2, 2, 2)
    assert record.sha256 == hashlib.sha256(record.qasm3.encode()).hexdigest()
    assert qasm3.dumps(circuit.measure_all(inplace=False)) == record.qasm3
    assert record.qasm3.count("measure") == 2


def test_a_method_that_cannot_run_the_circuit() -> None:
    with pytest.raises(QuantumJobError, match="stabilizer") as caught:
        sample(asked(MAXCUT, method="stabilizer"), found(ANGLES))
    assert caught.value.backend == "aer"


def test_a_clifford_circuit_runs_on_the_stabilizer_method() -> None:
    measured = sample(asked({"kind": "bell"}, method="stabilizer"), found([np.pi, 0.0]))
    assert measured.energy == -1.0
    assert measured.standard_error == 0.0


@pytest.mark.parametrize("method", ["automatic", "statevector", "density_matrix"])
def test_too_many_qubits_for_the_method(method: str) -> None:
    problem = {"kind": "maxcut", "nodes": 40}
    with pytest.raises(QuantumJobError, match="Insufficient memory"):
        sample(asked(problem, method=method, shots=1), found([0.1, 0.2]))


def test_many_qubits_by_matrix_product_states() -> None:
    edges = [[k, k + 1] for k in range(39)]
    experiment = asked({"kind": "maxcut", "edges": edges}, method="matrix_product_state", shots=500)
    measured = sample(experiment, found([np.pi / 4, 3 * np.pi / 8]))
    assert measured.circuit.n_qubits == 40
    assert measured.energy < -25


class Sampler:
    """Shaped like a SamplerV2; gives whatever it is told to."""

    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome

    def run(self, pubs: list[Any], shots: int) -> Sampler:
        assert len(pubs) == 1
        assert shots == 4096
        return self

    def result(self) -> Any:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class Register:
    def __init__(self, counts: dict[Any, Any]) -> None:
        self.counts = counts

    @property
    def data(self) -> Register:
        return self

    @property
    def meas(self) -> Register:
        return self

    def get_counts(self) -> dict[Any, Any]:
        return self.counts


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (RuntimeError("the fridge is warm"), "the fridge is warm"),
        (ValueError(), "ValueError"),
        ([], "list index out of range"),
        ([object()], "data"),
        ([Register({"0": 4096})], "it gave '0': 4096, but 2 qubits"),
        ([Register({"0x1": 4096})], "2 qubits were measured"),
        ([Register({"00": -1, "11": 3})], "it gave '00': -1"),
        ([Register({})], "no counts"),
        ([Register({"00": 0})], "no counts"),
    ],
)
def test_a_sampler_that_fails(monkeypatch: pytest.MonkeyPatch, outcome: Any, message: str) -> None:
    lab = ModuleType("lab")
    lab.factory = lambda _: Sampler(outcome)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lab", lab)
    with pytest.raises(QuantumJobError, match=message) as caught:
        sample(asked({"kind": "bell"}, backend="lab:factory"), found([0.1, 0.2]))
    assert caught.value.backend == "lab:factory"


def test_an_error_of_ours_passes_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ResultError("ours")

    monkeypatch.setattr("hybrid_parsl.quantum.aer.AerSampler.run", fail)
    with pytest.raises(HybridParslError, match=r"^ours$"):
        measure(QuantumCircuit(1), AerBackend(Quantum()))


@pytest.mark.parametrize(
    ("problem", "quantum", "key"),
    [
        ({"kind": "bell"}, {"backend": "nowhere"}, "quantum.backend"),
        ({"kind": "bell"}, {"method": "exact"}, "quantum.method"),
        ({"kind": "bell"}, {"options": {"a": 1}}, "quantum.options.a"),
        ({"kind": "maxcut"}, {}, "problem.nodes"),
    ],
)
def test_what_the_user_wrote_is_wrong(
    problem: dict[str, Any], quantum: dict[str, Any], key: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        sample(asked(problem, **quantum), found([0.1, 0.2]))
    assert caught.value.key == key


@given(st.lists(st.tuples(st.floats(-100, 100), st.integers(1, 20)), min_size=1, max_size=8))
def test_the_mean_is_that_of_the_single_shots(outcomes: list[tuple[float, int]]) -> None:
    shots = np.repeat([e for e, _ in outcomes], [c for _, c in outcomes])
    energies, counts = (np.array(column, dtype=float) for column in zip(*outcomes, strict=True))
    mean, error = mean_energy(energies, counts)
    assert mean == pytest.approx(shots.mean(), abs=1e-9)
    expected = shots.std(ddof=1) / len(shots) ** 0.5 if len(shots) > 1 else 0.0
    assert error == pytest.approx(expected, abs=1e-9)


def test_a_single_shot_has_the_largest_possible_error() -> None:
    edges = [[0, 1, 3.0], [1, 2, 2.0]]
    measured = sample(
        asked({"kind": "maxcut", "edges": edges}, shots=1), found([0.1, 0.2, 0.3, 0.4])
    )
    assert measured.shots == 1
    assert measured.standard_error == pytest.approx(2.5)  # half of all weights


class Tilted(Bell):
    """A Bell circuit whose cost has terms in three bases, and a constant."""

    def observable(self) -> SparsePauliOp:
        return SparsePauliOp(["XX", "YY", "ZZ", "ZI", "II"], [0.5, 0.25, -1.0, 0.75, 10.0])

    def spectrum(self) -> None:
        return None


def tilted(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the table of a problem that is not diagonal."""
    chem = ModuleType("chem")
    chem.Tilted = Tilted  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "chem", chem)
    return {"kind": "chem:Tilted"}


def test_a_cost_that_is_not_diagonal_is_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = tilted(monkeypatch)
    measured, again = (
        sample(asked(problem, shots=20_000, seed=3), found([1.0, 0.5])) for _ in range(2)
    )
    exact = Statevector(Tilted().circuit([1.0, 0.5])).expectation_value(Tilted().observable()).real
    assert 0 < measured.standard_error < 2.5 / 20_000**0.5
    assert abs(measured.energy - exact) < 5 * measured.standard_error
    assert measured.expectation == measured.energy == again.energy
    assert (measured.counts, measured.shots, measured.n_bases) == ({}, 60_000, 3)
    assert "measure" not in measured.circuit.qasm3
    assert Sample.model_validate_json(measured.model_dump_json()) == measured


def test_the_precision_decides_on_the_shots(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = asked(tilted(monkeypatch), precision=0.01)
    assert sample(experiment, found([1.0, 0.5])).shots == 3 * 10_000


def test_a_cost_of_bitstrings_has_an_expectation_value_too() -> None:
    measured = sample(asked({"kind": "bell"}, shots=64), found([1.0, 0.5]))
    assert (measured.expectation, measured.n_bases) == (measured.energy, 1)


def test_estimates_on_a_device_have_its_layout() -> None:
    lab = FactoryBackend(Quantum(shots=4000, seed=1), lambda _: line(), "lab")
    circuit = QuantumCircuit(3)
    circuit.ry(0.4, 0)
    circuit.cx(0, 2)
    circuit.h(1)
    observable = SparsePauliOp(["XIX", "IXI", "ZII"], [1.0, 2.0, -1.0])
    measured = expectation(circuit, observable, lab)
    exact = Statevector(circuit).expectation_value(observable).real
    assert (measured.shots, measured.n_bases) == (8000, 2)
    assert abs(measured.energy - exact) < 0.2  # noise of the device


def line() -> GenericBackendV2:
    return GenericBackendV2(5, coupling_map=CouplingMap.from_line(5), seed=1)


class Estimator:
    """Shaped like an EstimatorV2; gives whatever it is told to."""

    def __init__(self, results: Any) -> None:
        self.results = results

    def run(self, pubs: list[Any], precision: float) -> Estimator:
        assert len(pubs) == 2
        assert precision == pytest.approx(1 / 64)
        return self

    def result(self) -> Any:
        if isinstance(self.results, Exception):
            raise self.results
        return self.results


def estimate(value: float, error: float, **metadata: Any) -> Any:
    data = SimpleNamespace(evs=np.array(value), stds=np.array(error))
    return SimpleNamespace(data=data, metadata=metadata)


XZ = SparsePauliOp(["X", "Z", "I"], [1.0, 1.0, 0.5])


def test_errors_of_different_bases_are_independent(monkeypatch: pytest.MonkeyPatch) -> None:
    results = [estimate(0.3, 0.03, shots=10), estimate(0.4, 0.04)]
    monkeypatch.setattr(AerBackend, "estimator", lambda _: Estimator(results))
    found = expectation(QuantumCircuit(1), XZ, AerBackend(Quantum()))
    assert found[:2] == pytest.approx((1.2, 0.05))
    assert found[2:] == (10 + 4096, 2, {})


@pytest.mark.parametrize(
    ("results", "message"),
    [
        (RuntimeError("the fridge is warm"), "the fridge is warm"),
        ([estimate(0.0, 0.1)], "1 results for 2 observables"),
        ([estimate(np.nan, 0.1)] * 2, "the expectation value nan"),
        ([estimate(0.1, np.inf)] * 2, "the standard error inf"),
        ([object()] * 2, "data"),
    ],
)
def test_an_estimator_that_fails(
    monkeypatch: pytest.MonkeyPatch, results: Any, message: str
) -> None:
    monkeypatch.setattr(AerBackend, "estimator", lambda _: Estimator(results))
    with pytest.raises(QuantumJobError, match=message) as caught:
        expectation(QuantumCircuit(1), XZ, AerBackend(Quantum()))
    assert caught.value.backend == "aer"


def test_a_constant_needs_no_measurement() -> None:
    cancelled = SparsePauliOp(["X", "X", "I"], [1.0, -1.0, 0.5])
    found = expectation(QuantumCircuit(1), cancelled, AerBackend(Quantum()))
    assert found == (0.5, 0.0, 0, 0, {})


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("method", ["readout", "zne"])
@pytest.mark.parametrize("problem", [MAXCUT | {"nodes": 4}, {"kind": "tfim", "sites": 2}])
def test_mitigation_keeps_the_raw_value_and_the_counts(
    problem: dict[str, Any], method: str
) -> None:
    table = {"shots": 400, "seed": 3}
    angles = found([0.1, 0.9])
    raw = sample(asked(problem, **table), angles)
    options = {"twirls": 2}
    mitigated = sample(
        asked(problem, **table, mitigation=method, mitigation_options=options), angles
    )
    assert raw.raw is raw.mitigation is None
    assert mitigated.raw is not None
    assert mitigated.mitigation is not None
    assert (mitigated.counts, mitigated.shots) == (raw.counts, raw.shots)
    assert mitigated.circuit == raw.circuit
    assert mitigated.raw.expectation == raw.expectation
    assert mitigated.raw.standard_error == raw.standard_error
    assert mitigated.energy == mitigated.expectation
    assert abs(mitigated.energy - raw.energy) < 5 * np.hypot(
        mitigated.standard_error, raw.standard_error
    )
    factors = 3 if method == "zne" else 1
    assert mitigated.mitigation.shots == 400 * (factors * raw.n_bases + 1)


@pytest.mark.parametrize("method", ["none", "readout", "zne"])
@pytest.mark.parametrize("problem", [MAXCUT | {"nodes": 4}, {"kind": "tfim", "sites": 2}])
def test_the_shots_of_a_sample_are_known_before(problem: dict[str, Any], method: str) -> None:
    experiment = asked(problem, shots=401, mitigation=method)
    assert planned_shots(experiment) == sample(experiment, found([0.1, 0.9])).all_shots


def test_a_calibration_that_is_impossible() -> None:
    options = {"twirls": 2}

    class Blind(FactoryBackend):
        def sampler(self) -> Any:
            return SimpleNamespace(
                run=lambda pubs, **_: SimpleNamespace(result=lambda: blind(pubs))
            )

    def blind(pubs: Any) -> Any:
        register = SimpleNamespace(get_counts=lambda: {"00": 1, "11": 1})
        return [SimpleNamespace(data=SimpleNamespace(measured_basis=register)) for _ in pubs]

    settings = Quantum(backend="x:y", mitigation="readout", mitigation_options=options)
    backend = Blind(settings, lambda _: SimpleNamespace(run=lambda *_, shots: shots), "x")
    bare = sample(asked({"kind": "tfim", "sites": 2}, shots=10), found([0.1, 0.9]))
    observable = SparsePauliOp(["ZI", "IZ"])
    with pytest.raises(QuantumJobError, match="impossible"):
        mitigate(bare, QuantumCircuit(2), observable, backend, 0.0)
