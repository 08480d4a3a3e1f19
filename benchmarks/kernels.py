"""Compares the energies of `hybrid_parsl.simulate` with those of Qiskit Aer and of QOKit.

``python benchmarks/kernels.py [--sizes 12 16 20] [--quick] [--qokit DIR]`` takes the energy of
QAOA with p = 4 layers on the cut of a random 3-regular graph, on one thread in double precision.
The programs take turns in one run, as other work on the machine slows all; the smallest and
the median ratio of a few rounds are printed. Aer gets its best case: many sets of angles in
one call, exact expectation values, and the fastest of a few settings. So does QOKit's C simulator:
it is built from the source in DIR, a clone of github.com/jpmorganchase/QOKit, optimised for
this processor, which its own makefile does not ask for; the sum over the probabilities is NumPy's.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from hybrid_parsl.simulate.alternating import (
    AlternatingState,
    ising_diagonal,
)
from hybrid_parsl.simulate.precompile import compile_kernels

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

LAYERS = 4
TARGET_SPEED = {12: 40, 16: 30, 20: 25}
TARGET_GRADIENT = 3.5
QOKIT_SOURCE = "qokit/fur/c/csim/src"
TARGET_VECTORS = 3.0
MOST_DIFFERENCE = 1e-9
Edges = list[tuple[int, int]]
AER_SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "fusion of 3 qubits": {"fusion_max_qubit": 3},
    "fusion of 4 qubits": {"fusion_max_qubit": 4},
    "no fusion": {"fusion_enable": False},
    "angles bound at run time": {"runtime_parameter_bind_enable": True},
}


def regular_graph(n: int, seed: int = 1) -> Edges:
    """Return the edges of a random 3-regular graph, by pairing stubs until it is simple."""
    rng = np.random.default_rng(seed)
    while True:
        stubs = rng.permutation(np.repeat(np.arange(n), 3)).reshape(-1, 2)
        edges = {(int(min(pair)), int(max(pair))) for pair in stubs}
        if len(edges) == 3 * n // 2 and all(i != j for i, j in edges):
            return sorted(edges)


def cut_cost(n: int, edges: Edges, *, mirrored: bool = True) -> NDArray[np.float64]:
    """Return how many edges each partition cuts; a field on one qubit breaks the symmetry."""
    linear = np.zeros(n)
    linear[0] = 0.0 if mirrored else 1.0
    return ising_diagonal(n, linear, edges, np.full(len(edges), -0.5), len(edges) / 2)


def aer_energies(n: int, edges: Edges, options: dict[str, Any]) -> Callable[[Any], Any]:
    """Return a function from sets of angles to Aer's energies."""
    from qiskit.circuit import ParameterVector, QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp
    from qiskit_aer.primitives import EstimatorV2

    gamma, beta = ParameterVector("gamma", LAYERS), ParameterVector("hbeta", LAYERS)
    circuit = QuantumCircuit(n)
    circuit.h(range(n))
    for layer in range(LAYERS):
        for i, j in edges:
            circuit.rzz(-gamma[layer], i, j)
        circuit.rx(2 * beta[layer], range(n))
    terms = [("ZZ", [i, j], -0.5) for i, j in edges]
    cost = SparsePauliOp.from_sparse_list([*terms, ("", [], len(edges) / 2)], n)
    backend = {"method": "statevector", "max_parallel_threads": 1, **options}
    estimator = EstimatorV2(options={"default_precision": 0.0, "backend_options": backend})
    return lambda angles: estimator.run([(circuit, cost, angles)]).result()[0].data.evs


def build_qokit(clone: Path, folder: Path) -> ctypes.CDLL:
    """Build QOKit's C simulator from its source; return the library."""
    source, library = clone / QOKIT_SOURCE, folder / "libcsim.so"
    options = ["-O3", "-march=native", "-ffast-math", "-fopenmp", "-fPIC", "-shared", f"-I{source}"]
    command = ["gcc", *options, *map(str, source.glob("*.c")), "-o", str(library), "-lm"]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(library))


def qokit_energy(
    qokit: ctypes.CDLL, n: int, cost: NDArray[np.float64]
) -> Callable[[NDArray[np.float64]], float]:
    """Return a function from angles to the energy that QOKit's C simulator gives."""
    array = np.ctypeslib.ndpointer(np.float64, flags="C_CONTIGUOUS")
    apply = qokit.apply_qaoa_furx
    apply.restype = None
    apply.argtypes = [*[array] * 5, ctypes.c_uint, ctypes.c_size_t, ctypes.c_size_t]
    real, imaginary = np.empty(2**n), np.empty(2**n)

    def energy(angles: NDArray[np.float64]) -> float:
        real.fill(2 ** (-n / 2))
        imaginary.fill(0.0)
        gamma = 2 * angles[:LAYERS]  # QOKit's layer is exp(-i gamma C / 2)
        apply(real, imaginary, gamma, angles[LAYERS:], cost, n, 2**n, LAYERS)
        np.square(real, out=real)
        np.square(imaginary, out=imaginary)
        np.add(real, imaginary, out=real)
        return float(cost @ real)

    return energy


def seconds(call: Callable[[], object], repeats: int) -> float:
    """Return the time of one call, the shortest of some."""
    times = []
    for _ in range(repeats):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return min(times)


