from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from qiskit import QuantumCircuit
from qiskit.primitives import BackendSamplerV2, StatevectorSampler
from qiskit.providers import BackendV2
from qiskit.providers.basic_provider import BasicSimulator
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import SparsePauliOp

from hybrid_parsl.errors import ConfigurationError, JobFailedError, QuantumJobError
from hybrid_parsl.experiment import Quantum
from hybrid_parsl.quantum.registry import open_backend
from hybrid_parsl.stages.quantum import measure


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("lab")
    monkeypatch.setitem(sys.modules, "lab", module)
    return module


def flipped() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.x(0)
    circuit.rzz(0.3, 0, 1)
    return circuit


def test_a_factory_gets_the_table(lab: Any) -> None:
    asked = []

    def factory(quantum: Quantum) -> StatevectorSampler:
        asked.append(quantum)
        return StatevectorSampler(seed=quantum.seed)

    lab.factory = factory
    lab.__version__ = "1.2"
    quantum = Quantum(backend="lab:factory", seed=5, shots=7)
    backend = open_backend(quantum)
    assert backend.name == "lab:factory 1.2"
    assert asked == []  # the driver opens it as well
    assert measure(flipped(), backend) == {"01": 7}
    assert backend.target is None
    assert asked == [quantum]


def device(_: Quantum) -> BackendV2:
    return GenericBackendV2(3, coupling_map=[[0, 1], [1, 2]], seed=1)


device.__annotations__["return"] = BackendV2


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(
    "factory",
    [
        device,
        lambda _: BasicSimulator(),
        lambda quantum: BackendSamplerV2(backend=device(quantum)),
        lambda _: BackendSamplerV2(backend=BasicSimulator()),
    ],
)
def test_a_circuit_is_transpiled_to_a_device(lab: Any, factory: Any) -> None:
    lab.factory = factory
    backend = open_backend(Quantum(backend="lab:factory", shots=100))
    assert measure(flipped(), backend)["01"] > 90  # one of the devices has noise
    assert backend.target is not None


def test_a_device_is_seeded_and_estimates(lab: Any) -> None:
    lab.device = device
    first, again, other = (
        open_backend(Quantum(backend="lab:device", shots=500, seed=seed)) for seed in (3, 3, 4)
    )
    circuit = QuantumCircuit(2)
    circuit.h([0, 1])
    counts = measure(circuit, first)
    assert counts == measure(circuit, again) != measure(circuit, other)
    prepared = first.prepare(circuit)
    observable = SparsePauliOp(["XX", "ZI"]).apply_layout(prepared.layout)
    values = first.estimator().run([(prepared, observable)]).result()[0].data
    assert float(values.evs) == pytest.approx(1.0, abs=0.1)


class Unseeded(BasicSimulator):
    """A device whose jobs take no seed."""

    @classmethod
    def _default_options(cls) -> Any:
        options = super()._default_options()
        del options._fields["seed_simulator"]
        return options

    def run(self, run_input: Any, *, shots: int, memory: bool, seed_simulator: Any = None) -> Any:
        assert seed_simulator is None
        return super().run(run_input, shots=shots, memory=memory)


def test_a_device_without_a_seed_is_not_seeded(lab: Any) -> None:
    lab.factory = lambda _: Unseeded()
    backend = open_backend(Quantum(backend="lab:factory", shots=9))
    assert measure(flipped(), backend) == {"01": 9}


def test_a_sampler_without_a_device_estimates_nothing(lab: Any) -> None:
    lab.factory = lambda _: StatevectorSampler()
    with pytest.raises(ConfigurationError, match="expectation values") as caught:
        open_backend(Quantum(backend="lab:factory")).estimator()
    assert caught.value.key == "quantum.backend"


def test_a_factory_has_no_options(lab: Any) -> None:
    lab.factory = lambda _: StatevectorSampler()
    with pytest.raises(ConfigurationError) as caught:
        open_backend(Quantum(backend="lab:factory", options={"noise": 0.1}))
    assert caught.value.key == "quantum.options.noise"
    assert caught.value.valid == "no keys"


class RunsCircuits:
    def run(self, circuit: Any) -> None:
        pass


@pytest.mark.parametrize("made", [None, 7, RunsCircuits()])
def test_what_a_factory_makes_is_checked(lab: Any, made: Any) -> None:
    lab.factory = lambda _: made
    backend = open_backend(Quantum(backend="lab:factory"))
    with pytest.raises(ConfigurationError, match="makes no sampler") as caught:
        backend.sampler()
    assert caught.value.key == "quantum.backend"


def test_a_factory_that_fails(lab: Any) -> None:
    def offline(_: Quantum) -> None:
        raise OSError("no route to the fridge")

    lab.offline = offline
    with pytest.raises(QuantumJobError, match="OSError: no route to the fridge") as caught:
        open_backend(Quantum(backend="lab:offline")).sampler()
    assert caught.value.backend == "lab:offline"


def test_an_error_of_ours_passes_as_it_is(lab: Any) -> None:
    def refused(_: Quantum) -> SimpleNamespace:
        raise JobFailedError("7", "no credits left")

    lab.refused = refused
    with pytest.raises(JobFailedError, match="no credits left"):
        open_backend(Quantum(backend="lab:refused")).sampler()
