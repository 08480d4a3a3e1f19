"""Energy and exact gradient of any circuit: against qulacs, PennyLane's lightning and Aer.

    pip install qulacs pennylane
    python benchmarks/circuit_gradients.py [--qubits 10 14 18] [--repetitions 5]

The circuits are a hardware-efficient ansatz of 4 layers (RY, RZ, a line of CX) and the
Hamiltonian variational ansatz of the transverse-field Ising ring with 4 layers; the observable is
the ring at criticality. All sides run in turn on one thread; processor times are compared. Aer's
parameter-shift gradient is the time of one energy by EstimatorV2, times the 2 energies that each
rotation takes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from typing import TYPE_CHECKING, Any

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import SparsePauliOp

from hybrid_parsl.simulate.circuit import CircuitState
from hybrid_parsl.simulate.circuit_translation import program_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from qiskit.circuit import ParameterExpression

    Gate = tuple[str, list[int], int | None]
    Timed = Callable[[], tuple[float, NDArray[np.float64] | None]]

LAYERS = 4
BACKPROP_TARGET = 3.0
SHIFT_TARGET = 200.0


def hardware_efficient(n_qubits: int) -> list[Gate]:
    """Return its gates: name, qubits, number of the parameter."""
    gates: list[Gate] = []
    for layer in range(LAYERS + 1):
        for kind, name in enumerate(("ry", "rz")):
            first = (2 * layer + kind) * n_qubits
            gates += [(name, [q], first + q) for q in range(n_qubits)]
        if layer < LAYERS:
            gates += [("cx", [q, q + 1], None) for q in range(n_qubits - 1)]
    return gates


def variational_ising(n_qubits: int) -> list[Gate]:
    """Return its gates: name, qubits, number of the parameter."""
    gates: list[Gate] = [("h", [q], None) for q in range(n_qubits)]
    for layer in range(LAYERS):
        gates += [("rzz", [q, (q + 1) % n_qubits], 2 * layer) for q in range(n_qubits)]
        gates += [("rx", [q], 2 * layer + 1) for q in range(n_qubits)]
    return gates


def ring(n_qubits: int) -> list[tuple[str, list[int]]]:
    """Return the terms of the transverse-field Ising ring, each with the coefficient -1."""
    bonds = [("ZZ", [q, (q + 1) % n_qubits]) for q in range(n_qubits)]
    return bonds + [("X", [q]) for q in range(n_qubits)]


def qiskit_circuit(n_qubits: int, gates: list[Gate], angles: list[Any]) -> QuantumCircuit:
    """Return the circuit with numbers or symbols."""
    circuit = QuantumCircuit(n_qubits)
    for name, qubits, number in gates:
        angle: list[ParameterExpression | float] = [] if number is None else [angles[number]]
        getattr(circuit, name)(*angle, *qubits)
    return circuit


def operator(n_qubits: int) -> SparsePauliOp:
    """Return the observable."""
    return SparsePauliOp.from_sparse_list([(*term, -1.0) for term in ring(n_qubits)], n_qubits)


def ours(n_qubits: int, gates: list[Gate], point: NDArray[np.float64]) -> Timed:
    """Return energy and gradient by this package."""
    symbols = list(ParameterVector("t", len(point)))
    program = program_of(qiskit_circuit(n_qubits, gates, symbols), symbols)
    state = CircuitState(program, operator(n_qubits))
    return lambda: state.energy_and_gradient(point)


def qulacs(n_qubits: int, gates: list[Gate], point: NDArray[np.float64]) -> Timed:
    """Return energy and gradient by qulacs' backpropagation."""
    from qulacs import Observable, ParametricQuantumCircuit, QuantumState

    circuit = ParametricQuantumCircuit(n_qubits)
    numbers = []
    pauli = {"x": 1, "y": 2, "z": 3}
    single = {
        "rx": circuit.add_parametric_RX_gate,
        "ry": circuit.add_parametric_RY_gate,
        "rz": circuit.add_parametric_RZ_gate,
    }
    for name, qubits, number in gates:
        if number is None:
            add = {"h": circuit.add_H_gate, "cx": circuit.add_CNOT_gate}[name]
            add(*qubits)
            continue
        if name in single:  # faster than the general gate; the sign of its angle is the same
            single[name](*qubits, -point[number])
        else:
            axes = [pauli[axis] for axis in name[1:]]
            circuit.add_parametric_multi_Pauli_rotation_gate(qubits, axes, -point[number])
        numbers.append(number)
    observable = Observable(n_qubits)
    for axes, qubits in ring(n_qubits):
        text = " ".join(f"{axis} {q}" for axis, q in zip(axes, qubits, strict=True))
        observable.add_operator(-1.0, text)
    state = QuantumState(n_qubits)

    def run() -> tuple[float, NDArray[np.float64]]:
        derivatives = -np.array(circuit.backprop(observable))
        state.set_zero_state()
        circuit.update_quantum_state(state)
        gradient = np.bincount(numbers, derivatives, len(point))
        return observable.get_expectation_value(state), gradient

    return run


