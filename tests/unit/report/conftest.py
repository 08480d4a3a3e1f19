"""Results of a small run, as the stages would hand them over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from qiskit import QuantumCircuit, qasm3

from hybrid_parsl.experiment import Experiment
from hybrid_parsl.report.figures import draw_figures
from hybrid_parsl.results import (
    Analysis,
    Circuit,
    Execution,
    Landscape,
    Outcome,
    Sample,
    SearchResult,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy import float64
    from numpy.typing import NDArray

N_QUBITS = 5
EXECUTION = Execution(duration_s=1.25, n_ranks=4, hosts=["cn01", "cn02"])


def ring_energies(bitstrings: Sequence[str]) -> NDArray[float64]:
    """Return minus the number of edges of a ring that each bitstring cuts."""
    return np.array(
        [
            -float(sum(a != b for a, b in zip(bits, bits[1:] + bits[:1], strict=True)))
            for bits in bitstrings
        ]
    )


def ring_circuit(n_qubits: int = N_QUBITS, layers: int = 1) -> QuantumCircuit:
    """Return alternating layers on a ring."""
    circuit = QuantumCircuit(n_qubits)
    circuit.h(range(n_qubits))
    for _ in range(layers):
        for qubit in range(n_qubits):
            circuit.rzz(0.7, qubit, (qubit + 1) % n_qubits)
        circuit.rx(0.8, range(n_qubits))
    return circuit


class Run(NamedTuple):
    """What `draw_figures` takes, but for the energies."""

    experiment: Experiment
    search: SearchResult
    sample: Sample
    analysis: Analysis
    circuit: QuantumCircuit

    def document(self) -> dict[str, Any]:
        """Return the run as `render_page` takes it."""
        times = [f"2025-06-01T14:22:{second:02d}+00:00" for second in (33, 36, 50, 55)]
        stages = [
            {
                "name": name,
                "started": times[k],
                "finished": times[k + 1],
                "duration_s": 4.0,
                "status": "completed",
                "host": "cn01",
            }
            for k, name in enumerate(("search", "quantum", "analysis"))
        ]
        return {
            "run": {
                "id": "20250601-142233-ring",
                "name": "ring",
                "started": times[0],
                "finished": times[3],
                "duration_s": 22.0,
                "site": "local",
                "status": "completed",
                "folder": "/home/me/runs/20250601-142233-ring",
            },
            "experiment": self.experiment.model_dump(mode="json"),
            "versions": {"hybrid-parsl": "0.1.0", "python": "3.11.2"},
            "search": self.search.model_dump(mode="json"),
            "quantum": self.sample.model_dump(mode="json"),
            "analysis": self.analysis.model_dump(mode="json", exclude={"figures"}),
            "stages": stages,
        }


@pytest.fixture
def run() -> Run:
    return small_run()


def ones(bitstrings: Sequence[str]) -> NDArray[float64]:
    """Return minus the number of ones of each bitstring."""
    return np.array([-float(bits.count("1")) for bits in bitstrings])


@pytest.fixture
def energies() -> Callable[[Sequence[str]], NDArray[float64]]:
    """What a problem gives for bitstrings."""
    return ones


@pytest.fixture(scope="session")
def figures() -> dict[str, str]:
    """All figures of `run`, drawn once."""
    return draw_figures(*small_run(), energies=ones)


def small_run() -> Run:
    """Return a run as the stages would leave it, always the same."""
    random = np.random.default_rng(7)
    experiment = Experiment.model_validate({"name": "ring", "problem": {"kind": "maxcut"}})
    search = SearchResult(
        parameters=[0.6, 0.4],
        energy=-3.25,
        method="multistart",
        best_start=3,
        energies=[-2.5, -3.0, -2.75, -3.25, -3.125, -2.0],
        trace=[-1.0, -2.0, -3.0, -3.25],
        n_evaluations=120,
        execution=EXECUTION,
    )
    every = [f"{value:0{N_QUBITS}b}" for value in range(2**N_QUBITS)]
    cost = ring_energies(every)
    weights = np.exp(-cost)
    drawn = random.multinomial(1024, weights / weights.sum())
    counts = {bits: int(count) for bits, count in zip(every, drawn, strict=True) if count}
    circuit = ring_circuit()
    text = qasm3.dumps(circuit)
    sample = Sample(
        counts=counts,
        shots=1024,
        energy=-3.21,
        standard_error=0.031,
        backend="aer_simulator 0.17.2",
        execution=EXECUTION,
        circuit=Circuit(
            qasm3=text,
            n_qubits=N_QUBITS,
            depth=circuit.depth(),
            n_gates=circuit.size(),
            sha256="ab" * 32,
        ),
    )
    first = sorted(counts, key=lambda bits: (-counts[bits], bits))[:8]
    top = [
        Outcome(
            bitstring=bits,
            count=counts[bits],
            probability=counts[bits] / 1024,
            energy=float(ring_energies([bits])[0]),
        )
        for bits in first
    ]
    angles = np.linspace(0, 1.5, 9)
    landscape = Landscape(
        gamma=angles.tolist(),
        beta=angles.tolist(),
        energy=(-2.5 - np.outer(np.sin(2 * angles), np.sin(2 * angles))).tolist(),
    )
    analysis = Analysis(
        energy=-3.21,
        standard_error=0.0312,
        optimum=-4.0,
        worst=0.0,
        ratio=0.8025,
        best_ratio=1.0,
        probability_of_optimum=0.455,
        exact_energy=-3.25,
        deviation=1.28,
        top=top,
        landscape=landscape,
        figures={},
        execution=EXECUTION,
    )
    return Run(experiment, search, sample, analysis, circuit)
