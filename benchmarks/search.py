"""Time of the search: against COBYLA on Aer, and on two ranks against one.

    python benchmarks/search.py [--graphs 10] [--cap 300]

The first part takes random 3-regular graphs of 14 nodes for which three layers can reach an
approximation ratio of 0.9 at all (about half of them), and times both searches from the same
starts until they reach it. The second part times the same starts on one rank and on two.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from hybrid_parsl.experiment_file import parse_experiment
from hybrid_parsl.optimize.local import multistart, seeded_point
from hybrid_parsl.optimize.team import SoloTeam
from hybrid_parsl.problems.registry import build_problem
from hybrid_parsl.stages.search import build_objective

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.problems.maxcut import MaxCut

RATIO = 0.9
LAYERS = 3
NODES = 14


class ReachedError(Exception):
    """The target has been reached."""


def graph(seed: int) -> Experiment:
    """Return the experiment with the graph of `seed`."""
    return parse_experiment(
        {
            "name": "graph",
            "problem": {"kind": "maxcut", "nodes": NODES, "degree": 3, "seed": seed},
            "ansatz": {"layers": LAYERS},
        }
    )


def time_multistart(experiment: Experiment, problem: MaxCut, target: float) -> float | None:
    """Return the seconds until `multistart` reaches `target`; None if 16 starts do not."""
    begun = time.perf_counter()
    state = build_objective(problem, experiment, SoloTeam())
    with threadpool_limits(1, "blas"):
        for index in range(16):
            if multistart(state, problem.bounds(LAYERS), index, experiment.search).energy <= target:
                return time.perf_counter() - begun
    return None


def aer_energy(problem: MaxCut) -> Callable[[NDArray[np.float64]], float]:
    """Return the energy by Aer's EstimatorV2, the circuit built and parameterised once."""
    from qiskit.circuit import ParameterVector
    from qiskit_aer.primitives import EstimatorV2

    angles = ParameterVector("angle", 2 * LAYERS)
    circuit = problem.circuit(list(angles))
    observable = problem.observable()
    options = {"method": "statevector", "max_parallel_threads": 1}
    estimator = EstimatorV2(options={"backend_options": options})

    def energy(parameters: NDArray[np.float64]) -> float:
        job = estimator.run([(circuit, observable, parameters)], precision=0.0)
        return float(job.result()[0].data.evs)

    return energy


def time_cobyla(experiment: Experiment, problem: MaxCut, target: float, cap_s: float) -> float:
    """Return the seconds until SciPy's COBYLA on Aer reaches `target`, `cap_s` at most."""
    from scipy.optimize import minimize

    energy = aer_energy(problem)
    begun = time.perf_counter()

    def watched(parameters: NDArray[np.float64]) -> float:
        value = energy(parameters)
        if value <= target or time.perf_counter() - begun > cap_s:
            raise ReachedError
        return value

    with contextlib.suppress(ReachedError), threadpool_limits(1, "blas"):
        for index in range(1000):
            start = seeded_point(problem.bounds(LAYERS), experiment.search.seed, index)
            minimize(watched, start, method="COBYLA", options={"rhobeg": 0.1})
    return time.perf_counter() - begun


def compare_with_cobyla(n_graphs: int, cap_s: float) -> None:
    """Print both times for each graph, and the median of their ratio."""
    ratios: list[float] = []
    seed = 0
    warm = graph(0)
    build_objective(build_problem(warm.problem), warm, SoloTeam())
    print(f"time to ratio {RATIO}, p = {LAYERS}, n = {NODES}")
    print("graph  multistart      COBYLA on Aer   ratio")
    while len(ratios) < n_graphs:
        experiment = graph(seed)
        problem = build_problem(experiment.problem)
        optimum, _ = problem.spectrum()
        ours = time_multistart(experiment, problem, RATIO * optimum)
        if ours is not None:
            theirs = time_cobyla(experiment, problem, RATIO * optimum, cap_s)
            ratios.append(theirs / ours)
            more = "≥" if theirs >= cap_s else " "
            print(f"{seed:5}  {ours:8.4f} s  {more}{theirs:12.3f} s  {theirs / ours:7.0f}x")
        seed += 1
    print(f"median {statistics.median(ratios):.0f}x (target 100x)\n")


SCALING = """
import json, sys, time
from mpi4py import MPI
from hybrid_parsl.experiment import Experiment
from hybrid_parsl.mpi.team import close_team
from hybrid_parsl.stages.search import search
found = search(Experiment.model_validate_json(sys.argv[1]))
close_team()
if found:
    print(json.dumps(found.execution.duration_s))
"""


def compare_ranks(n_rounds: int) -> None:
    """Print the time of one search on one rank and on two, in turn."""
    experiment = parse_experiment(
        {
            "name": "scaling",
            "problem": {"kind": "maxcut", "nodes": 16, "degree": 3, "seed": 2},
            "ansatz": {"layers": 4},
            "search": {"starts": 512},  # loading the kernels is a part of each run
        }
    )
    times: dict[int, list[float]] = {1: [], 2: []}
    ceilings: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(n_rounds):
            for n_ranks in times:
                times[n_ranks] += run_together([n_ranks], experiment, folder)
            alone = times[1][-1]
            ceilings.append(2 * alone / max(run_together([1, 1], experiment, folder)))
    ratios = [one / two for one, two in zip(times[1], times[2], strict=True)]
    print("multistart, 512 starts, n = 16, p = 4")
    for n_ranks, durations in times.items():
        print(f"{n_ranks} rank{'s' if n_ranks > 1 else ' '}  {statistics.median(durations):.2f} s")
    print(
        f"speed-up: median {statistics.median(ratios):.2f}x, best {max(ratios):.2f}x (target 1.9x)"
    )
    print(f"two separate searches at once do {statistics.median(ceilings):.2f}x the work of one")


def run_together(n_ranks: list[int], experiment: Experiment, folder: str) -> list[float]:
    """Run searches of so many ranks at once, and return the seconds that each took."""
    launcher = Path(sys.executable).parent / "mpirun"
    searches = [
        subprocess.Popen(
            [launcher, "-n", str(n), sys.executable, "-c", SCALING, experiment.model_dump_json()],
            stdout=subprocess.PIPE,
            cwd=folder,
        )
        for n in n_ranks
    ]
    printed = [search.communicate()[0] for search in searches]
    if any(search.returncode for search in searches):
        raise RuntimeError("a search failed")
    return [json.loads(text) for text in printed]


def main() -> None:
    """Run both parts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--graphs", type=int, default=10, help="number of graphs")
    parser.add_argument("--cap", type=float, default=300.0, help="longest COBYLA run in seconds")
    parser.add_argument("--rounds", type=int, default=5, help="runs on each number of ranks")
    options = parser.parse_args()
    compare_with_cobyla(options.graphs, options.cap)
    compare_ranks(options.rounds)


if __name__ == "__main__":
    main()