def fastest_setting(n: int, edges: Edges, angles: Any) -> str:
    """Return the name of Aer's fastest setting for this size."""
    times = {}
    for name, options in AER_SETTINGS.items():
        energies = aer_energies(n, edges, options)
        times[name] = seconds(partial(energies, angles), 2)
    return min(times, key=lambda name: times[name])


def compare_with_qokit(qokit: ctypes.CDLL | None, n: int, rounds: int) -> None:
    """Print the line of QOKit for one size."""
    what = f"energy, n = {n}: times faster than QOKit"
    if qokit is None:
        row(what, "", "absent: --qokit DIR names a clone of it")
        return
    cost, angles = cut_cost(n, regular_graph(n)), np.random.default_rng(0).uniform(0, 1, 2 * LAYERS)
    state, theirs = AlternatingState(cost, LAYERS), qokit_energy(qokit, n, cost)
    difference = abs(theirs(angles) / state.energy(angles) - 1)
    if difference > MOST_DIFFERENCE:
        sys.exit(f"QOKit's energy for n = {n} differs by {difference:.1e}")
    repeats = max(3, 2 ** (20 - n) // 4)
    speed = []
    for _ in range(rounds):
        ours_s = seconds(lambda: state.energy(angles), repeats)
        speed.append(seconds(lambda: theirs(angles), repeats) / ours_s)
    row(what, "", f"{median(speed):.1f}  (at least {min(speed):.1f}; relative difference "
        f"{difference:.0e})")  # fmt: skip


def compare(n: int, rounds: int) -> None:
    """Print the lines of the table for one size."""
    edges = regular_graph(n)
    batch = {12: 64, 16: 8, 20: 2}.get(n, 2)
    angles = np.random.default_rng(0).uniform(0, 1, (batch, 2 * LAYERS))
    state = AlternatingState(cut_cost(n, edges), LAYERS)
    setting = fastest_setting(n, edges, angles)
    aer = aer_energies(n, edges, AER_SETTINGS[setting])
    ours = np.array([state.energy(row) for row in angles])
    error = np.abs(ours - aer(angles)).max()
    state.energy_and_gradient(angles[0])
    speed, gradient, energy_s = [], [], []
    repeats = max(3, 2 ** (20 - n) // 4)
    for _ in range(rounds):
        aer_s = seconds(lambda: aer(angles), 1) / batch
        energy_s.append(seconds(lambda: state.energy(angles[0]), repeats))
        gradient_s = seconds(lambda: state.energy_and_gradient(angles[0]), repeats)
        speed.append(aer_s / energy_s[-1])
        gradient.append(gradient_s / energy_s[-1])
    row(f"energy, n = {n}: times faster than Aer", f">= {TARGET_SPEED.get(n, 25)}",
        f"{median(speed):.0f}  (at least {min(speed):.0f})")  # fmt: skip
    row(f"gradient / energy, n = {n}", f"<= {TARGET_GRADIENT}",
        f"{median(gradient):.2f}  (at most {max(gradient):.2f})")  # fmt: skip
    print(f"    energy {1e6 * min(energy_s):.0f} us; largest difference {error:.1e}; "
          f"Aer's fastest setting: {setting}")  # fmt: skip


def row(what: str, target: str, measured: str) -> None:
    """Print one line of the table."""
    print(f"{what:45s} {target:>8s}   {measured}", flush=True)


def print_memory(n: int, *, mirrored: bool) -> None:
    """Print by how many bytes a gradient raises the peak of this process."""
    compile_kernels()
    before = memory_bytes("VmRSS")
    cost = cut_cost(n, regular_graph(n), mirrored=mirrored)  # kept, so that it counts
    state = AlternatingState(cost, LAYERS)
    state.energy_and_gradient(np.full(2 * LAYERS, 0.3))
    print(memory_bytes("VmHWM") - before)


def memory_bytes(name: str) -> int:
    """Return the memory that this process has (VmRSS) or had at most (VmHWM); Linux only."""
    with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123
        sizes = dict(line.split(":", 1) for line in file)
    return int(sizes[name].split()[0]) * 1024


def compare_memory(n: int) -> None:
    """Print the memory of a gradient, measured in fresh processes."""
    for mirrored in (True, False):
        command = [sys.executable, __file__, "--memory", str(n), str(int(mirrored))]
        peak = int(subprocess.check_output(command, text=True).split()[-1])
        kind = "with symmetry" if mirrored else "without"
        row(f"gradient, n = {n}, {kind}: state vectors", f"<= {TARGET_VECTORS:.0f}",
            f"{peak / (16 * 2**n):.2f}  ({peak / 2**20:.0f} MiB)")  # fmt: skip


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[12, 16, 20], metavar="N")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, memory at n = 22")
    parser.add_argument("--qokit", type=Path, metavar="DIR", help="a clone of QOKit, to be built")
    parser.add_argument("--memory", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        print_memory(options.memory[0], mirrored=bool(options.memory[1]))
        return
    print(f"compiled or loaded in {compile_kernels():.2f} s")
    row("what", "target", "measured")
    rounds = 2 if options.quick else 5
    with tempfile.TemporaryDirectory() as name:
        qokit = build_qokit(options.qokit, Path(name)) if options.qokit else None
        for n in options.sizes:
            compare(n, rounds)
            compare_with_qokit(qokit, n, rounds)
    compare_memory(22 if options.quick else 24)


if __name__ == "__main__":
    main()