def lightning(n_qubits: int, gates: list[Gate], point: NDArray[np.float64]) -> Timed:
    """Return energy and gradient by the adjoint method of PennyLane's lightning."""
    import pennylane as qml

    names = {"ry": qml.RY, "rz": qml.RZ, "rx": qml.RX, "rzz": qml.IsingZZ}
    names |= {"h": qml.Hadamard, "cx": qml.CNOT}
    device = qml.device("lightning.qubit", wires=n_qubits)
    paulis = {"X": qml.X, "Z": qml.Z}
    words = [qml.prod(*(paulis[a](q) for a, q in zip(axes, qubits, strict=True))) if len(axes) > 1
             else paulis[axes](qubits[0]) for axes, qubits in ring(n_qubits)]  # fmt: skip
    observable = qml.Hamiltonian([-1.0] * len(words), words)
    operations = [
        names[name](*([] if number is None else [point[number]]), wires=qubits)
        for name, qubits, number in gates
    ]
    numbers = [number for *_, number in gates if number is not None]
    tape = qml.tape.QuantumScript(operations, [qml.expval(observable)])
    tape.trainable_params = list(range(len(numbers)))
    config = qml.devices.ExecutionConfig(gradient_method="adjoint", use_device_gradient=True)

    def run() -> tuple[float, NDArray[np.float64]]:
        energy, derivatives = device.execute_and_compute_derivatives(tape, config)
        return float(energy), np.bincount(numbers, np.ravel(derivatives), len(point))

    return run


def aer_energy(n_qubits: int, gates: list[Gate], point: NDArray[np.float64]) -> Timed:
    """Return the energy alone by Aer's EstimatorV2."""
    from qiskit_aer.primitives import EstimatorV2

    options = {"method": "statevector", "max_parallel_threads": 1}
    estimator = EstimatorV2(options={"backend_options": options})
    symbols = list(ParameterVector("t", len(point)))
    circuit = qiskit_circuit(n_qubits, gates, symbols)
    pub = (circuit, operator(n_qubits), point)
    return lambda: (float(estimator.run([pub]).result()[0].data.evs), None)


def measure(sides: dict[str, Timed], repetitions: int) -> dict[str, float]:
    """Return the median processor seconds of each side, which run in turn."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repetitions):
        for name, run in sides.items():
            begun = time.process_time()
            run()
            times[name].append(time.process_time() - begun)
    return {name: statistics.median(each) for name, each in times.items()}


def main() -> None:
    """Print a table of times and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--qubits", type=int, nargs="*", default=[10, 14, 18])
    parser.add_argument("--repetitions", type=int, default=5)
    given = parser.parse_args()
    makers = {"ours": ours, "qulacs": qulacs, "lightning": lightning, "aer": aer_energy}
    print(f"{'circuit':20s} {'n':>3s} {'ours':>9s} {'qulacs':>9s} {'lightning':>9s}  ratios")
    for make_gates in (hardware_efficient, variational_ising):
        for n_qubits in given.qubits:
            gates = make_gates(n_qubits)
            numbers = [number for *_, number in gates if number is not None]
            point = np.random.default_rng(0).normal(size=max(numbers) + 1)
            sides = {name: make(n_qubits, gates, point) for name, make in makers.items()}
            results = {name: run() for name, run in sides.items()}  # compiles and warms up, too
            energy, gradient = results["ours"]
            for name, (other, slope) in results.items():
                assert np.isclose(other, energy, atol=1e-9), (name, other, energy)  # noqa: S101
                if slope is not None:
                    assert np.allclose(slope, gradient, atol=1e-9), name  # noqa: S101
            times = measure(sides, given.repetitions)
            best = min(times["qulacs"], times["lightning"])
            shift = times["aer"] * 2 * len(numbers)
            print(
                f"{make_gates.__name__:20s} {n_qubits:3d} {times['ours']:9.5f} "
                f"{times['qulacs']:9.5f} {times['lightning']:9.5f}  "
                f"best/ours {best / times['ours']:.1f} (target {BACKPROP_TARGET:g}), "
                f"Aer's parameter shift/ours {shift / times['ours']:.0f} (target {SHIFT_TARGET:g})"
            )


if __name__ == "__main__":
    main()
