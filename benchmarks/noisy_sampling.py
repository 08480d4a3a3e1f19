"""Compares noisy sampling on the active qubits with the local mode of IBM's primitives.

``python benchmarks/noisy_sampling.py [--rounds 2] [--shots 500]`` samples a circuit of two
layers of the variational Hamiltonian ansatz for a transverse-field Ising chain of 8 qubits, with
the noise of FakeFez, which has 156. Both programs run the same transpiled circuit and take turns
in one run; the median and the smallest ratio of their times are printed. Needs the extra ``ibm``.
"""

from __future__ import annotations

import argparse
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from qiskit import QuantumCircuit
from qiskit_ibm_runtime import SamplerV2
from qiskit_ibm_runtime.fake_provider import FakeFez

from hybrid_parsl.experiment import Quantum
from hybrid_parsl.quantum.registry import open_backend

if TYPE_CHECKING:
    from collections.abc import Callable

QUBITS = 8
LAYERS = 2
TARGET_SPEED = 10


def tfim_circuit() -> QuantumCircuit:
    """Return the ansatz at fixed angles, with measurements."""
    circuit = QuantumCircuit(QUBITS)
    circuit.h(range(QUBITS))
    for layer in range(LAYERS):
        for first in (0, 1):
            for qubit in range(first, QUBITS - 1, 2):
                circuit.rzz(-0.8 - 0.2 * layer, qubit, qubit + 1)
        circuit.rx(0.9 - 0.3 * layer, range(QUBITS))
    circuit.measure_all()
    return circuit


def seconds(call: Callable[[], dict[str, int]]) -> tuple[float, dict[str, int]]:
    """Return the time of one call, and the counts that it returned."""
    start = perf_counter()
    counts = call()
    return perf_counter() - start, counts


def distance(first: dict[str, int], second: dict[str, int], shots: int) -> float:
    """Return the total variation distance of two samples, 0 to 1."""
    return sum(abs(first.get(b, 0) - second.get(b, 0)) for b in {*first, *second}) / shots / 2


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--shots", type=int, default=500)
    options = parser.parse_args()
    backend = open_backend(Quantum(backend="fake:fez", seed=1, shots=options.shots))
    prepared = backend.prepare(tfim_circuit())
    ours, theirs = backend.sampler(), SamplerV2(mode=FakeFez())

    def run_ours() -> dict[str, int]:
        return ours.run([prepared]).result()[0].data.meas.get_counts()

    def run_theirs() -> dict[str, int]:
        return theirs.run([prepared], shots=options.shots).result()[0].data.meas.get_counts()

    run_ours()  # imports
    times = []
    for _ in range(options.rounds):
        (ours_s, our_counts), (theirs_s, their_counts) = seconds(run_ours), seconds(run_theirs)
        times.append((ours_s, theirs_s))
    ratios = [theirs_s / ours_s for ours_s, theirs_s in times]
    print(f"{'what':45s} {'target':>8s}   measured")
    what = f"{QUBITS} noisy qubits of 156: times faster"
    print(f"{what:45s} {f'>= {TARGET_SPEED}':>8s}   {median(ratios):.1f}  "
          f"(at least {min(ratios):.1f})")  # fmt: skip
    two_qubit = prepared.num_nonlocal_gates()
    print(f"    {two_qubit} CZ, {options.shots} shots: {median(t[0] for t in times):.2f} s against "
          f"{median(t[1] for t in times):.2f} s; total variation distance "
          f"{distance(our_counts, their_counts, options.shots):.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
