from __future__ import annotations

from types import SimpleNamespace

import pytest
from qiskit import QuantumCircuit
from qiskit.providers.fake_provider import GenericBackendV2

from hybrid_parsl.quantum.qpu_time import OVERHEAD_S, Item, QpuEstimate, estimate_program

DEVICE = GenericBackendV2(2, seed=1)


def program(*sizes: int, shots: int = 1000, circuit: QuantumCircuit | None = None) -> object:
    if circuit is None:
        circuit = QuantumCircuit(2, 2)
        circuit.measure([0, 1], [0, 1])
    items = [SimpleNamespace(circuit=circuit, size=lambda size=size: size) for size in sizes]
    return SimpleNamespace(items=items, shots=shots)


def test_seconds_are_executions_times_duration_and_delay_and_an_overhead() -> None:
    estimate = QpuEstimate((Item(1000, 5e-6), Item(3000, 10e-6)), 1000, 250e-6, ())
    expected = 1000 * 255e-6 + 3000 * 260e-6 + OVERHEAD_S
    assert estimate.seconds == pytest.approx(expected)
    assert estimate.executions == 4000


def test_the_formula_is_printed_with_its_numbers() -> None:
    estimate = QpuEstimate((Item(1000, 5e-6), Item(3000, 5e-6)), 1000, 250e-6, ("assumed",))
    assert estimate.lines() == [
        "2 circuits, 1000 shots, 4000 executions: 3.02 s of QPU time estimated",
        "seconds = sum(executions x (duration + rep_delay)) + overhead",
        "3.02 s = 4000 x (5.0 us + 250.0 us) + 2 s",
        "assumed",
    ]


def test_a_program_on_a_device_without_a_delay() -> None:
    estimate = estimate_program(program(2, 1), DEVICE)
    assert estimate.executions == 3000
    assert estimate.rep_delay_s == pytest.approx(250e-6)
    assert estimate.items[0].duration_s > 0
    assert any("rep_delay: 250 us (assumed)" in each for each in estimate.assumptions)


def test_a_branching_circuit_is_assumed_to_take_long() -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(1)
    estimate = estimate_program(program(1, circuit=circuit), DEVICE)
    assert estimate.items[0].duration_s == pytest.approx(1e-3)
    assert any("not known" in each for each in estimate.assumptions)
