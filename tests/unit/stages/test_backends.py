from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from qiskit import QuantumCircuit
from qiskit.primitives import BackendSamplerV2, StatevectorSampler
from qiskit.providers.basic_provider import BasicSimulator

from hybrid_parsl.errors import ConfigurationError, JobFailedError, QuantumJobError
from hybrid_parsl.experiment import Quantum
from hybrid_parsl.stages.backends import open_backend


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("lab")
    monkeypatch.setitem(sys.modules, "lab", module)
    return module


def flipped() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.x(0)
    circuit.measure_all()
    return circuit


def test_aer_has_a_name_and_qiskits_bit_order() -> None:
    backend = open_backend(Quantum(method="statevector"))
    assert backend.name.startswith("aer 0.")
    assert backend.name.endswith("(statevector)")
    assert backend.measure(flipped(), 10) == {"01": 10}


def test_many_shots_are_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybrid_parsl.stages.backends._MOST_AT_ONCE", 100)
    circuit = QuantumCircuit(1)
    circuit.h(0)
    circuit.measure_all()
    counts = open_backend(Quantum(seed=2**32 - 1)).measure(circuit, 1050)
    assert sum(counts.values()) == 1050
    assert counts["0"] % 100 != 50  # the parts are not copies of each other
    assert counts == open_backend(Quantum(seed=2**32 - 1)).measure(circuit, 1050)


def test_a_factory_gets_the_table(lab: Any) -> None:
    asked = []

    def factory(quantum: Quantum) -> StatevectorSampler:
        asked.append(quantum)
        return StatevectorSampler(seed=quantum.seed)

    lab.factory = factory
    lab.__version__ = "1.2"
    quantum = Quantum(backend="lab:factory", seed=5)
    backend = open_backend(quantum)
    assert backend.name == "lab:factory 1.2"
    assert backend.measure(flipped(), 7) == {"01": 7}
    assert asked == [quantum]


def test_a_circuit_is_fitted_to_a_device(lab: Any) -> None:
    lab.factory = lambda _: BackendSamplerV2(backend=BasicSimulator())
    circuit = QuantumCircuit(2)
    circuit.x(0)
    circuit.rzz(0.3, 0, 1)
    circuit.measure_all()
    assert open_backend(Quantum(backend="lab:factory")).measure(circuit, 7) == {"01": 7}


@pytest.mark.parametrize(
    ("name", "message", "words"),
    [
        ("are", "unknown backend", ["did you mean 'aer'", "package.module:factory"]),
        ("AER:", "unknown backend", []),
        (":factory", "unknown backend", []),
        ("no_such_module_x:factory", "cannot import it: ModuleNotFoundError", ["aer, or"]),
        ("lab:absent", "cannot import it: AttributeError", []),
        ("lab:__name__", "is not a factory", []),
        ("lab:nothing", "makes no sampler", ["something like a SamplerV2"]),
    ],
)
def test_a_backend_that_is_none(lab: Any, name: str, message: str, words: list[str]) -> None:
    lab.nothing = lambda _: None
    with pytest.raises(ConfigurationError, match=message) as caught:
        open_backend(Quantum(backend=name))
    assert caught.value.key == "quantum.backend"
    for word in words:
        assert word in str(caught.value)


def test_a_factory_that_fails(lab: Any) -> None:
    def offline(_: Quantum) -> None:
        raise OSError("no route to the fridge")

    lab.offline = offline
    with pytest.raises(QuantumJobError, match="OSError: no route to the fridge"):
        open_backend(Quantum(backend="lab:offline"))


def test_an_error_of_ours_passes_as_it_is(lab: Any) -> None:
    def refused(_: Quantum) -> SimpleNamespace:
        raise JobFailedError("7", "no credits left")

    lab.refused = refused
    with pytest.raises(JobFailedError, match="no credits left"):
        open_backend(Quantum(backend="lab:refused"))


def test_a_classical_register_of_the_circuits_own_is_not_read() -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.x([0, 1])
    counts = open_backend(Quantum()).measure(circuit.measure_all(inplace=False), 10)
    assert counts == {"11": 10}
