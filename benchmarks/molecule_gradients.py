"""Energy and exact gradient of UCCSD for LiH: against the adjoint method of PennyLane's lightning.

    pip install 'hybrid-parsl[molecule]' pennylane
    python benchmarks/molecule_gradients.py [--repetitions 5]

Lithium hydride in STO-3G after Jordan and Wigner has 12 qubits, 631 terms and 92 amplitudes. Both
sides get the same rotations and the same observable, and run in turn on one thread; processor times
are compared.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import numpy as np
from qiskit.circuit import ParameterVector

from hybrid_parsl.experiment_file import parse_experiment
from hybrid_parsl.problems.registry import build_problem, embed_files
from hybrid_parsl.simulate.circuit import CircuitState
from hybrid_parsl.simulate.circuit_translation import program_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hybrid_parsl.problems.variational import VariationalProblem

    Timed = Callable[[], tuple[float, NDArray[np.float64]]]

GEOMETRY = "Li 0 0 0; H 0 0 1.5949"
TARGET = 3.0


def molecule() -> VariationalProblem:
    """Return the problem."""
    table = {"name": "lih", "problem": {"kind": "molecule", "geometry": GEOMETRY}}
    problem: Any = build_problem(embed_files(parse_experiment(table), Path()).problem)
    return problem


def ours(problem: VariationalProblem, point: NDArray[np.float64]) -> Timed:
    """Return energy and gradient by this package."""
    symbols = list(ParameterVector("t", len(point)))
    state = CircuitState(program_of(problem.circuit(symbols), symbols), problem.observable())
    return lambda: state.energy_and_gradient(point)


def lightning(
    problem: VariationalProblem, point: NDArray[np.float64], *, sparse: bool = False
) -> Timed:
    """Return energy and gradient by the adjoint method of PennyLane's lightning.

    A rotation is its gate MultiRZ between changes of basis: its PauliRot becomes a dense matrix.
    With `sparse` the observable is a sparse matrix, else a sum of terms.
    """
    import pennylane as qml

    circuit = problem.circuit([0.0] * len(point))
    filled = [circuit.find_bit(gate.qubits[0]).index for gate in circuit if gate.name == "x"]
    operations = [qml.X(qubit) for qubit in filled]
    trainable, numbers, slopes = [], [], []
    n_angles = 0
    for number, group in enumerate(problem.groups()):
        for term in group:
            pairs = list(zip(term.letters, term.qubits, strict=True))
            for sign in (1, 0, -1):
                if sign == 0:
                    angle = 2 * term.weight * point[number]
                    operations.append(qml.MultiRZ(angle, wires=term.qubits))
                    trainable.append(n_angles)
                    n_angles += 1
                    continue
                operations += [qml.Hadamard(q) for letter, q in pairs if letter == "X"]
                turned = [q for letter, q in pairs if letter == "Y"]
                operations += [qml.RX(sign * np.pi / 2, wires=q) for q in turned]
                n_angles += len(turned)
            numbers.append(number)
            slopes.append(2 * term.weight)
    tape = qml.tape.QuantumScript(operations, [qml.expval(_observable(problem, sparse=sparse))])
    tape.trainable_params = trainable
    device = qml.device("lightning.qubit", wires=problem.n_qubits)
    config = qml.devices.ExecutionConfig(gradient_method="adjoint", use_device_gradient=True)

    def run() -> tuple[float, NDArray[np.float64]]:
        energy, derivatives = device.execute_and_compute_derivatives(tape, config)
        weighted = np.ravel(derivatives) * slopes
        return float(np.ravel(energy)[0]), np.bincount(numbers, weighted, len(point))

    return run


def _observable(problem: VariationalProblem, *, sparse: bool) -> Any:
    """Return the energy as an observable of PennyLane's."""
    import pennylane as qml

    letters = {"X": qml.X, "Y": qml.Y, "Z": qml.Z}
    words = []
    for label in problem.observable().paulis.to_labels():
        factors = [letters[each](q) for q, each in enumerate(reversed(label)) if each != "I"]
        words.append(qml.prod(*factors) if factors else qml.I(0))
    found = qml.Hamiltonian(problem.observable().coeffs.real, words)
    wires = range(problem.n_qubits)
    return qml.SparseHamiltonian(found.sparse_matrix(wires), wires) if sparse else found


def main() -> None:
    """Print times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repetitions", type=int, default=5)
    repetitions = parser.parse_args().repetitions
    problem = molecule()
    point = np.random.default_rng(0).uniform(-0.1, 0.1, len(problem.bounds(1)))
    sides = {
        "ours": ours(problem, point),
        "lightning, terms": lightning(problem, point),
        "lightning, sparse matrix": lightning(problem, point, sparse=True),
    }
    results = {name: run() for name, run in sides.items()}  # compiles and warms up, too
    energy, gradient = results["ours"]
    difference = max(
        max(abs(energy - other), float(np.abs(gradient - slope).max()))
        for other, slope in results.values()
    )
    assert difference < 1e-9, difference  # noqa: S101, PLR2004 - Hartree
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repetitions):
        for name, run in sides.items():
            begun = time.process_time()
            run()
            times[name].append(time.process_time() - begun)
    found = {name: statistics.median(each) for name, each in times.items()}
    best = min(found["lightning, terms"], found["lightning, sparse matrix"])
    print(f"LiH, UCCSD, {problem.n_qubits} qubits, {len(point)} amplitudes; {difference=:.1e}")
    print("; ".join(f"{name} {seconds:.5f} s" for name, seconds in found.items()))
    print(f"best/ours {best / found['ours']:.1f} (target {TARGET:g})")


if __name__ == "__main__":
    main()
